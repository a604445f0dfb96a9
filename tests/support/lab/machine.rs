//! The container of a node: `systemd-nspawn` with the node's systemd inside.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

use super::command::{command, finish};
use super::{Result, cgroup, limits};

/// How long a node may take to boot.
const BOOT: Duration = Duration::from_secs(60);
/// How long a killed container may take to go away.
const END: Duration = Duration::from_secs(30);
/// Where the stick of a node is, inside.
pub const STICK: &str = "/media/stick";
/// What a server has been given below `/proc/sys/fs/inotify`, whatever this machine has.
const LIMITS: [(&str, &str); 2] = [("max_user_instances", "8192"), ("max_user_watches", "1048576")];
/// Enters the control groups before it becomes nspawn: `sh -c SCRIPT sh NUMBER GROUP… COMMAND…`.
const ENTER_GROUPS: &str = r#"n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; n=$((n - 1)); done; exec "$@""#;

/// The container of one node.
pub struct Machine {
    /// Unique on this machine: names its control groups and its socket.
    name: String,
    namespace: String,
    directory: PathBuf,
}

impl Machine {
    /// The container of the node in `directory`, whose network is `namespace`.
    pub fn of_node(name: &str, namespace: &str, directory: &Path) -> Machine {
        Machine { name: name.to_owned(), namespace: namespace.to_owned(), directory: directory.to_path_buf() }
    }

