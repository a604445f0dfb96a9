//! `airlock cluster etcd` and `airlock cluster repair`: what can happen to the servers and agents of a cluster, and the way
//! back, from the machine of an administrator.

use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;

use crate::desk::Desk;
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// How long something may take until it shows.
const PATIENCE: Duration = Duration::from_secs(40);
const DATA: &str = "/var/lib/rancher/k3s/server/db";

/// A cluster of three servers and an agent, and the administrator with the inventory.
struct Rack {
    nodes: Vec<Node>,
    desk: Desk,
    // The last field, so that it goes last.
    _lab: Lab,
}

impl Rack {
    /// Deploys it: the servers join one by one, and a second deployment changes nothing. `None` where there can be no lab.
    fn deploy(name: &str) -> Option<Rack> {
        let stick = Stick::get()?;
        let lab = Lab::with_gap(name, Gap::Reject).unwrap();
        let nodes = lab.nodes_named(&["server1", "server2", "server3", "agent1"], Release::Bookworm).unwrap();
        let [server1, server2, server3, agent1] = &nodes[..] else { panic!("four nodes") };
        let desk = Desk::new(&lab, stick);
        desk.inventory(&yaml(&lab, &[server1, server2, server3], &[agent1], &[]));
        desk.deploy_all("installed", 4);
        nodes.iter().for_each(knows_all_registries);
        desk.deploy_all("unchanged", 4);
        Some(Rack { nodes, desk, _lab: lab })
    }

    /// Shows the plan, does it with this consent, and does it again, when nothing is left to do. Gives the plan.
    fn repaired(&self, node: &str, consent: &[&str]) -> String {
        let plan = self.desk.succeed(&["repair", node, "--plan"]);
        self.desk.refuse(&["repair", node], 2, consent[0]);
        self.desk.succeed(&[&["repair", node], consent].concat());
        let again = self.desk.succeed(&["repair", node]);
        assert!(again.contains("nothing to do"), "{again}");
        plan
    }

    fn voters(&self) -> usize {
        self.desk.json(&["etcd", "status"])["well"].as_array().unwrap().len()
    }

    /// The names of all snapshots, the latest first.
    fn snapshots(&self) -> Vec<String> {
        let listed = self.desk.json(&["etcd", "snapshot", "list"]);
        listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name() == name).unwrap()
    }

    /// `k3s kubectl` on a server.
    fn kubectl(&self, server: &str, words: &[&str]) -> String {
        self.node(server).succeed(&[&["k3s", "kubectl"], words].concat()).unwrap()
    }
}

/// A node believes the registry of every server.
fn knows_all_registries(node: &Node) {
    let authorities = node.succeed(&["cat", "/etc/airlock/registry-ca.crt"]).unwrap();
    assert_eq!(authorities.matches("BEGIN CERTIFICATE").count(), 3, "{}", node.name());
}

/// Waits until a line of shell succeeds on a node.
fn until(node: &Node, condition: &str) {
    let line = format!("until {condition}; do sleep 0.2; done");
    let seconds = PATIENCE.as_secs().to_string();
    node.succeed(&["timeout", &seconds, "sh", "-c", &line]).unwrap();
}

