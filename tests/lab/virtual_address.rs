//! The address in front of the servers, by the real keepalived and haproxy of Debian: it moves within seconds when its
//! holder is cut off, stays where it then is, and goes with a reset.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::said;
use crate::install::{PROGRAM, TOKEN, bring_program_and_token};
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::standin::write;
use crate::stick::Stick;

/// The address, and one that a machine has.
pub const ADDRESS: &str = "10.77.0.251";
const TAKEN: &str = "10.77.0.252";

/// How long the address may be nowhere. Three advertisements are missed, and three answers of the API.
pub const MOVE: Duration = Duration::from_secs(15);

/// Where nodes are given what they become.
const SETTINGS: &str = "/root/settings.json";

/// How this one of several nodes shares the address.
fn vrrp(nodes: &[&Node], index: usize) -> Value {
    let others = nodes.iter().filter(|node| node.name() != nodes[index].name());
    let peers: Vec<String> = others.map(|node| node.address().to_string()).collect();
    json!({"prefix": 24, "priority": 200 - index, "peers": peers})
}

fn keepalived(nodes: &[&Node], index: usize) -> Value {
    json!({"kind": "keepalived", "address": ADDRESS, "vrrp": vrrp(nodes, index)})
}

/// A first server; gives the line by which others join.
fn found(node: &Node, stick: &Stick, virtual_address: Value) -> String {
    let settings = json!({"address": node.address(), "virtualAddress": virtual_address});
    write(node, SETTINGS, &settings.to_string());
    node.succeed(&["/media/stick/install", "--trust", &stick.fingerprint, "--settings", SETTINGS, "--yes"])
        .unwrap()
}

/// What takes the bundle from the server, with the words that its installation has printed.
fn install_from(server: &Node, printed: &str, node: &Node, stick: &Stick, settings: &Value) {
    let output = try_to_install_from(server, printed, node, stick, settings);
    assert!(output.status.success(), "{}", said(&output));
}

/// The same, whatever it ends with.
fn try_to_install_from(server: &Node, printed: &str, node: &Node, stick: &Stick, settings: &Value) -> Output {
    write(node, SETTINGS, &settings.to_string());
    bring_program_and_token(node, server, stick);
    let line = printed.lines().find(|line| line.contains("--ca-fingerprint")).unwrap();
    let fingerprint = line.split_whitespace().nth(1).unwrap();
    let from = format!("https://{}:5443", server.address());
    let mut words = vec![PROGRAM, "--settings", SETTINGS, "--from", &from, "--yes"];
    words.extend(["--ca-fingerprint", fingerprint, "--trust", &stick.fingerprint]);
    if settings["join"].is_string() {
        words.extend(["--token-file", TOKEN]);
    }
    node.run(&words).unwrap()
}

/// Whether a node has the address.
fn has(node: &Node, address: &str) -> bool {
    !node.succeed(&["ip", "-brief", "address", "show", "to", address]).unwrap().is_empty()
}