    /// Starts it; returns when its systemd has reached the default target.
    pub fn start(&self, root: &Path, hostname: &str) -> Result<()> {
        if self.process()?.is_some() {
            return Ok(());
        }
        limits::raise()?;
        let groups = cgroup::directories(&self.name);
        cgroup::create(&groups)?;
        // In the abstract namespace paths can be long, and nothing is left behind.
        let address = format!("{}-{}", self.name, std::process::id());
        let ready = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&address)?)?;
        let console = fs::File::create(self.directory.join("console"))?;
        let mut nspawn = command("sh", &["-c", ENTER_GROUPS, "sh", &groups.len().to_string()]);
        nspawn.args(&groups).args(self.arguments(root, hostname));
        nspawn.env("NOTIFY_SOCKET", format!("@{address}"));
        // The nodes have what k3s requires, whatever this machine has.
        nspawn.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        // Network settings belong to the namespace of the node. All others are those of this machine: not writable.
        nspawn.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network");
        nspawn
            .stdout(console.file().try_clone()?)
            .stderr(Stdio::from(console.into_parts().0))
            .process_group(0);
        let process = nspawn.spawn()?.id();
        fs::write(self.directory.join("pid"), process.to_string())?;
        self.wait_until_ready(&ready)?;
        self.raise_limits()
    }

    // Limits belong to this machine, and nodes must not change them: those of a server lie over them.
    fn raise_limits(&self) -> Result<()> {
        let leader = self.leader()?.ok_or("the node has ended")?.as_raw_nonzero().to_string();
        for (limit, value) in LIMITS {
            let file = format!("/run/{limit}");
            let line = r#"echo "$1" > "$2" && mount --bind "$2" "/proc/sys/fs/inotify/$3""#;
            let enter = ["--target", &leader, "--mount", "--", "sh", "-c", line, "sh"];
            finish(command("nsenter", &enter).args([value, &file, limit]))?;
        }
        Ok(())
    }

    fn arguments(&self, root: &Path, hostname: &str) -> Vec<String> {
        let fixed =
            ["--quiet", "--register=no", "--keep-unit", "--boot", "--settings=no", "--notify-ready=yes"];
        let host = ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"];
        // The registry takes its sockets over from systemd by it, and nspawn would refuse. The network is the node's own.
        let calls = ["--system-call-filter=pidfd_getfd", "--capability=CAP_NET_ADMIN"];
        let words = ["systemd-nspawn"].into_iter().chain(fixed).chain(host).chain(calls).map(str::to_owned);
        let own = [
            format!("--machine={}", self.name),
            format!("--hostname={hostname}"),
            format!("--directory={}", root.display()),
            format!("--network-namespace-path=/run/netns/{}", self.namespace),
        ];
        words
            .chain(own)
            .chain(self.stick().map(|stick| format!("--bind-ro={}:{STICK}", stick.display())))
            .collect()
    }

    /// Puts the directory into the node as a stick that cannot be written, from the next boot on.
    pub fn insert(&self, stick: &Path) -> Result<()> {
        Ok(fs::os::unix::fs::symlink(stick, self.directory.join("stick"))?)
    }

    fn stick(&self) -> Option<PathBuf> {
        fs::read_link(self.directory.join("stick")).ok()
    }

    fn wait_until_ready(&self, socket: &UnixDatagram) -> Result<()> {
        let deadline = Instant::now() + BOOT;
        let mut message = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            socket.set_read_timeout(Some(left.min(Duration::from_secs(1))))?;
            if let Ok(length) = socket.recv(&mut message) {
                let said = String::from_utf8_lossy(&message[..length]).into_owned();
                if said.lines().any(|line| line == "READY=1") {
                    return Ok(());
                }
            }
            if self.process()?.is_none() || Instant::now() >= deadline {
                let console = fs::read_to_string(self.directory.join("console"))?;
                return Err(format!("`{}` does not boot: {console}", self.name).into());
            }
        }
    }

    /// PID 1 of the node, as this machine sees it. `None` if it does not run.
    pub fn leader(&self) -> Result<Option<Pid>> {
        let Some(process) = self.process()? else { return Ok(None) };
        let process = process.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
        Ok(children.split(' ').next().and_then(|child| child.parse().ok()).and_then(Pid::from_raw))
    }

    // The recorded process, if it is still the one that was recorded: numbers are given out again.
    fn process(&self) -> Result<Option<Pid>> {
        let Ok(recorded) = fs::read_to_string(self.directory.join("pid")) else { return Ok(None) };
        let Some(process) = recorded.parse().ok().and_then(Pid::from_raw) else { return Ok(None) };
        // A child of ours that has ended stays until it is asked for.
        let _ = waitpid(Some(process), WaitOptions::NOHANG);
        let arguments = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).unwrap_or_default();
        let own = format!("--machine={}", self.name);
        let is_ours = arguments.split(|byte| *byte == 0).any(|argument| argument == own.as_bytes());
        Ok(is_ours.then_some(process))
    }

    /// Stops all of its processes where they are, or lets them go on.
    pub fn set_frozen(&self, is_frozen: bool) -> Result<()> {
        cgroup::set_frozen(&cgroup::directories(&self.name), is_frozen)
    }

    /// Lets it have no more than this share of one processor, in percent, until it is started the next time.
    pub fn limit_processor(&self, percent: u32) -> Result<()> {
        cgroup::limit_processor(&cgroup::directories(&self.name), percent)
    }

    /// How long processors have worked for it since it was started.
    pub fn processor_time(&self) -> Result<Duration> {
        cgroup::processor_time(&cgroup::directories(&self.name))
    }

    /// Kills everything in it at once, as a power cut does.
    pub fn kill(&self) -> Result<()> {
        if let Some(process) = self.process()? {
            // All processes of a PID namespace die with its PID 1; before there is one, nspawn itself has to.
            let victim = self.leader()?.unwrap_or(process);
            let _ = kill_process(victim, Signal::KILL);
            // What is frozen does not even die where control groups are of version 1.
            self.set_frozen(false)?;
            self.wait_for_end(END)?;
        }
        cgroup::remove(&cgroup::directories(&self.name))
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&self, patience: Duration) -> Result<()> {
        let Some(process) = self.process()? else { return Ok(()) };
        if let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty()) {
            let patience = Timespec::try_from(patience)?;
            let mut ended = [PollFd::new(&descriptor, PollFlags::IN)];
            if poll(&mut ended, Some(&patience))? == 0 {
                return Err(format!("`{}` does not end", self.name).into());
            }
        }
        self.process().map(drop)
    }
}
