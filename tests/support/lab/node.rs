//! One node: what an administrator does with a server, and what fate does to it.

mod mishaps;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_err as fs;

use super::command::{command, said};
use super::disk::Disk;
use super::machine::Machine;
use super::snapshot::Snapshot;
use super::{Result, gpu, login, rootfs_settings};

/// The shell that has entered a node has its command as a child, and waits for it. nsenter(1) would stop together with
/// that child, as systemd-shutdown(8) stops everything before it kills it; and then nobody would reap the child, and the node
/// would never have ended.
const STAY: &str = r#""$@"; exit "$?""#;

/// How long a node may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(100);
/// How much of a log an error shows.
const LAST_LINES: usize = 20;
/// What the programs of a node have in their environment, beside what they are given.
const ENVIRONMENT: [&str; 4] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LC_ALL=C.UTF-8",
];
/// What a program in a node must not do, since it would happen to this machine.
const WITHHELD: &str = "--bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot";

/// One node of a lab. Dropping it changes nothing.
pub struct Node {
    name: String,
    address: Ipv4Addr,
    directory: PathBuf,
    namespace: String,
    machine: Machine,
    disk: Disk,
}

impl Node {
    /// A node without disk and network.
    pub(super) fn create(lab: &str, name: &str, directory: &Path, address: Ipv4Addr) -> Result<Node> {
        let is_letter =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if name.is_empty() || name.len() > 30 || !name.chars().all(is_letter) || name == "switch" {
            return Err(format!("`{name}` cannot be the name of a node: letters, digits, `-`").into());
        }
        fs::create_dir_all(directory)?;
        fs::write(directory.join("address"), address.to_string())?;
        Node::open(lab, name, directory)
    }

    /// The node in `directory`.
    pub(super) fn open(lab: &str, name: &str, directory: &Path) -> Result<Node> {
        let address = fs::read_to_string(directory.join("address"))
            .map_err(|_| format!("the lab `{lab}` has no node `{name}`"))?;
        let namespace = format!("airlock-{lab}-{name}");
        Ok(Node {
            name: name.to_owned(),
            address: address.trim().parse()?,
            directory: directory.to_path_buf(),
            machine: Machine::of_node(&namespace, &namespace, directory),
            namespace,
            disk: Disk::of_node(directory),
        })
    }

    pub(super) fn prepare_disk(&self, root: &Path, public_key: &str) -> Result<()> {
        self.disk.create(root)?;
        rootfs_settings::name(&self.disk.root(), &self.name)?;
        login::admit(&self.disk.root(), public_key)
    }

    pub(super) fn insert(&self, stick: &Path) -> Result<()> {
        self.machine.insert(stick)
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn delete(&self) -> Result<()> {
        self.disk.unmount()?;
        Ok(fs::remove_dir_all(&self.directory)?)
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the lab.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its root directory, as this machine sees it: what the disk has, without what is mounted on it inside.
    pub fn root(&self) -> PathBuf {
        self.disk.root()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> Result<bool> {
        Ok(self.machine.leader()?.is_some())
    }

    /// Boots it, if it does not run; returns when it is up.
    pub fn boot(&self) -> Result<()> {
        self.disk.mount()?;
        self.machine.start(&self.disk.root(), &self.name)
    }

    /// Lets it have no more than this share of one processor, in percent, until it is booted the next time.
    pub fn limit_processor(&self, percent: u32) -> Result<()> {
        self.machine.limit_processor(percent)
    }

    /// How long processors have worked for it since it was booted.
    pub fn processor_time(&self) -> Result<Duration> {
        self.machine.processor_time()
    }

    /// Cuts the power: every process dies at once. What they have written is kept, synced or not, since the
    /// kernel lives on.
    pub fn kill_hard(&self) -> Result<()> {
        self.machine.kill()
    }

    /// Shuts it down in order and boots it again.
    pub fn reboot(&self) -> Result<()> {
        self.shut_down()?;
        self.boot()
    }

    /// Does `act`, in the course of which the node restarts by itself, and switches it on again, as a machine does that
    /// is restarted.
    pub fn through_restart<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // An error cannot leave its thread, but what it says can.
            let boot = || self.boot_when_off(&is_over).map_err(|error| error.to_string());
            let boot = scope.spawn(boot);
            let acted = act();
            is_over.store(true, Ordering::Relaxed);
            boot.join().unwrap_or_else(|_| Err("panic".to_owned()))?;
            Ok(acted)
        })
    }

