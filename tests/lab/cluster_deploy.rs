//! `airlock cluster deploy` on bare machines behind a gap: from the machine of an administrator, over real SSH, by the
//! inventory of Ansible that he has.

use std::path::Path;

use crate::desk::Desk;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// Secrets of nobody, which nothing but their files may hold.
const CANARY: &str = "canary0123456789canary";

/// How many nodes the cluster of a server has that are ready.
fn ready(server: &Node) -> usize {
    let nodes = server.succeed(&["k3s", "kubectl", "get", "nodes"]).unwrap();
    nodes.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready")).count()
}

/// The inventory of Ansible that an administrator has: the first node is the server, and a secret is in it.
fn ansible(lab: &Lab) -> String {
    format!("{}\n[all:vars]\nconvect_token={CANARY}\n", lab.inventory().unwrap())
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_inventory_becomes_a_cluster_and_a_second_deployment_changes_nothing() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("deploy", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    desk.inventory(&ansible(&lab));

    let plan = desk.succeed(&desk.reporting(&["deploy", "--plan"]));
    assert!(plan.contains("found the cluster"), "{plan}");
    assert!(!nodes[0].root().join("var/lib/airlock/journal").exists(), "a plan changes nothing");

    let deployed = desk.succeed(&desk.reporting(&["deploy", "--progress", "json"]));
    assert_eq!(desk.states(), ["master installed", "worker1 installed", "worker2 installed"]);
    assert_eq!(ready(&nodes[0]), 3);
    let sent = desk.report()["bytesSent"].as_u64().unwrap();
    let bytes = desk.report()["bundle"]["bytes"].as_u64().unwrap();
    assert!(sent > 0 && sent <= bytes, "{sent} of {bytes}: it goes over the wire once");

    let told = deployed + &desk.written();
    assert!(!told.contains(CANARY), "{told}");

    desk.deploy_all("unchanged", 3);
    assert!(Path::new(&desk.path("logs/master.log")).exists());
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_node_that_is_down_is_named_and_joins_when_it_is_back() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("deploy-down", Gap::Drop).unwrap();
    let nodes = lab.nodes_named(&["master", "worker1", "worker2"], Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    desk.inventory(&ansible(&lab));
    nodes[2].kill_hard().unwrap();

    desk.refuse(&desk.reporting(&["deploy"]), 9, "worker2");
    assert_eq!(desk.states()[..2], ["master installed", "worker1 installed"]);
    assert!(desk.states()[2].starts_with("worker2 leftOut"), "{:?}", desk.states());

    nodes[2].boot().unwrap();
    desk.succeed(&desk.reporting(&["deploy"]));
    assert_eq!(desk.states(), ["master unchanged", "worker1 unchanged", "worker2 installed"]);
}
