//! A cluster through its life, from the machine of an administrator: every operation does what it says, and done again
//! there is nothing to do.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::stick::Stick;

/// Keeps the k3s of one version from starting.
const REFUSES: &str = "[Service]\nExecStartPre=/bin/sh -c '! /usr/local/bin/k3s --version | grep -q v1.37'\n";
const DROP_IN: &str = "/etc/systemd/system/k3s.service.d/lab.conf";

/// The administrator, with an inventory and what the bundles need.
pub struct Desk<'a> {
    lab: &'a Lab,
    provisioner: &'a Provisioner,
    directory: PathBuf,
    sticks: &'a [Stick],
}

/// How a command ended.
pub struct Said {
    /// Its exit status; nothing if a signal ended it.
    pub status: Option<i32>,
    /// All that it has printed.
    pub text: String,
}

impl<'a> Desk<'a> {
    pub fn new(lab: &'a Lab, provisioner: &'a Provisioner, sticks: &'a [Stick]) -> Desk<'a> {
        let directory = provisioner.home().join("desk");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("signers"), sticks[0].signers()).unwrap();
        // Under its own name: as `install` it would install this machine.
        fs::copy(sticks[0].program(), directory.join("airlock")).unwrap();
        Desk { lab, provisioner, directory, sticks }
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Writes the inventory; `labels` are those of the first agent.
    pub fn inventory(&self, servers: &[&Node], agents: &[&Node], labels: &str) {
        let hosts = |nodes: &[&Node], labels: &str| -> String {
            let host = |(number, node): (usize, &&Node)| {
                let labels = if number == 0 { labels } else { "" };
                format!("  - {{name: {}, host: {}{labels}}}\n", node.name(), node.address())
            };
            nodes.iter().enumerate().map(host).collect()
        };
        let key = self.lab.ssh_key();
        let text = format!(
            "apiVersion: airlock/v1\nkind: Cluster\ndefaults: {{user: operator, identityFile: {}}}\nservers:\n{}agents:\n{}",
            key.display(),
            hosts(servers, ""),
            hosts(agents, labels)
        );
        fs::write(self.directory.join("cluster.yaml"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let inventory = self.path("cluster.yaml");
        let words = [&["cluster"], words, &["-i", &inventory, "--progress", "json"]].concat();
        self.provisioner.command(&self.path("airlock"), &words)
    }

    pub fn run(&self, words: &[&str]) -> Said {
        Said::of(&self.command(words).stdin(Stdio::null()).output().unwrap())
    }

    /// Succeeds; what it has printed.
    #[track_caller]
    pub fn succeed(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.status, Some(0), "{words:?}: {}", said.text);
        said.text
    }

    /// The same again has nothing to do.
    #[track_caller]
    fn twice(&self, words: &[&str]) {
        self.succeed(words);
        let again = self.succeed(words);
        assert!(again.contains("nothing to do"), "{words:?}: {again}");
    }

    /// Fails with this status and these words.
    #[track_caller]
    pub fn refuse(&self, words: &[&str], status: i32, reason: &str) {
        let said = self.run(words);
        assert_eq!(said.status, Some(status), "{words:?}: {}", said.text);
        assert!(said.text.contains(reason), "{words:?}: {}", said.text);
    }

    /// Sends a signal once it tells this on standard error.
    fn interrupt(&self, words: &[&str], told: &str, signal: Signal) -> Said {
        let mut command = self.command(words);
        let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut text = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            text += &format!("{line}\n");
            if line.contains(told) {
                break;
            }
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        text.extend(lines.map(|line| line.unwrap() + "\n"));
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        Said { status: child.wait().unwrap().code(), text }
    }

    /// Words of a command that takes a bundle.
    pub fn with_stick(&self, words: &[&str], number: usize) -> Vec<String> {
        let (stick, signers) = (self.sticks[number].path(), self.path("signers"));
        let options = ["--bundle", stick.to_str().unwrap(), "--allowed-signers", &signers, "--yes"];
        [words, &options].concat().into_iter().map(str::to_owned).collect()
    }

    /// `deploy` or `add`, which keep logs of the hosts.
    pub fn with_logs(&self, words: &[&str], number: usize) -> Vec<String> {
        let (logs, report) = (self.path("logs"), self.path("report.json"));
        let options = ["--log-dir", &logs, "--report", &report].map(str::to_owned);
        [self.with_stick(words, number), options.to_vec()].concat()
    }

    /// The states of the hosts in the last report.
    fn states(&self) -> Vec<String> {
        let report: Value =
            serde_json::from_slice(&fs::read(self.directory.join("report.json")).unwrap()).unwrap();
        let host =
            |host: &Value| format!("{} {}", host["host"].as_str().unwrap(), host["state"].as_str().unwrap());
        report["hosts"].as_array().unwrap().iter().map(host).collect()
    }
}

impl Said {
    fn of(output: &Output) -> Said {
        let text =
            [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Said { status: output.status.code(), text: text.concat() }
    }
}

pub fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// What the cluster says of a node, `{.metadata.labels.rack}`.
fn of_node(server: &Node, node: &str, path: &str) -> String {
    server.succeed(&["k3s", "kubectl", "get", "node", node, "-o", &format!("jsonpath={path}")]).unwrap()
}

/// The nodes that are ready, each with its version.
pub fn ready(server: &Node) -> Vec<String> {
    let nodes = server.succeed(&["k3s", "kubectl", "get", "nodes", "--no-headers"]).unwrap();
    let fields = nodes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ready = fields.filter(|fields| fields[1] == "Ready");
    ready.map(|fields| format!("{} {}", fields[0], fields.last().unwrap())).collect()
}

const KUBECTL_NODES: [&str; 5] = ["k3s", "kubectl", "get", "nodes", "--no-headers"];

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_is_made_changed_and_grown() {
    let Some(sticks) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("grow", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1", "worker2"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let [server1, server2, server3, worker1, worker2] = &nodes[..] else { panic!("five nodes") };
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, sticks);

    desk.inventory(&[server1], &[worker1], "");
    deploys_although_it_was_terminated(&desk);
    changes_nodes(&desk, [server1, worker1]);

    desk.inventory(&[server1], &[worker1, worker2], "");
    let plan = desk.with_logs(&["add", "--plan"], 0);
    assert!(desk.succeed(&words(&plan)).contains("worker2"));
    grows(&desk, &["server1 unchanged", "worker2 installed"]);
    desk.inventory(&[server1, server2, server3], &[worker1, worker2], "");
    grows(&desk, &names.map(|name| format!("{name} installed")).each_ref().map(String::as_str));
    tells(&desk);
    desk.twice(&["remove", "server3", "--yes"]);
    assert!(!server1.succeed(&KUBECTL_NODES).unwrap().contains("server3"));
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_is_upgraded_shrunk_and_ended() {
    let Some(sticks) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("upgrade", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "worker1"], Release::Bookworm).unwrap();
    let [server1, worker1] = &nodes[..] else { panic!("two nodes") };
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, sticks);
    desk.inventory(&[server1], &[worker1], "");
    desk.succeed(&words(&desk.with_logs(&["deploy"], 0)));

    upgrades(&desk, server1);
    desk.twice(&["remove", "worker1", "--yes"]);
    assert_eq!(ready(server1).len(), 1);
    ends(&desk, [server1, worker1]);
}

/// SIGTERM in the middle is told, and the same command goes on.
fn deploys_although_it_was_terminated(desk: &Desk<'_>) {
    let deploy = desk.with_logs(&["deploy"], 0);
    let stopped = desk.interrupt(&words(&deploy), "\"name\":\"packages\"", Signal::TERM);
    assert_eq!(stopped.status, Some(143), "{}", stopped.text);
    assert!(stopped.text.contains("broken off"), "{}", stopped.text);
    assert_eq!(desk.states(), ["server1 running", "worker1 notBegun"], "{}", stopped.text);
    desk.succeed(&words(&deploy));
    assert_eq!(desk.states(), ["server1 installed", "worker1 installed"]);
}

fn changes_nodes(desk: &Desk<'_>, [server1, worker1]: [&Node; 2]) {
    desk.twice(&["label", "worker1", "rack=b", "dedicated=training:PreferNoSchedule"]);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.rack}"), "b");
    desk.inventory(&[server1], &[worker1], ", labels: {rack: c, tier: gold}");
    desk.twice(&["label"]);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.tier}"), "gold");
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.rack}"), "c");
    desk.inventory(&[server1], &[worker1], "");
    desk.twice(&["label"]);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.tier}"), "");

    desk.twice(&["cordon", "worker1"]);
    assert_eq!(of_node(server1, "worker1", "{.spec.unschedulable}"), "true");
    desk.twice(&["uncordon", "worker1"]);
    desk.refuse(&["drain", "worker1"], 2, "--yes");
    desk.twice(&["drain", "worker1", "--yes"]);
    desk.twice(&["uncordon", "worker1"]);
}

