//! A Debian that is booted by its own systemd, without a network, and gone with everything in it at the end of the
//! test. What it writes stays in memory.

use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::root_of_clients;
use crate::tools::{printed, said};

/// Longest time to boot.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running machine.
pub struct Machine {
    process: Child,
    /// The process that is its first.
    leader: String,
    cgroup: Option<PathBuf>,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// Boots one that has these files. Nothing, loudly, where that is not possible.
    pub fn boot(files: &[(&Path, &str)]) -> Option<Machine> {
        let root = root_of_clients("bookworm")?;
        if Command::new("systemd-nspawn").arg("--version").output().is_err() {
            eprintln!("SKIPPED: systemd-nspawn is not installed (package systemd-container)");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("notify");
        let news = UnixDatagram::bind(&socket).unwrap();
        news.set_read_timeout(Some(PATIENCE)).unwrap();
        let cgroup = own_cgroup();
        let mut command = in_cgroup(cgroup.as_deref());
        command.args([
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--private-network",
            "--notify-ready=yes",
        ]);
        // The registry takes its sockets over by pidfd_getfd, which nspawn would refuse.
        command.args(["--volatile=overlay", "--console=pipe", "--boot", "--system-call-filter=pidfd_getfd"]);
        command.arg(format!("--machine=airlock-{}", std::process::id())).arg("-D").arg(&root);
        command.args(files.iter().map(|(from, to)| format!("--bind-ro={}:{to}", from.display())));
        if cgroup.is_some() {
            command.arg("--keep-unit");
        }
        // containerd comes with the root and is not needed here.
        command.args(["--", "systemd.mask=containerd.service"]).env("NOTIFY_SOCKET", &socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let process = command.spawn().unwrap();
        let mut machine = Machine { process, leader: String::new(), cgroup, _directory: directory };
        machine.wait(&news);
        Some(machine)
    }

    /// Waits until everything that is started at boot has been.
    fn wait(&mut self, news: &UnixDatagram) {
        let mut buffer = [0; 4096];
        loop {
            let count = news.recv(&mut buffer).expect("the machine boots in time");
            let told = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let leader = told.lines().find_map(|line| line.strip_prefix("X_NSPAWN_LEADER_PID="));
            if let Some(leader) = leader {
                self.leader = leader.to_owned();
            }
            if told.lines().any(|line| line == "READY=1") {
                return;
            }
        }
    }

    /// A shell script inside, which stops at the first command that fails.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.leader,
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "/bin/sh",
            "-ec",
        ]);
        command
            .arg(script)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a script that has to succeed, and returns what it prints.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let output = self.shell(script).output().unwrap();
        if !output.status.success() {
            let journal = self.shell("journalctl --no-pager --lines 40").output().unwrap();
            panic!("{script}: {}\n{}", said(&output), said(&journal));
        }
        printed(&output)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first asks it to shut down, the second does not wait for that.
        for _ in 0..2 {
            let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        }
        let _ = self.process.wait();
        if let Some(cgroup) = &self.cgroup {
            remove_directories(cgroup);
        }
    }
}

/// Where systemd does not run, nobody gives the machine a place among the control groups, so it is made here.
fn own_cgroup() -> Option<PathBuf> {
    if Path::new("/run/systemd/system").exists() {
        return None;
    }
    let hierarchies = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"].map(Path::new);
    let hierarchy = hierarchies.into_iter().find(|path| path.join("cgroup.procs").exists())?;
    let cgroup = hierarchy.join(format!("airlock-test-{}", std::process::id()));
    fs_err::create_dir(&cgroup).unwrap();
    Some(cgroup)
}

fn in_cgroup(cgroup: Option<&Path>) -> Command {
    let Some(cgroup) = cgroup else { return Command::new("env") };
    let mut command = Command::new("/bin/sh");
    command.args(["-ec", r#"echo $$ > "$0/cgroup.procs"; exec "$@""#]).arg(cgroup);
    command
}

/// Control groups are removed from the inside out; their files are not files.
fn remove_directories(path: &Path) {
    for entry in fs_err::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_directories(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(path);
}