/// Power fails, and with it goes what the line of shell does to the disk.
fn mishap(node: &Node, unit: &str, line: &str) {
    node.shell(&format!("systemctl kill --signal=KILL {unit}; systemctl stop {unit}; {line}")).unwrap();
    node.systemctl(&["start", "--no-block", unit]).unwrap();
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn whatever_breaks_on_a_node_is_found_and_repaired() {
    let Some(rack) = Rack::deploy("recovery") else { return };
    let well = rack.desk.succeed(&["repair", "agent1"]);
    assert!(well.contains("nothing to do"), "{well}");
    an_agent_whose_password_is_rejected(&rack);
    an_agent_whose_program_is_damaged(&rack);
    a_server_whose_data_are_gone(&rack, "server2");
    a_server_whose_certificates_have_expired(&rack);
    // The founder too, which would found another cluster with empty hands.
    a_server_whose_data_are_gone(&rack, "server1");
    assert_eq!(rack.voters(), 3);
}

fn an_agent_whose_password_is_rejected(rack: &Rack) {
    let agent = rack.node("agent1");
    mishap(agent, "k3s-agent", "echo another > /etc/rancher/node/password");
    agent.wait_for_log("k3s-agent", "Node password rejected", PATIENCE).unwrap();
    let plan = rack.repaired("agent1", &["--yes"]);
    assert!(plan.contains("delete secret agent1.node-password.k3s"), "{plan}");
}

fn an_agent_whose_program_is_damaged(rack: &Rack) {
    let agent = rack.node("agent1");
    mishap(
        agent,
        "k3s-agent",
        "printf damaged > /usr/local/bin/k3s.new; chmod 755 /usr/local/bin/k3s.new; mv /usr/local/bin/k3s.new /usr/local/bin/k3s",
    );
    until(agent, "! systemctl is-active --quiet k3s-agent");
    let plan = rack.repaired("agent1", &["--yes"]);
    assert!(plan.contains("airlock node repair --yes"), "{plan}");
}

fn a_server_whose_data_are_gone(rack: &Rack, name: &str) {
    let other = if name == "server1" { "server2" } else { "server1" };
    let member = fs::read_to_string(rack.node(name).root().join(format!(".{DATA}/etcd/name"))).unwrap();
    mishap(rack.node(name), "k3s", &format!("rm -r {DATA}"));
    until(rack.node(other), &format!("k3s kubectl get node {name} | grep -q NotReady"));
    let plan = rack.repaired(name, &["--yes"]);
    for part in ["etcd-snapshot save", "etcd.k3s.cattle.io/remove=true", "airlock install --yes --join"] {
        assert!(plan.contains(part), "{plan}");
    }
    let now = fs::read_to_string(rack.node(name).root().join(format!(".{DATA}/etcd/name"))).unwrap();
    assert_ne!(now, member, "it is another member");
    assert_eq!(rack.voters(), 3);
}

/// They were made more than a year ago, and the server was never started again.
fn a_server_whose_certificates_have_expired(rack: &Rack) {
    let server = rack.node("server3");
    let (ahead, settings) = (-366 * 24 * 60 * 60, "/run/systemd/system/k3s.service.d");
    server.shell("systemctl stop k3s && k3s certificate rotate").unwrap();
    let clock = format!(
        "printf '[Service]\\nEnvironment=K3S_STANDIN_CLOCK_AHEAD={ahead}\\n' > {settings}/clock.conf"
    );
    server.shell(&format!("mkdir -p {settings} && {clock}")).unwrap();
    server.shell("systemctl daemon-reload && systemctl start k3s").unwrap();
    server.shell(&format!("rm -r {settings} && systemctl daemon-reload")).unwrap();
    let plan = rack.repaired("server3", &["--yes"]);
    assert!(plan.contains("recover certificates"), "{plan}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_comes_back_from_a_snapshot_and_from_a_lost_quorum() {
    let Some(rack) = Rack::deploy("restore-cluster") else { return };
    let status = rack.desk.succeed(&["etcd", "status"]);
    assert!(status.contains("3 of 3 are well, 2 are needed"), "{status}");
    let file = snapshots_are_saved_listed_and_deleted(&rack);
    a_restore_is_killed_and_continued(&rack);
    a_lost_quorum_is_made_anew(&rack);
    a_snapshot_comes_from_a_file(&rack, &file);
    assert_eq!(rack.voters(), 3);
    two_servers_lose_their_power(&rack);
    assert_eq!(rack.voters(), 2);
}

/// Gives a copy of the one that is left.
fn snapshots_are_saved_listed_and_deleted(rack: &Rack) -> PathBuf {
    let ghost = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"ghost"}}"#;
    rack.node("server1")
        .shell(&format!("echo '{ghost}' > /root/ghost && k3s kubectl apply -f /root/ghost"))
        .unwrap();
    rack.desk.succeed(&["etcd", "snapshot", "save", "kept"]);
    rack.kubectl("server1", &["label", "node", "agent1", "later=yes"]);
    rack.desk.succeed(&["etcd", "snapshot", "save", "unwanted"]);
    rack.kubectl("server1", &["delete", "node", "ghost"]);
    let names = rack.snapshots();
    assert_eq!(names.len(), 2, "{names:?}");
    let unwanted = names.iter().find(|name| name.starts_with("unwanted-")).unwrap();
    rack.desk.refuse(&["etcd", "snapshot", "delete", unwanted], 2, "--yes");
    rack.desk.twice(&["etcd", "snapshot", "delete", unwanted, "--yes"]);
    let [kept] = &rack.snapshots()[..] else { panic!("there is not one snapshot") };
    let file = PathBuf::from(rack.desk.path("etcd.snapshot"));
    rack.node("server1").copy_out(&format!("{DATA}/snapshots/{kept}"), &file).unwrap();
    file
}