/// `add` lets in whoever is missing; again it changes nothing.
#[track_caller]
fn grows(desk: &Desk<'_>, states: &[&str]) {
    let add = desk.with_logs(&["add"], 0);
    let said = desk.succeed(&words(&add));
    assert_eq!(desk.states(), states, "{said}");
    let said = desk.succeed(&words(&add));
    assert_eq!(desk.states(), ["server1 unchanged"], "{said}");
}

fn tells(desk: &Desk<'_>) {
    let status: Value =
        serde_json::from_slice(&desk.command(&["status", "--json"]).output().unwrap().stdout).unwrap();
    let nodes = status["nodes"].as_array().unwrap();
    let is_well =
        |node: &&Value| node["ready"] == true && node["bundle"] == "lab-1.0" && node["registry"] == true;
    assert_eq!(nodes.iter().filter(is_well).count(), 5, "{status:#}");
    assert_eq!(status["etcd"]["quorum"], 2, "{status:#}");
    desk.succeed(&["status"]);
    desk.succeed(&["kubeconfig", "--output", &desk.path("kubeconfig")]);
    let file = fs::metadata(desk.directory.join("kubeconfig")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
}

fn upgrades(desk: &Desk<'_>, server1: &Node) {
    let [first, next, skipping] = [0, 1, 2].map(|number| desk.with_logs(&["upgrade"], number));
    desk.refuse(&words(&skipping), 7, "a minor version would be left out");
    // A first server that does not come up goes back, and nothing else was touched.
    server1
        .shell(&format!(
            "mkdir -p $(dirname {DROP_IN}) && cat > {DROP_IN} <<'END'\n{REFUSES}END\nsystemctl daemon-reload"
        ))
        .unwrap();
    let failed = desk.run(&words(&next));
    assert_eq!(failed.status, Some(9), "{}", failed.text);
    assert!(failed.text.contains("taken back"), "{}", failed.text);
    let before = ready(server1);
    assert_eq!(before.len(), 2, "{before:?} {}", failed.text);
    assert!(before.iter().all(|node| node.ends_with("v1.36.3+k3s1")), "{before:?}");
    server1.shell(&format!("rm {DROP_IN} && systemctl daemon-reload")).unwrap();

    // Ctrl-C behind the first server.
    let stopped = desk.interrupt(&words(&next), "\"host\":\"worker1\"", Signal::INT);
    assert_eq!(stopped.status, Some(130), "{}", stopped.text);
    assert!(stopped.text.contains("upgrade was interrupted"), "{}", stopped.text);
    desk.twice(&words(&next));
    let after = ready(server1);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|node| node.ends_with("v1.37.1+k3s1")), "{after:?}");
    desk.refuse(&words(&first), 6, "older");
}

fn ends(desk: &Desk<'_>, [server1, worker1]: [&Node; 2]) {
    assert!(worker1.run(&["test", "-e", "/usr/local/bin/k3s"]).unwrap().status.code() != Some(0));
    desk.refuse(&["reset", "--yes"], 2, "--confirm server1");
    desk.twice(&["reset", "--confirm", "server1"]);
    assert!(server1.run(&["test", "-e", "/usr/local/bin/k3s"]).unwrap().status.code() != Some(0));
    let unknown = desk.run(&["status"]);
    assert_eq!(unknown.status, Some(9), "{}", unknown.text);
    assert!(unknown.text.contains("unknown"), "{}", unknown.text);
}
