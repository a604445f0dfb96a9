//! `airlock cluster deploy` with an address in front of the servers, by the real keepalived and haproxy of Debian: it is
//! there from the first server on, moves when its holder is cut off, and the cluster is asked by it meanwhile.

use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::Value;

use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::stick::Stick;

/// The address.
const ADDRESS: &str = "10.77.0.251";

/// How long the address may be nowhere. Three advertisements are missed, and three answers of the API.
const MOVE: Duration = Duration::from_secs(15);

/// The administrator: machine, directory, inventory.
struct Desk {
    provisioner: Provisioner,
    directory: PathBuf,
    stick: &'static Stick,
}

impl Desk {
    fn new(lab: &Lab) -> Option<Desk> {
        let [stick, ..] = Stick::for_clusters()? else { return None };
        let provisioner = lab.provisioner().unwrap();
        let directory = provisioner.home().join("desk");
        fs::create_dir_all(&directory).unwrap();
        fs::copy(stick.program(), directory.join("airlock")).unwrap();
        fs::write(directory.join("signers"), stick.signers()).unwrap();
        Some(Desk { provisioner, directory, stick })
    }

    fn inventory(&self, text: &str) {
        fs::write(self.directory.join("inventory"), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    fn cluster(&self, words: &[&str]) -> Output {
        let inventory = self.path("inventory");
        let words = [&["cluster", words[0], "-i", &inventory][..], &words[1..]].concat();
        self.provisioner.command(&self.path("airlock"), &words).output().unwrap()
    }

    fn deploy(&self, further: &[&str]) -> Output {
        let (signers, logs, report) = (self.path("signers"), self.path("logs"), self.path("report.json"));
        let stick = self.stick.path();
        let words = ["deploy", "--yes", "--bundle", stick.to_str().unwrap(), "--allowed-signers", &signers];
        self.cluster(&[&words[..], &["--log-dir", &logs, "--report", &report], further].concat())
    }

    fn states(&self) -> Vec<String> {
        let report = fs::read(self.directory.join("report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let hosts = report["hosts"].as_array().unwrap().iter();
        hosts.map(|host| host["state"].as_str().unwrap().to_owned()).collect()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An inventory of Ansible: groups by name, with nodes; and what holds for all of them.
fn ini(lab: &Lab, groups: &[(&str, &[&Node])], variables: &[&str]) -> String {
    let key = lab.ssh_key();
    let line = |node: &&Node| {
        format!(
            "{} ansible_host={} ansible_user=operator ansible_ssh_private_key_file='{}'\n",
            node.name(),
            node.address(),
            key.display()
        )
    };
    let group = |(name, nodes): &(&str, &[&Node])| {
        let names: String = nodes.iter().map(|node| format!("{}\n", node.name())).collect();
        format!("\n[{name}]\n{names}")
    };
    let hosts: String = groups.iter().flat_map(|(_, nodes)| nodes.iter()).map(line).collect();
    let groups: String = groups.iter().map(group).collect();
    format!("{hosts}{groups}\n[all:vars]\n{}\n", variables.join("\n"))
}

/// Whether a node has the address.
fn has(node: &Node) -> bool {
    !node.succeed(&["ip", "-brief", "address", "show", "to", ADDRESS]).unwrap().is_empty()
}

/// Waits until exactly one of these has the address; gives it, and how long that took.
fn holder<'a>(nodes: &[&'a Node]) -> (&'a Node, Duration) {
    let begin = Instant::now();
    loop {
        let holders: Vec<&&Node> = nodes.iter().filter(|node| has(node)).collect();
        match holders[..] {
            [holder] => return (holder, begin.elapsed()),
            _ => assert!(begin.elapsed() < 2 * MOVE, "{} nodes have the address", holders.len()),
        }
    }
}

/// Whether the API answers at the address, asked from this node.
fn answers(node: &Node, port: u16) -> bool {
    let url = format!("https://{ADDRESS}:{port}/ping");
    let asked = node.run(&["curl", "--silent", "--insecure", "--max-time", "3", &url]).unwrap();
    asked.status.success() && asked.stdout == b"pong"
}

/// What `kubectl` of a server says when it asks at the address.
fn kubectl(server: &Node, port: u16) -> String {
    let url = format!("--server=https://{ADDRESS}:{port}");
    server.succeed(&["k3s", "kubectl", &url, "get", "nodes"]).unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_address_of_three_servers_outlives_its_holder() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("ha", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let Some(desk) = Desk::new(&lab) else { return };
    let nodes: Vec<&Node> = nodes.iter().collect();
    let (servers, worker) = (&nodes[..3], nodes[3]);
    let groups = [("master", servers), ("worker", &nodes[3..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    let deployed = desk.deploy(&[]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    let (first, _) = holder(servers);
    assert!(answers(worker, 6443));
    let joined = worker.succeed(&["cat", "/etc/rancher/k3s/config.yaml"]).unwrap();
    assert!(joined.contains(&format!("https://{ADDRESS}:6443")), "{joined}");

    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(desk.states(), ["unchanged"; 4], "{}", said(&again));

    // The cable of its holder is pulled: another one has it in seconds.
    lab.cut(first).unwrap();
    let others: Vec<&Node> = servers.iter().copied().filter(|node| node.name() != first.name()).collect();
    let (next, after) = holder(&others);
    assert!(after < MOVE, "{after:?}");
    assert!(answers(worker, 6443));
    assert!(kubectl(next, 6443).contains("worker1"));
    let status = desk.cluster(&["status"]);
    assert_eq!(status.status.code(), Some(9), "{}", said(&status));
    assert!(said(&status).contains(first.name()), "{}", said(&status));

    // It comes back, and the address stays where it is.
    lab.join(first).unwrap();
    first.wait_for_log("keepalived", "Entering BACKUP STATE", MOVE).unwrap();
    assert_eq!(holder(servers).0.name(), next.name());
}
