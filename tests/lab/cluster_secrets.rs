//! The token of a cluster and a password of sudo are nowhere but where they belong, during a deployment and after it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fs_err as fs;

use crate::desk::Desk;
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// What all secrets have in common.
pub const CANARY: &str = "canary0123456789";
const TOKEN: &str = "canary0123456789token";
const PASSWORD: &str = "canary0123456789password";

/// Where the token belongs on a server: what its configuration names, and where k3s itself keeps it.
const OF_SERVERS: [&str; 3] = [
    "/etc/rancher/k3s/token",
    "/var/lib/rancher/k3s/server/cred/passwd",
    "/var/lib/rancher/k3s/server/token",
];
/// On an agent, which needs it to join again after a restart.
const OF_AGENTS: [&str; 1] = ["/etc/rancher/k3s/token"];

/// What processes have in their arguments and environments, sampled as long as something goes on.
#[derive(Default)]
pub struct Sampled {
    /// Arguments and environments with a secret in them.
    pub caught: BTreeSet<String>,
    /// How often a command was seen that installs a node.
    pub installing: usize,
}

/// Samples all processes of this machine, those of all nodes and of the provisioner among them.
pub fn sample(until: &AtomicBool) -> Sampled {
    let mut sampled = Sampled::default();
    while !until.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                // Processes end.
                let Ok(bytes) = fs::read(process.path().join(file)) else { continue };
                let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
                sampled.installing += usize::from(text.contains(" install --settings"));
                if text.contains(CANARY) {
                    sampled.caught.insert(text);
                }
            }
        }
    }
    sampled
}

/// The files with a secret in them below `/` of a node, whatever is mounted there.
pub fn holders(node: &Node) -> BTreeSet<String> {
    // The secret comes by standard input, since this is a process as well.
    let roots = ["--exclude-dir=proc", "--exclude-dir=sys", "/"];
    let words = [&["grep", "-rlaF", "--devices=skip", "--file=-"], &roots[..]].concat();
    let mut grep = node.command(&words).unwrap();
    let mut grep = grep.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    grep.stdin.take().unwrap().write_all(format!("{CANARY}\n").as_bytes()).unwrap();
    let output = grep.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The same below a directory of this machine.
fn holders_below(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            holders_below(&entry.path(), found);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            if memchr::memmem::find(&bytes, CANARY.as_bytes()).is_some() {
                found.insert(entry.path().display().to_string());
            }
        }
    }
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn token_and_password_are_nowhere_but_where_they_belong() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("secrets", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "worker1"], Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    nodes.iter().for_each(|node| node.set_sudo_password(Some(PASSWORD)).unwrap());
    desk.write("token", &format!("{TOKEN}\n"));
    desk.write("password", &format!("{PASSWORD}\n"));
    let hosts = yaml(&lab, &[&nodes[0]], &[&nodes[1]], &[]);
    desk.inventory(&format!("{hosts}tokenFile: {}\n", desk.path("token")));

    let is_over = AtomicBool::new(false);
    let (deployed, sampled) = thread::scope(|scope| {
        let sampler = scope.spawn(|| sample(&is_over));
        let deployed =
            desk.deploy(&["--json", "--progress", "json", "--sudo-password-file", &desk.path("password")]);
        is_over.store(true, Ordering::Relaxed);
        (deployed, sampler.join().unwrap())
    });
    assert_eq!(deployed.status, Some(0), "{}", deployed.told);
    assert!(!deployed.told.contains(CANARY), "{}", deployed.told);
    assert!(sampled.installing > 1, "the installation was not seen");
    assert_eq!(sampled.caught, BTreeSet::new());

    assert_eq!(holders(&nodes[0]), OF_SERVERS.map(str::to_owned).into());
    assert_eq!(holders(&nodes[1]), OF_AGENTS.map(str::to_owned).into());
    for node in &nodes {
        let journal = node.succeed(&["journalctl", "--no-pager", "--output=export"]).unwrap();
        assert!(!journal.contains(CANARY), "{journal}");
    }
    let mut here = BTreeSet::new();
    holders_below(&desk.provisioner.home(), &mut here);
    holders_below(&desk.provisioner.temporary(), &mut here);
    assert_eq!(here, [desk.path("password"), desk.path("token")].into());
}