fn labels(rack: &Rack, server: &str) -> String {
    rack.kubectl(server, &["get", "node", "agent1", "-o", "json"])
}

fn a_restore_is_killed_and_continued(rack: &Rack) {
    let name = &rack.snapshots()[0];
    let restore = ["etcd", "restore", name, "--confirm", "server1"];
    let plan = rack.desk.succeed(&["etcd", "restore", name, "--plan"]);
    assert!(plan.contains("airlock node recover reset --snapshot") && plan.contains("is lost"), "{plan}");
    for consent in [&[][..], &["--yes"], &["--confirm", "server2"]] {
        rack.desk.refuse(&[&["etcd", "restore", name], consent].concat(), 2, "server1");
    }
    assert!(labels(rack, "server1").contains("later"), "nothing was changed");

    // In the middle: the first server has the data, and another one has begun to join.
    let mut killed = rack.desk.command(&restore).spawn().unwrap();
    until(rack.node("server2"), &format!("ls -d {DATA}.* >/dev/null 2>&1"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mended = rack.desk.succeed(&restore);
    assert!(mended.contains("airlock cluster remove ghost"), "stale nodes are named: {mended}");
    assert!(!mended.contains("restore etcd"), "what the first server has stays: {mended}");
    assert!(!labels(rack, "server2").contains("later"));
    assert_eq!(rack.voters(), 3);

    let again = rack.desk.succeed(&restore);
    assert!(again.contains("nothing to do") && again.contains("--again"), "{again}");
    assert!(rack.snapshots().contains(name), "snapshots stay where they are");
}

fn a_lost_quorum_is_made_anew(rack: &Rack) {
    rack.kubectl("server1", &["label", "node", "agent1", "mark=yes"]);
    let member = rack.node("server1").read(&format!("{DATA}/etcd/name")).unwrap();
    for name in ["server2", "server3"] {
        rack.node(name).shell(&format!("systemctl disable --now k3s; rm -r {DATA}/etcd")).unwrap();
    }
    until(rack.node("server1"), "k3s kubectl get --raw /readyz 2>&1 | grep -q failed");
    rack.desk.refuse(&["etcd", "status"], 8, "airlock cluster etcd restore");
    let plan = rack.repaired("server1", &["--confirm", "server1"]);
    assert!(plan.contains("quorum is lost") && plan.contains("recover reset\n"), "{plan}");
    assert_ne!(rack.node("server1").read(&format!("{DATA}/etcd/name")).unwrap(), member, "it is another one");
    assert!(labels(rack, "server3").contains("mark"), "its data were good");
    assert_eq!(rack.voters(), 3);
    let again = rack.desk.succeed(&["etcd", "restore", "--data-of", "server1", "--confirm", "server1"]);
    assert!(again.contains("nothing to do"), "{again}");
}

fn a_snapshot_comes_from_a_file(rack: &Rack, file: &std::path::Path) {
    let file = file.to_str().unwrap();
    let restore = ["etcd", "restore", file, "--server", "server2", "--confirm", "server1"];
    rack.desk.twice(&restore);
    assert!(!labels(rack, "server1").contains("mark"));
    for node in &rack.nodes[..3] {
        node.shell(&format!("ls -d {DATA}.* || ls -d {DATA}/etcd-old-*")).unwrap();
    }
}

/// The third one goes on alone. One of the two comes back with what it had, the other never does.
fn two_servers_lose_their_power(rack: &Rack) {
    for name in ["server2", "server3"] {
        rack.node(name).kill_hard().unwrap();
    }
    until(rack.node("server1"), "k3s kubectl get --raw /readyz 2>&1 | grep -q failed");
    let anew = "let it join anew: `airlock cluster repair server2`";
    rack.desk.refuse(&["repair", "server1", "--confirm", "server1"], 9, anew);

    rack.node("server2").boot().unwrap();
    until(rack.node("server2"), "systemctl is-active --quiet ssh");
    let plan = rack.repaired("server2", &["--yes"]);
    assert!(plan.contains("recover aside"), "{plan}");

    rack.desk.refuse(&["remove", "server3", "--yes"], 8, "keep it off");
    assert!(!rack.kubectl("server1", &["get", "nodes"]).contains("server3"));
}