/// Waits until exactly one of these has the address; gives it, and how long that took.
pub fn holder<'a>(nodes: &[&'a Node]) -> (&'a Node, Duration) {
    let begin = Instant::now();
    loop {
        let holders: Vec<&&Node> = nodes.iter().filter(|node| has(node, ADDRESS)).collect();
        match holders[..] {
            [holder] => return (holder, begin.elapsed()),
            _ => assert!(begin.elapsed() < 2 * MOVE, "{} nodes have the address", holders.len()),
        }
        // Whoever only looks takes a processor away from what is looked at.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the API answers at the address, asked from this node.
pub fn answers(node: &Node, port: u16) -> bool {
    let url = format!("https://{ADDRESS}:{port}/ping");
    let asked = node.run(&["curl", "--silent", "--insecure", "--max-time", "3", &url]).unwrap();
    asked.status.success() && asked.stdout == b"pong"
}

fn nothing_is_left_to_do(node: &Node) {
    let plan = node.succeed(&["airlock", "install", "--plan"]).unwrap();
    assert_eq!(plan, "nothing would change: the node is as it should be\n", "{}", node.name());
}

/// The address stays with whoever has it, however good those are who come back.
pub fn it_stays(nodes: &[&Node], holder: &Node, back: &Node) {
    back.wait_for_log("keepalived", "Entering BACKUP STATE", MOVE).unwrap();
    let mark = back.succeed(&["date", "+%s"]).unwrap();
    // Whoever may be the better one says so with its next advertisement, each second.
    back.succeed(&["sleep", "4"]).unwrap();
    let log = ["journalctl", "--output=cat", "--unit=keepalived", &format!("--since=@{}", mark.trim())];
    assert!(!back.succeed(&log).unwrap().contains("MASTER"), "it flaps");
    assert_eq!(self::holder(nodes).0.name(), holder.name());
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_address_of_three_servers_moves_and_stays() {
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("address", Gap::Reject).unwrap();
    let first = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let second = lab.node("server2", Release::Bookworm).unwrap();
    let third = lab.node("server3", Release::Bookworm).unwrap();
    let nodes = [&first, &second, &third];
    let printed = found(&first, stick, keepalived(&nodes, 0));
    assert_eq!(holder(&[&first]).0.name(), "server1");
    assert!(answers(&second, 6443), "the first server serves at the address before others join");

    somebody_else_has_an_address(&first, &second, stick, &printed);
    for (index, node) in [(1, &second), (2, &third)] {
        let settings = json!({
            "address": node.address(), "join": format!("https://{ADDRESS}:6443"),
            "registry": {"kind": "peers", "endpoints": [format!("https://{}:5443", first.address())]},
            "virtualAddress": keepalived(&nodes, index),
        });
        install_from(&first, &printed, node, stick, &settings);
    }
    nodes.iter().for_each(|node| nothing_is_left_to_do(node));
    let status = first.succeed(&["airlock", "node", "status"]).unwrap();
    assert!(status.contains(&format!("address    {ADDRESS} in front of the servers: here\n")), "{status}");

    // The cable of its holder is pulled: another one has it in seconds, and answers.
    lab.cut(&first).unwrap();
    let others = [&second, &third];
    let (next, after) = holder(&others);
    assert!(after < MOVE, "{after:?}");
    let asking = if next.name() == "server2" { &third } else { &second };
    assert!(answers(asking, 6443));
    lab.join(&first).unwrap();
    it_stays(&nodes, next, &first);

    // Its API ends, and the machine lives on.
    next.systemctl(&["stop", "k3s"]).unwrap();
    let rest: Vec<&Node> = nodes.into_iter().filter(|node| node.name() != next.name()).collect();
    let (last, after) = holder(&rest);
    assert!(after < MOVE, "{after:?}");
    assert!(answers(next, 6443), "at {}", last.name());
    next.systemctl(&["start", "k3s"]).unwrap();

    // Nothing of it is left behind, not even the address.
    last.succeed(&["airlock", "node", "reset", "--packages", "--yes"]).unwrap();
    assert!(!has(last, ADDRESS));
    for path in ["/etc/keepalived", "/etc/systemd/system/keepalived.service.d", "/usr/sbin/keepalived"] {
        assert!(!last.run(&["test", "-e", path]).unwrap().status.success(), "{path} is left");
    }
}

/// Nothing is changed on a node that would take the address of another machine.
fn somebody_else_has_an_address(first: &Node, node: &Node, stick: &Stick, printed: &str) {
    first.succeed(&["ip", "address", "add", &format!("{TAKEN}/24"), "dev", "eth0"]).unwrap();
    let settings = json!({
        "address": node.address(), "join": format!("https://{}:6443", first.address()),
        "registry": {"kind": "peers", "endpoints": [format!("https://{}:5443", first.address())]},
        "virtualAddress": {"kind": "keepalived", "address": TAKEN, "vrrp": {"priority": 1}},
    });
    let refused = try_to_install_from(first, printed, node, stick, &settings);
    let said = said(&refused);
    assert!(refused.status.code() == Some(7) && said.contains("error[E1141]"), "{said}");
    assert!(!Path::new(&node.root()).join("var/lib/airlock/settings.json").exists());
    first.succeed(&["ip", "address", "delete", &format!("{TAKEN}/24"), "dev", "eth0"]).unwrap();
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn two_balancers_pass_connections_on() {
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("balancers", Gap::Reject).unwrap();
    let server = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let balancers = ["balancer1", "balancer2"].map(|name| lab.node(name, Release::Bookworm).unwrap());
    let printed = found(&server, stick, json!({"kind": "external", "host": ADDRESS}));
    let nodes = [&balancers[0], &balancers[1]];
    for (index, node) in nodes.iter().enumerate() {
        let settings = json!({
            "role": "balancer", "address": node.address(),
            "virtualAddress": {
                "kind": "haproxy", "address": ADDRESS, "vrrp": vrrp(&nodes, index),
                "balancer": {"port": 6443, "statusPort": 8404, "servers": [server.address()]},
            },
        });
        install_from(&server, &printed, node, stick, &settings);
        nothing_is_left_to_do(node);
        assert!(!node.run(&["test", "-e", "/usr/local/bin/k3s"]).unwrap().status.success());
        let status = node.succeed(&["airlock", "node", "status"]).unwrap();
        assert!(status.contains("role       balancer in front of the servers"), "{status}");
        assert!(node.succeed(&["airlock", "node", "verify"]).is_ok());
    }
    let (holder, _) = holder(&nodes);
    assert!(answers(&server, 6443));
    let page = format!("http://{}:8404/", holder.address());
    assert!(
        server
            .succeed(&["curl", "--silent", "--fail", &page])
            .unwrap()
            .contains(&server.address().to_string())
    );

    // The balancer itself ends on one, and is started again by an installation.
    holder.systemctl(&["stop", "haproxy"]).unwrap();
    let other = if holder.name() == "balancer1" { nodes[1] } else { nodes[0] };
    assert!(self::holder(&[other]).1 < MOVE);
    assert!(answers(&server, 6443));
    holder.succeed(&["airlock", "install", "--yes"]).unwrap();
    it_stays(&nodes, other, holder);

    other.succeed(&["airlock", "node", "reset", "--packages", "--yes"]).unwrap();
    assert!(!has(other, ADDRESS) && self::holder(&[holder]).1 < MOVE);
    for path in ["/etc/haproxy", "/etc/keepalived", "/var/lib/airlock", "/usr/local/bin/airlock"] {
        assert!(!other.run(&["test", "-e", path]).unwrap().status.success(), "{path} is left");
    }
}
