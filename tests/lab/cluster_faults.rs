//! `airlock cluster deploy` while everything goes wrong that can: every fault has its name, everybody else becomes what he
//! should, and once it is put right the same command finishes the work.

use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, Outcome};
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::stick::Stick;

/// The nodes of [`every_fault_has_its_name_and_the_others_are_finished`], and what is reported about each.
const FAULTS: [(&str, &str); 9] = [
    ("server1", "installed"),
    ("changed1", "leftOut E1126"),
    ("clock1", "leftOut E1161"),
    ("full1", "leftOut E1001"),
    ("hung1", "failed E1135"),
    ("killed1", "failed E1135"),
    ("sudo1", "leftOut E1133"),
    ("twin1", "leftOut E1161"),
    ("unknown1", "leftOut E1125"),
];

/// How long a host may say nothing, with what comes on top of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the link breaks, in bytes: about half of the bundle.
const HALF: u64 = 45 << 20;

fn node<'a>(nodes: &'a [Node], name: &str) -> &'a Node {
    nodes.iter().find(|node| node.name() == name).unwrap()
}

/// What was wrong before the deployment began.
fn break_hosts(nodes: &[Node], provisioner: &Provisioner) {
    node(nodes, "changed1").replace_host_key().unwrap();
    // Somewhat more than is told: a busy machine is asked some seconds later than it believes.
    node(nodes, "clock1").set_clock_offset(630).unwrap();
    node(nodes, "full1").fill_disk(64 << 20).unwrap();
    node(nodes, "sudo1").set_sudo_password(Some("right")).unwrap();
    node(nodes, "twin1").set_hostname("server1").unwrap();
    let known = provisioner.home().join(".ssh/known_hosts");
    let lines = fs::read_to_string(&known).unwrap();
    let others = lines.lines().filter(|line| !line.starts_with("unknown1,")).map(|line| format!("{line}\n"));
    fs::write(&known, others.collect::<String>()).unwrap();
}

/// What an administrator does who reads the report.
fn mend_hosts(lab: &Lab, nodes: &[Node], desk: &Desk) {
    node(nodes, "killed1").boot().unwrap();
    node(nodes, "hung1").resume().unwrap();
    node(nodes, "clock1").set_clock_offset(0).unwrap();
    node(nodes, "full1").make_room().unwrap();
    node(nodes, "twin1").set_hostname("twin1").unwrap();
    desk.write("sudo", "right\n");
    // It knows the keys that they have now.
    lab.provisioner().unwrap();
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn every_fault_has_its_name_and_the_others_are_finished() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("faults", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&FAULTS.map(|(name, _)| name), Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    let agents: Vec<&Node> = nodes[1..].iter().collect();
    let password = format!("sudoPasswordFile: {}", desk.path("sudo"));
    desk.inventory(&yaml(&lab, &[&nodes[0]], &agents, &[("sudo1", &password)]));
    desk.write("sudo", "wrong\n");
    break_hosts(&nodes, &desk.provisioner);

    let deploy = desk.reporting(&["deploy"]);
    let mut deployment = desk.start(&deploy);
    deployment.wait_for_steps_on("killed1");
    node(&nodes, "killed1").kill_hard().unwrap();
    node(&nodes, "hung1").hang().unwrap();
    let begun = Instant::now();
    let Outcome { status, told } = deployment.end();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(status, Some(9), "{told}");
    assert_eq!(desk.states(), FAULTS.map(|(name, state)| format!("{name} {state}")), "{told}");
    for words in [
        "the host key of changed1 has changed: it may be somebody else",
        "use of the disk for data: 99 %",
        "the clock of clock1 is 10 min ahead of the others",
        "does not accept the password",
        "twin1 has the host name `server1`, as server1 has",
        &node(&nodes, "unknown1").host_key_fingerprint().unwrap(),
    ] {
        assert!(told.contains(words), "`{words}` is missing: {told}");
    }

    mend_hosts(&lab, &nodes, &desk);
    let mended = desk.succeed(&deploy);
    let expected = FAULTS.map(|(name, state)| match state {
        "installed" => format!("{name} unchanged"),
        _ => format!("{name} installed"),
    });
    assert_eq!(desk.states(), expected, "{mended}");
}

/// What a node still does that somebody has asked for who is gone: waits until it has ended.
const ENDS: &str = r#"for process in $(pgrep -f "airlock.* (node agent|install --settings|node receive)"); do
timeout 60 tail --sleep-interval=0.1 --pid="$process" --follow /dev/null || exit 1
done"#;

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cut_link_and_a_killed_and_an_interrupted_provisioner_cost_nothing_that_was_done() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("broken-off", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "worker1"], Release::Bookworm).unwrap();
    let [server, worker] = &nodes[..] else { panic!("two nodes") };
    let desk = Desk::new(&lab, stick);
    // Two servers are no better than one, which is told before anything is done.
    desk.inventory(&yaml(&lab, &[server, worker], &[], &[]));
    let plan = desk.succeed(&desk.reporting(&["deploy", "--plan"]));
    assert!(plan.contains("warning: servers: 2 servers bear the loss of 0"), "{plan}");

    desk.inventory(&yaml(&lab, &[server], &[worker], &[]));
    let deploy = desk.reporting(&["deploy"]);
    let is_push = |event: &Value, kind: &str| event["event"] == kind && event["stage"] == "push";

    // The link is cut in the middle of the transfer.
    let mut deployment = desk.start(&deploy);
    deployment.wait_for(|event| is_push(event, "started"));
    let sent_before = desk.provisioner.traffic().unwrap().sent;
    lab.cable(server).pull_after(HALF).unwrap();
    let begun = Instant::now();
    let Outcome { status, told } = deployment.end();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(status, Some(9), "{told}");
    assert_eq!(desk.states(), ["server1 failed E1135", "worker1 leftOut E1168"], "{told}");
    let bytes = desk.report()["bundle"]["bytes"].as_u64().unwrap();
    lab.join(server).unwrap();

    // Only the rest is sent. Then the provisioner dies, and what it had begun ends with it.
    let mut deployment = desk.start(&deploy);
    deployment.wait_for(|event| is_push(event, "started"));
    let cut = desk.provisioner.traffic().unwrap().sent;
    deployment.wait_for(|event| is_push(event, "finished"));
    let rest = desk.provisioner.traffic().unwrap().sent - cut;
    assert!(rest < bytes - HALF * 3 / 4, "{rest} of {bytes}; {} before", cut - sent_before);
    deployment.wait_for_steps_on("server1");
    deployment.signal(Signal::KILL);
    assert_eq!(deployment.end().status, None);
    server.shell(ENDS).unwrap();

    // Somebody presses Ctrl-C.
    let mut deployment = desk.start(&deploy);
    deployment.wait_for_steps_on("worker1");
    deployment.signal(Signal::INT);
    let Outcome { status, told } = deployment.end();
    assert_eq!(status, Some(130), "{told}");
    assert!(told.contains("worker1: was at work"), "{told}");
    assert_eq!(desk.states(), ["server1 installed", "worker1 running"]);
    assert_eq!(desk.report()["interrupted"], true);
    worker.shell(ENDS).unwrap();

    let whole = desk.succeed(&deploy);
    assert_eq!(desk.states(), ["server1 unchanged", "worker1 installed"], "{whole}");
    assert_eq!(desk.report()["bytesSent"], 0);
}
