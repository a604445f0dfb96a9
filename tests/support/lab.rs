//! `scripts/lab`: a lab of air-gapped nodes to try things by hand.

#[path = "lab/lab.rs"]
mod laboratory;

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use clap::{Parser, Subcommand};
use laboratory::gap::Gap;
use laboratory::release::Release;
use laboratory::{Lab, Result, obstacle};

/// Air-gapped nodes on this machine: Debian with systemd, on a bridge that leads nowhere
#[derive(Parser)]
struct Arguments {
    /// The lab; several can exist side by side
    #[arg(long, default_value = "lab", global = true)]
    name: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a lab with nodes `node1`, `node2`, …, or add nodes to one
    Up {
        /// How many nodes it has afterwards
        #[arg(long, default_value_t = 2)]
        nodes: usize,
        /// bookworm or trixie
        #[arg(long, default_value = "bookworm", value_parser = parse_release)]
        release: Release,
        /// What happens to packets for the outside: none (no default route), reject or drop
        #[arg(long, default_value = "none", value_parser = parse_gap)]
        gap: Gap,
        /// Directory that new nodes have as a stick at /media/stick, which they cannot write
        #[arg(long)]
        stick: Option<PathBuf>,
    },
    /// Say whether a lab can be had on this machine; the exit status is 7 where not
    Check,
    /// Run a command on a node
    Run {
        node: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Open a shell on a node
    Enter { node: String },
    /// Pull the cable of a node
    Cut { node: String },
    /// Put the cable of a node back
    Join { node: String },
    /// Copy a file or directory to a node
    Push {
        file: PathBuf,
        /// NODE:PATH
        target: String,
    },
    /// Record the packets on the bridge until Enter is pressed, and list the addresses in them
    Capture,
    /// Cut the power of a node and boot it again
    PowerCycle { node: String },
    /// List the nodes
    List,
    /// Print the nodes as an inventory of Ansible: the first one is the server
    Inventory,
    /// Run a program of this machine where the nodes are reached from, as `airlock cluster` or `ssh`
    From {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Let a node hang: nothing on it runs, its kernel still answers
    Hang { node: String },
    /// Let it go on
    Resume { node: String },
    /// Take a node away, or the whole lab
    Down { node: Option<String> },
}

fn parse_release(word: &str) -> std::result::Result<Release, String> {
    word.parse().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}

fn parse_gap(word: &str) -> std::result::Result<Gap, String> {
    word.parse().map_err(|error: Box<dyn std::error::Error>| error.to_string())
}

fn main() -> ExitCode {
    let Arguments { name, command } = Arguments::parse();
    if let Some(obstacle) = obstacle() {
        return failed(&obstacle, 7);
    }
    let done = match command {
        Command::Up { nodes, release, gap, stick } => up(&name, nodes, release, gap, stick.as_deref()),
        Command::Check => Ok(()),
        other => Lab::open(&name).and_then(|lab| act(&lab, other)),
    };
    done.map_or_else(|error| failed(&format!("error: {error}"), 1), |()| ExitCode::SUCCESS)
}

fn failed(line: &str, status: u8) -> ExitCode {
    // Without a reader there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
    ExitCode::from(status)
}

fn up(name: &str, nodes: usize, release: Release, gap: Gap, stick: Option<&Path>) -> Result<()> {
    let stick = stick.map(fs_err::canonicalize).transpose()?;
    let lab = Lab::lasting(name, gap)?;
    for number in 1..=nodes {
        let node = format!("node{number}");
        match lab.existing(&node) {
            Ok(existing) => existing.boot()?,
            Err(_) => drop(lab.node_with(&node, release, stick.as_deref())?),
        }
    }
    list(&lab)?;
    // An inventory of a single node is of no use.
    let inventory = if nodes > 1 { format!("\n{}", lab.inventory()?) } else { String::new() };
    Ok(io::stdout().write_all(inventory.as_bytes())?)
}

fn act(lab: &Lab, command: Command) -> Result<()> {
    match command {
        Command::Up { .. } | Command::Check => Ok(()),
        Command::Run { node, command } => become_command(lab, &node, &command),
        Command::Enter { node } => become_command(lab, &node, &["bash".to_owned(), "--login".to_owned()]),
        Command::Cut { node } => lab.cut(&lab.existing(&node)?),
        Command::Join { node } => lab.join(&lab.existing(&node)?),
        Command::Push { file, target } => {
            let (node, path) = target.split_once(':').ok_or("the target is NODE:PATH")?;
            lab.existing(node)?.copy_in(&file, path)
        }
        Command::Capture => capture(lab),
        Command::PowerCycle { node } => {
            let node = lab.existing(&node)?;
            node.kill_hard()?;
            node.boot()
        }
        Command::List => list(lab),
        Command::Inventory => Ok(io::stdout().write_all(lab.inventory()?.as_bytes())?),
        Command::From { command } => become_command_from(lab, &command),
        Command::Hang { node } => lab.existing(&node)?.hang(),
        Command::Resume { node } => lab.existing(&node)?.resume(),
        Command::Down { node: Some(node) } => lab.remove(&lab.existing(&node)?),
        Command::Down { node: None } => lab.down(),
    }
}

fn become_command(lab: &Lab, node: &str, words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = lab.existing(node)?.command(&words)?;
    Err(command.stdin(Stdio::inherit()).exec().into())
}

fn become_command_from(lab: &Lab, words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, arguments) = words.split_first().ok_or("there is no command")?;
    let mut command = lab.provisioner()?.command(program, arguments);
    Err(command.stdin(Stdio::inherit()).exec().into())
}

fn capture(lab: &Lab) -> Result<()> {
    let capture = lab.capture()?;
    writeln!(io::stderr(), "recording; press Enter to stop")?;
    io::stdin().read_line(&mut String::new())?;
    let packets = capture.stop()?;
    let foreign = packets.foreign();
    writeln!(io::stdout(), "{} packets", packets.count)?;
    for address in &packets.addresses {
        let note = if foreign.contains(address) { "  not of the lab" } else { "" };
        writeln!(io::stdout(), "{address}{note}")?;
    }
    Ok(())
}

fn list(lab: &Lab) -> Result<()> {
    for node in lab.nodes()? {
        let state = if node.is_running()? { "running" } else { "off" };
        writeln!(io::stdout(), "{:12} {:12} {state}", node.name(), node.address())?;
    }
    Ok(())
}