    fn boot_when_off(&self, is_over: &AtomicBool) -> Result<()> {
        while self.is_running()? {
            if is_over.load(Ordering::Relaxed) {
                return Ok(());
            }
            // That it still runs is no error.
            let _ = self.machine.wait_for_end(Duration::from_secs(1));
        }
        self.machine.kill()?;
        self.boot()
    }

    /// Puts a GPU into it, which is there at once and after every boot. The node has to run.
    pub fn insert_gpu(&self) -> Result<()> {
        gpu::write(&self.disk.root())?;
        self.systemctl(&["enable", "--quiet", "--now", gpu::UNIT]).map(drop)
    }

    /// Shuts it down in order, if it runs.
    pub fn shut_down(&self) -> Result<()> {
        if self.is_running()? {
            self.systemctl(&["--no-block", "poweroff"])?;
            self.machine.wait_for_end(SHUTDOWN)?;
        }
        self.machine.kill()
    }

    /// A command in the node, for whoever wants to set its streams.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let leader =
            self.machine.leader()?.ok_or_else(|| format!("the node `{}` does not run", self.name))?;
        let target = leader.as_raw_nonzero().to_string();
        let enter = ["--no-fork", "--target", &target, "--all", "--", "sh", "-c", STAY, "sh"];
        let mut command = command("nsenter", &[&enter[..], &["setpriv", WITHHELD]].concat());
        command.args(["env", "--ignore-environment"]).args(ENVIRONMENT).args(words);
        Ok(command)
    }

    /// A program of this machine in the network of the node, such as one that nodes do not have.
    pub fn command_beside(&self, program: &str, arguments: &[&str]) -> Command {
        command("ip", &[&["netns", "exec", &self.namespace, program], arguments].concat())
    }

    /// Runs a command as root to its end, whatever it ends with.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        Ok(self.command(words)?.output()?)
    }

    /// Runs a command that has to succeed; gives what it printed.
    pub fn succeed(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        if !output.status.success() {
            let (name, line) = (&self.name, words.join(" "));
            return Err(format!("`{line}` on {name}: {}: {}", output.status, said(&output)).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a line of shell that has to succeed.
    pub fn shell(&self, line: &str) -> Result<String> {
        self.succeed(&["sh", "-c", line])
    }

    /// `systemctl` with these arguments, which has to succeed.
    pub fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        self.succeed(&[&["systemctl"], arguments].concat())
    }

    /// What the unit has logged since the last boot, a line each.
    pub fn journal(&self, unit: &str) -> Result<String> {
        self.succeed(&["journalctl", "--boot", "--no-pager", "--output=cat", "--unit", unit])
    }

    /// Waits until the unit logs `fragment`; gives the line. Looks at what was logged before, too.
    pub fn wait_for_log(&self, unit: &str, fragment: &str, patience: Duration) -> Result<String> {
        let seconds = patience.as_secs().to_string();
        let follow = r#"timeout "$1" journalctl --boot --follow --lines=all --output=cat --unit "$2" | grep --max-count=1 --fixed-strings -- "$3""#;
        let words = ["sh", "-c", follow, "sh", &seconds, unit, fragment];
        self.succeed(&words).map(|line| line.trim_end().to_owned()).map_err(|_| {
            let log = self.journal(unit).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let log = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            format!("{unit} on {} does not say `{fragment}`:\n{log}", self.name).into()
        })
    }

    /// Copies a file or a directory of this machine to an absolute path of the node. Mode and times are kept.
    pub fn copy_in(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.inside(to)?;
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy(from, &to)
    }

    /// Copies a file or a directory of the node to this machine.
    pub fn copy_out(&self, from: &str, to: &Path) -> Result<()> {
        copy(&self.inside(from)?, to)
    }

    /// The bytes that it has written on its disk, over what it shares with others.
    pub fn written(&self) -> Result<u64> {
        self.disk.written()
    }

    /// Every entry of its root file system.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::of(&self.disk.root())
    }

    // Through the root of its PID 1 where it runs, so that what is mounted inside counts.
    fn inside(&self, path: &str) -> Result<PathBuf> {
        let root = match self.machine.leader()? {
            Some(leader) => PathBuf::from(format!("/proc/{}/root", leader.as_raw_nonzero())),
            None => self.disk.root(),
        };
        let relative = path.strip_prefix('/').ok_or_else(|| format!("`{path}` is not absolute"))?;
        Ok(root.join(relative))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = command("cp", &["--archive", "--reflink=auto", "--no-target-directory"]);
    super::command::finish(copy.arg(from).arg(to)).map(drop)
}
