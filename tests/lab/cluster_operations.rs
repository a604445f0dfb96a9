//! A cluster through its life, from the machine of an administrator: every operation does what it says, and done again
//! there is nothing to do.

use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, Outcome};
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// Keeps the k3s of one version from starting.
const REFUSES: &str = "[Service]\nExecStartPre=/bin/sh -c '! /usr/local/bin/k3s --version | grep -q v1.37'\n";
const DROP_IN: &str = "/etc/systemd/system/k3s.service.d/lab.conf";

/// What the cluster says of a node, `{.metadata.labels.rack}`.
fn of_node(server: &Node, node: &str, path: &str) -> String {
    server.succeed(&["k3s", "kubectl", "get", "node", node, "-o", &format!("jsonpath={path}")]).unwrap()
}

const KUBECTL_NODES: [&str; 5] = ["k3s", "kubectl", "get", "nodes", "--no-headers"];

/// The nodes that are ready, each with its version, as soon as there are `count` of them: a kubelet is not heard of for
/// a while when the server was down to which it speaks.
pub fn ready(server: &Node, count: usize) -> Vec<String> {
    let line = format!(
        "until [ $(k3s kubectl get nodes --no-headers | awk '$2 == \"Ready\"' | wc -l) = {count} ]; do sleep 0.2; done"
    );
    // Whoever asks says what is wrong if it never is so.
    let _ = server.run(&["timeout", "30", "sh", "-c", &line]);
    let nodes = server.succeed(&KUBECTL_NODES).unwrap();
    let fields = nodes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ready = fields.filter(|fields| fields[1] == "Ready");
    ready.map(|fields| format!("{} {}", fields[0], fields.last().unwrap())).collect()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_is_made_changed_and_grown() {
    let Some(sticks) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("grow", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1", "worker2"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let [server1, server2, server3, worker1, worker2] = &nodes[..] else { panic!("five nodes") };
    let desk = Desk::new(&lab, &sticks[0]);

    let inventory = |servers: &[&Node], agents: &[&Node], labels: &str| {
        desk.inventory(&yaml(&lab, servers, agents, &[("worker1", labels)]));
    };

    inventory(&[server1], &[worker1], "");
    deploys_although_it_was_terminated(&desk);
    changes_node(&desk, server1);
    inventory(&[server1], &[worker1], "labels: {rack: c, tier: gold}");
    changes_labels(&desk, server1, ["c", "gold"]);
    inventory(&[server1], &[worker1], "");
    changes_labels(&desk, server1, ["", ""]);

    inventory(&[server1], &[worker1, worker2], "");
    let plan = desk.reporting(&["add", "--plan"]);
    assert!(desk.succeed(&plan).contains("worker2"));
    grows(&desk, &["server1 unchanged", "worker2 installed"]);
    inventory(&[server1, server2, server3], &[worker1, worker2], "");
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
    let desk = Desk::new(&lab, &sticks[0]);
    desk.inventory(&yaml(&lab, &[server1], &[worker1], &[]));
    desk.succeed(&desk.reporting(&["deploy"]));

    upgrades(&desk, sticks, server1);
    desk.twice(&["remove", "worker1", "--yes"]);
    assert_eq!(ready(server1, 1).len(), 1);
    ends(&desk, [server1, worker1]);
}

/// Sends a signal when this event is told.
fn interrupted(desk: &Desk, words: &[String], signal: Signal, is_it: impl Fn(&Value) -> bool) -> Outcome {
    let mut command = desk.start(words);
    command.wait_for(is_it);
    command.signal(signal);
    command.end()
}

/// SIGTERM in the middle is told, and the same command goes on.
fn deploys_although_it_was_terminated(desk: &Desk) {
    let deploy = desk.reporting(&["deploy"]);
    let stopped = interrupted(desk, &deploy, Signal::TERM, |event| event["name"] == "packages");
    assert_eq!(stopped.status, Some(143), "{}", stopped.told);
    assert!(stopped.told.contains("broken off"), "{}", stopped.told);
    assert_eq!(desk.states(), ["server1 running", "worker1 notBegun"], "{}", stopped.told);
    desk.succeed(&deploy);
    assert_eq!(desk.states(), ["server1 installed", "worker1 installed"]);
}

/// What the inventory says of its labels becomes so, and what it does not say any more is gone.
#[track_caller]
fn changes_labels(desk: &Desk, server1: &Node, [rack, tier]: [&str; 2]) {
    desk.twice(&["label"]);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.rack}"), rack);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.tier}"), tier);
}

