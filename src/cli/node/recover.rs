//! `airlock node recover`: what `airlock cluster` does on a node to bring it back, or to let it leave.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::install::consent;
use crate::cli::install::report::Planned;
use crate::cli::root;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::driver::Done;
use crate::node::journal::{Entry, Journal};
use crate::node::lock::{Holder, Lock};
use crate::node::machine::Machine;
use crate::node::plan::Plan;
use crate::node::recovery::{self, Look, Recovery};
use crate::node::run;
use crate::node::work::Work;
use crate::oci::digest::Digest;
use crate::quote::escape;
use crate::ui::human;

/// Bring the k3s of this node back, or let it leave its cluster, step by step
///
/// `airlock cluster repair`, `remove` and `etcd` put these together in the order that is safe; alone they are for
/// the rack, when nothing else reaches the node. Directories are moved, never deleted. Needs root.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false, after_long_help = EXAMPLES)]
pub struct RecoverArgs {
    /// Show what would change, and change nothing
    #[arg(long, global = true)]
    pub plan: bool,

    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node recover look
  sudo airlock node recover reset --plan
  sudo airlock node recover start";

/// What is done.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Show what its k3s and its data are like, without asking the cluster
    Look,
    /// Keep k3s from starting again by itself
    Disarm,
    /// Stop k3s, and keep it from starting with the machine
    Stop,
    /// Stop k3s and move its datastore away, so that it joins anew
    Aside {
        /// Only the datastore of this member of etcd
        #[arg(long, value_name = "MEMBER")]
        member: Option<String>,
    },
    /// Make this node the only member of etcd, with its own data or those of a snapshot
    Reset {
        /// Path of the snapshot
        #[arg(long, value_name = "FILE")]
        snapshot: Option<String>,
    },
    /// Put expired certificates out of the way; k3s makes new ones when it starts
    Certificates,
    /// Start k3s as it is
    Start,
    /// Keep the snapshot that comes on standard input
    Keep {
        /// Its name
        name: String,
        /// Its length in bytes
        #[arg(long)]
        size: u64,
        /// Its SHA-256
        #[arg(long, value_name = "sha256:…")]
        digest: String,
    },
}

#[derive(Serialize)]
struct Kept {
    path: String,
}

pub(super) fn run(arguments: RecoverArgs, session: &Session) -> Result<()> {
    root::require("recovering a node", session)?;
    let machine = Machine::this();
    let recovery = match arguments.what {
        What::Look => return session.print(&Look::at(&machine)?, shown),
        What::Keep { name, size, digest } => return keep(&name, size, &digest, &machine, session),
        What::Disarm => Recovery::Disarm,
        What::Stop => Recovery::Stop,
        What::Aside { member } => Recovery::Aside { member },
        What::Reset { snapshot } => Recovery::Reset { snapshot },
        What::Certificates => Recovery::Certificates,
        What::Start => Recovery::Start,
    };
    let steps = recovery.steps(&machine)?;
    let plan = Plan::make(&steps, &machine)?;
    if arguments.plan {
        return session.print(&plan, |plan| Planned(plan).to_string());
    }
    if !plan.is_empty() && !consent::to_changes(&plan)? {
        session.note("Nothing was changed");
        return Ok(());
    }
    let done = run::run(recovery.command(), &steps, &machine, session.progress())?;
    session.print(&done, told)
}

/// Receives a snapshot, under the lock and with the journal like every change.
fn keep(name: &str, size: u64, digest: &str, machine: &Machine, session: &Session) -> Result<()> {
    let digest: Digest = digest.parse().map_err(|error| {
        Error::new(codes::USAGE, "`--digest` is no SHA-256").with_help("it is sha256:HEX").with_source(error)
    })?;
    let since = format!("{:.0}", Timestamp::now());
    let holder = Holder { pid: std::process::id(), command: "recover keep".to_owned(), since };
    let _lock = Lock::take(machine, &holder)?;
    let mut journal = Journal::open(machine)?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    journal.add(Entry::Run { command: holder.command.clone(), version, at: holder.since.clone() })?;
    let mut work = Work::new(machine, &mut journal, session.progress(), std::time::Duration::from_secs(3600));
    let path = recovery::keep_snapshot(&mut work, name, size, &digest, &mut std::io::stdin().lock())?;
    journal.add(Entry::Finished)?;
    session.print(&Kept { path }, |kept| format!("{}\n", kept.path))
}

fn told(done: &Done) -> String {
    match done.changed.as_slice() {
        [] => "nothing to do\n".to_owned(),
        steps => format!("done: {}\n", steps.join(", ")),
    }
}

fn shown(look: &Look) -> String {
    if !look.is_node {
        return "this machine is no node: airlock has installed nothing here\n".to_owned();
    }
    let mut text = format!(
        "{} ({}{})\n",
        look.role.name(),
        look.active,
        if look.is_enabled { ", starts with the machine" } else { ", does not start with the machine" }
    );
    if let Some(failure) = &look.failure {
        text += &format!("  does not start: {}\n  help: {}\n", escape(&failure.cause), escape(&failure.fix));
    }
    if let Some(member) = &look.member {
        text += &format!("etcd member {}\n", escape(member));
    }
    for snapshot in &look.snapshots {
        let size = human::size(snapshot.size);
        text += &format!("snapshot {} ({size}, {:.0})\n", escape(&snapshot.path), snapshot.at);
    }
    text
}
