//! Nothing leaves a lab, in none of the ways in which sites keep the internet out.

use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};

/// An address that is not of the lab, and a pull from it as containerd would begin it.
const OUTSIDE: &str = "203.0.113.80";
const PULL: &str = "https://203.0.113.80/v2/library/busybox/manifests/1.36";
/// curl(1), "EXIT CODES": no connection, and none within the time given.
const CANNOT_CONNECT: i32 = 7;
const TIMED_OUT: i32 = 28;

fn pull(node: &Node) -> (i32, String) {
    let words = ["curl", "--silent", "--show-error", "--connect-timeout", "2", PULL];
    let output = node.run(&words).unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn ping(node: &Node, address: &str) -> (bool, String) {
    let output = node.run(&["ping", "-c", "1", "-W", "1", address]).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nodes_reach_each_other_and_nothing_else() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("gap-none").unwrap();
    let capture = lab.capture().unwrap();
    let first = lab.node("first", Release::Bookworm).unwrap();
    let second = lab.node("second", Release::Trixie).unwrap();
    assert!(ping(&first, &second.address().to_string()).0);
    assert!(ping(&second, &first.address().to_string()).0);

    let (_, said) = ping(&first, OUTSIDE);
    assert!(said.contains("Network is unreachable"), "{said}");
    let (status, said) = pull(&first);
    assert_eq!(status, CANNOT_CONNECT, "{said}");

    // The sources are those of a real server; nothing answers.
    let update = first.run(&["apt-get", "update", "--option", "APT::Update::Error-Mode=any"]).unwrap();
    assert!(!update.status.success());

    // A cut cable and a mended one.
    lab.cut(&second).unwrap();
    assert!(!ping(&first, &second.address().to_string()).0);
    lab.join(&second).unwrap();
    let wait = r#"until ping -c 1 -W 1 "$1" >/dev/null; do :; done"#;
    first.succeed(&["timeout", "20", "sh", "-c", wait, "sh", &second.address().to_string()]).unwrap();

    let packets = capture.stop().unwrap();
    assert!(packets.addresses.contains(&first.address().into()), "{packets:?}");
    assert_eq!(packets.foreign(), [] as [std::net::IpAddr; 0]);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_router_that_rejects_says_so_at_once() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("gap-reject", Gap::Reject).unwrap();
    let node = lab.node("node", Release::Bookworm).unwrap();
    let (arrived, said) = ping(&node, OUTSIDE);
    assert!(!arrived && said.contains("Packet filtered"), "{said}");
    let (status, said) = pull(&node);
    assert_eq!(status, CANNOT_CONNECT, "{said}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_router_that_drops_lets_the_node_wait() {
    if !is_possible() {
        return;
    }
    let lab = Lab::with_gap("gap-drop", Gap::Drop).unwrap();
    let capture = lab.capture().unwrap();
    let node = lab.node("node", Release::Bookworm).unwrap();
    let (status, said) = pull(&node);
    assert_eq!(status, TIMED_OUT, "{said}");
    let (arrived, said) = ping(&node, OUTSIDE);
    assert!(!arrived && said.contains("100% packet loss"), "{said}");
    // The capture sees what the node has tried, up to the router, and no answer from the outside.
    let packets = capture.stop().unwrap();
    assert_eq!(packets.foreign(), [OUTSIDE.parse::<std::net::IpAddr>().unwrap()]);
}