fn changes_node(desk: &Desk, server1: &Node) {
    desk.twice(&["label", "worker1", "rack=b", "dedicated=training:PreferNoSchedule"]);
    assert_eq!(of_node(server1, "worker1", "{.metadata.labels.rack}"), "b");
    desk.twice(&["cordon", "worker1"]);
    assert_eq!(of_node(server1, "worker1", "{.spec.unschedulable}"), "true");
    desk.twice(&["uncordon", "worker1"]);
    desk.refuse(&["drain", "worker1"], 2, "--yes");
    desk.twice(&["drain", "worker1", "--yes"]);
    desk.twice(&["uncordon", "worker1"]);
}

/// `add` lets in whoever is missing; again it changes nothing.
#[track_caller]
fn grows(desk: &Desk, states: &[&str]) {
    let add = desk.reporting(&["add"]);
    let said = desk.succeed(&add);
    assert_eq!(desk.states(), states, "{said}");
    let said = desk.succeed(&add);
    assert_eq!(desk.states(), ["server1 unchanged"], "{said}");
}

fn tells(desk: &Desk) {
    let status = desk.json(&["status"]);
    let nodes = status["nodes"].as_array().unwrap();
    let is_well =
        |node: &&Value| node["ready"] == true && node["bundle"] == "lab-1.0" && node["registry"] == true;
    assert_eq!(nodes.iter().filter(is_well).count(), 5, "{status:#}");
    assert_eq!(status["etcd"]["quorum"], 2, "{status:#}");
    desk.succeed(&["status"]);
    desk.succeed(&["kubeconfig", "--output", &desk.path("kubeconfig")]);
    let file = fs::metadata(desk.path("kubeconfig")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
}

fn upgrades(desk: &Desk, sticks: &[Stick], server1: &Node) {
    let [first, next, skipping] =
        [0, 1, 2].map(|edition| desk.reporting_with(&["upgrade"], &sticks[edition]));
    desk.refuse(&skipping, 7, "a minor version would be left out");
    // A first server that does not come up goes back, and nothing else was touched.
    server1
        .shell(&format!(
            "mkdir -p $(dirname {DROP_IN}) && cat > {DROP_IN} <<'END'\n{REFUSES}END\nsystemctl daemon-reload"
        ))
        .unwrap();
    let failed = desk.refuse(&next, 9, "taken back");
    let before = ready(server1, 2);
    assert_eq!(before.len(), 2, "{before:?} {failed}");
    assert!(before.iter().all(|node| node.ends_with("v1.36.3+k3s1")), "{before:?}");
    server1.shell(&format!("rm {DROP_IN} && systemctl daemon-reload")).unwrap();

    // Ctrl-C behind the first server.
    let stopped = interrupted(desk, &next, Signal::INT, |event| event["host"] == "worker1");
    assert_eq!(stopped.status, Some(130), "{}", stopped.told);
    assert!(stopped.told.contains("upgrade was interrupted"), "{}", stopped.told);
    desk.twice(&next);
    let after = ready(server1, 2);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|node| node.ends_with("v1.37.1+k3s1")), "{after:?}");
    desk.refuse(&first, 6, "older");
}

fn ends(desk: &Desk, [server1, worker1]: [&Node; 2]) {
    assert!(worker1.run(&["test", "-e", "/usr/local/bin/k3s"]).unwrap().status.code() != Some(0));
    desk.refuse(&["reset", "--yes"], 2, "--confirm server1");
    desk.twice(&["reset", "--confirm", "server1"]);
    assert!(server1.run(&["test", "-e", "/usr/local/bin/k3s"]).unwrap().status.code() != Some(0));
    desk.refuse(&["status"], 9, "unknown");
}
