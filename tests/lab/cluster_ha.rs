//! `airlock cluster deploy` with an address in front of the servers, by the real keepalived and haproxy of Debian: it is
//! there from the first server on, moves when its holder is cut off, and the cluster is asked by it meanwhile.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Output;

use fs_err as fs;
use serde_json::Value;

use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::stick::Stick;
use crate::virtual_address::{ADDRESS, MOVE, answers, holder, it_stays};

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
    let hosts: BTreeSet<String> = groups.iter().flat_map(|(_, nodes)| nodes.iter()).map(line).collect();
    let hosts = Vec::from_iter(hosts).concat();
    let groups: String = groups.iter().map(group).collect();
    format!("{hosts}{groups}\n[all:vars]\n{}\n", variables.join("\n"))
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
    it_stays(servers, next, first);
    assert!(answers(worker, 6443));
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_address_that_cannot_be_is_told_before_anything_changes() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("ha-taken", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "server2", "stranger"], Release::Bookworm).unwrap();
    let Some(desk) = Desk::new(&lab) else { return };
    let servers: Vec<&Node> = nodes[..2].iter().collect();
    let groups = [("master", &servers[..])];
    let refused = |vip: &str, further: &[&str], code: &str| {
        desk.inventory(&ini(&lab, &groups, &[&[vip][..], further].concat()));
        let refused = desk.deploy(&[]);
        let text = said(&refused);
        assert!(text.contains(&format!("error[{code}]")), "{text}");
        for server in &servers {
            assert!(!server.root().join("var/lib/airlock/journal").exists(), "{text}");
        }
        (refused.status.code(), text)
    };

    // Somebody on the segment has it who is in no inventory.
    nodes[2].succeed(&["ip", "address", "add", &format!("{ADDRESS}/24"), "dev", "eth0"]).unwrap();
    let hardware = nodes[2].succeed(&["cat", "/sys/class/net/eth0/address"]).unwrap();
    let (status, text) = refused(&format!("vip={ADDRESS}"), &[], "E1141");
    assert!(status == Some(7) && text.contains(&format!("{} answers", hardware.trim())), "{text}");
    assert!(text.contains("2 servers"), "of an even number is warned: {text}");

    // Nobody could ask for it; the inventory alone tells that where it knows the network.
    let (status, text) = refused("vip=10.99.0.5", &[], "E1140");
    assert!(status == Some(7) && text.contains("is in no network of eth0 on server1"), "{text}");
    let (status, text) = refused("vip=10.99.0.5", &["vip_prefix=24"], "E1105");
    assert!(status == Some(3) && text.contains("is not in the network of `server1`"), "{text}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn balancers_stand_in_front_of_a_server() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("ha-lb", Gap::Reject).unwrap();
    let names = ["server1", "balancer1", "balancer2", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let Some(desk) = Desk::new(&lab) else { return };
    let nodes: Vec<&Node> = nodes.iter().collect();
    let (server, balancers, worker) = (nodes[0], &nodes[1..3], nodes[3]);
    let groups = [("master", &nodes[..1]), ("lb", balancers), ("worker", &nodes[3..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    let deployed = desk.deploy(&[]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_eq!(desk.states(), ["installed"; 4], "{}", said(&deployed));
    let (first, _) = holder(balancers);
    assert!(kubectl(server, 6443).contains("worker1"));

    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(desk.states(), ["unchanged"; 4], "{}", said(&again));

    lab.cut(first).unwrap();
    let other = if first.name() == balancers[0].name() { balancers[1] } else { balancers[0] };
    assert!(holder(&[other]).1 < MOVE);
    assert!(answers(worker, 6443));
    lab.join(first).unwrap();
    it_stays(balancers, other, first);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_server_with_haproxy_is_joined_through_it() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("ha-own-lb", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "worker1"], Release::Bookworm).unwrap();
    let Some(desk) = Desk::new(&lab) else { return };
    let nodes: Vec<&Node> = nodes.iter().collect();
    let groups = [("master", &nodes[..1]), ("lb", &nodes[..1]), ("worker", &nodes[1..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    let deployed = desk.deploy(&[]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert!(answers(nodes[1], 8443) && answers(nodes[1], 6443));
    assert!(kubectl(nodes[0], 8443).contains("worker1"));
    let again = desk.deploy(&[]);
    assert_eq!(desk.states(), ["unchanged"; 2], "{}", said(&again));
}
