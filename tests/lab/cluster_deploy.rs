//! `airlock cluster deploy` on bare machines behind a gap: from the machine of an administrator, over real SSH, by the
//! inventory of Ansible that he has.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs_err as fs;
use serde_json::Value;

use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::stick::Stick;

/// Secrets of nobody, which nothing but their files may hold.
const CANARY: &str = "canary0123456789canary";

/// The administrator: machine, directory, inventory and list of signers.
pub struct Desk<'a> {
    provisioner: &'a Provisioner,
    /// Where it works; program and inventory lie here.
    pub directory: PathBuf,
    stick: &'a Stick,
}

impl<'a> Desk<'a> {
    /// A desk with the inventory of all nodes of a lab: the first is the server.
    pub fn new(lab: &Lab, provisioner: &'a Provisioner, stick: &'a Stick) -> Desk<'a> {
        let directory = provisioner.home().join("desk");
        fs::create_dir_all(&directory).unwrap();
        let desk = Desk { provisioner, directory, stick };
        let inventory = lab.inventory().unwrap();
        desk.write("inventory.ini", &format!("{inventory}\n[all:vars]\nconvect_token={CANARY}\n"));
        desk.write("signers", &stick.signers());
        // Under its own name: as `install` it would install this machine.
        fs::copy(stick.program(), desk.directory.join("airlock")).unwrap();
        desk
    }

    /// Writes a file there, for its owner alone.
    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs it.
    pub fn deploy(&self, further: &[&str]) -> Output {
        self.deployment(further).output().unwrap()
    }

    /// `airlock cluster deploy`, with these options besides.
    pub fn deployment(&self, further: &[&str]) -> Command {
        let path = |name: &str| self.directory.join(name).to_str().unwrap().to_owned();
        let (inventory, signers, logs, report) =
            (path("inventory.ini"), path("signers"), path("logs"), path("report.json"));
        let stick = self.stick.path();
        let words = ["cluster", "deploy", "--yes", "-i", &inventory, "--bundle", stick.to_str().unwrap()];
        let options = ["--allowed-signers", &signers, "--log-dir", &logs, "--report", &report];
        let words = [&words[..], &options, further].concat();
        self.provisioner.command(&path("airlock"), &words)
    }

    /// What the last deployment has reported.
    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.join("report.json")).unwrap()).unwrap()
    }

    /// Everything that was written on the way.
    pub fn written(&self) -> String {
        let files = fs::read_dir(self.directory.join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let report = self.directory.join("report.json");
        files.chain([report]).map(|path: PathBuf| fs::read_to_string(path).unwrap()).collect()
    }
}

/// Everything that a command has said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn states(report: &Value) -> Vec<&str> {
    report["hosts"].as_array().unwrap().iter().map(|host| host["state"].as_str().unwrap()).collect()
}

/// How many nodes the cluster of a server has that are ready.
fn ready(server: &Node) -> usize {
    let nodes = server.succeed(&["k3s", "kubectl", "get", "nodes"]).unwrap();
    nodes.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready")).count()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_inventory_becomes_a_cluster_and_a_second_deployment_changes_nothing() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("deploy", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, stick);

    let plan = desk.deploy(&["--plan"]);
    assert!(plan.status.success(), "{}", said(&plan));
    assert!(said(&plan).contains("found the cluster"), "{}", said(&plan));
    assert!(!nodes[0].root().join("var/lib/airlock/journal").exists(), "a plan changes nothing");

    let deployed = desk.deploy(&["--progress", "json"]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_eq!(states(&desk.report()), ["installed"; 3]);
    assert_eq!(ready(&nodes[0]), 3);
    let sent = desk.report()["bytesSent"].as_u64().unwrap();
    let bytes = desk.report()["bundle"]["bytes"].as_u64().unwrap();
    assert!(sent > 0 && sent <= bytes, "{sent} of {bytes}: it goes over the wire once");

    let told = said(&deployed) + &desk.written();
    assert!(!told.contains(CANARY), "{told}");

    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(states(&desk.report()), ["unchanged"; 3], "{}", said(&again));
    assert!(Path::new(&desk.directory.join("logs/master.log")).exists());
}

/// Three servers, and an agent.
fn three_servers(lab: &Lab, nodes: &[Node]) -> String {
    let host = |node: &Node| format!("  - {{name: {}, host: {}}}\n", node.name(), node.address());
    let servers: String = nodes[..3].iter().map(host).collect();
    format!(
        "apiVersion: airlock/v1\nkind: Cluster\n\
         defaults: {{user: operator, identityFile: {}}}\nservers:\n{servers}agents:\n{}",
        lab.ssh_key().display(),
        host(&nodes[3])
    )
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn three_servers_join_one_by_one_and_know_the_registries_of_all() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("deploy-ha", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, stick);
    desk.write("inventory.ini", &three_servers(&lab, &nodes));

    let deployed = desk.deploy(&[]);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_eq!(states(&desk.report()), ["installed"; 4]);
    assert_eq!(ready(&nodes[0]), 4);
    for node in &nodes {
        let authorities = node.succeed(&["cat", "/etc/airlock/registry-ca.crt"]).unwrap();
        let known = authorities.matches("BEGIN CERTIFICATE").count();
        assert_eq!(known, 3, "{} knows the registry of every server", node.name());
    }

    let again = desk.deploy(&[]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(states(&desk.report()), ["unchanged"; 4], "{}", said(&again));
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_node_that_is_down_is_named_and_joins_when_it_is_back() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("deploy-down", Gap::Drop).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let provisioner = lab.provisioner().unwrap();
    let desk = Desk::new(&lab, &provisioner, stick);
    nodes[2].kill_hard().unwrap();

    let partial = desk.deploy(&[]);
    assert_eq!(partial.status.code(), Some(9), "{}", said(&partial));
    assert_eq!(states(&desk.report()), ["installed", "installed", "leftOut"]);
    assert!(said(&partial).contains("worker2"), "{}", said(&partial));

    nodes[2].boot().unwrap();
    let whole = desk.deploy(&[]);
    assert!(whole.status.success(), "{}", said(&whole));
    assert_eq!(states(&desk.report()), ["unchanged", "unchanged", "installed"], "{}", said(&whole));
}
