//! Ways in which sites keep the internet out, and an installation in each: nothing from outside is even asked for.

use std::net::IpAddr;

use crate::install::{install_server, nothing_is_left_to_do};
use crate::lab::Lab;
use crate::lab::capture::Packets;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// A gateway that nobody is.
const NOBODY: &str = "10.77.0.254";

/// The first address of a node.
const ADDRESS: &str = "jsonpath={.status.addresses[0].address}";

/// Installs a server; gives what was on the network meanwhile.
fn install_and_listen(lab: &Lab, node: &Node, stick: &Stick) -> Packets {
    let capture = lab.capture().unwrap();
    install_server(node, stick);
    node.succeed(&["kubectl", "wait", "--for=condition=Ready", "node/server1", "--timeout=30s"]).unwrap();
    nothing_is_left_to_do(node);
    capture.stop().unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_router_that_drops_everything_is_not_noticed() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("drop", Gap::Drop).unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let packets = install_and_listen(&lab, &node, stick);
    assert_eq!(packets.foreign(), [] as [IpAddr; 0]);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_gateway_need_not_be_there() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::new("nobody").unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    node.succeed(&["ip", "route", "add", "default", "via", NOBODY]).unwrap();
    let packets = install_and_listen(&lab, &node, stick);
    assert_eq!(packets.foreign(), [] as [IpAddr; 0]);
    assert!(!packets.addresses.contains(&NOBODY.parse().unwrap()), "nobody has looked for the gateway");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_default_route_that_is_missing_is_made() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::new("no-route").unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let packets = install_and_listen(&lab, &node, stick);
    assert_eq!(packets.foreign(), [] as [IpAddr; 0]);
    assert!(node.shell("ip route show default").unwrap().contains("airlock-route"));
    let address = node.address().to_string();
    let found = node.succeed(&["kubectl", "get", "node/server1", "-o", ADDRESS]).unwrap();
    assert_eq!(found, address, "not that of the route that leads nowhere");
}
