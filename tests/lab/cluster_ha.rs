//! `airlock cluster deploy` with an address in front of the servers, by the real keepalived and haproxy of Debian: it is
//! there from the first server on, moves when its holder is cut off, and the cluster is asked by it meanwhile.

use crate::desk::Desk;
use crate::inventories::ini;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;
use crate::virtual_address::{ADDRESS, MOVE, answers, holder, it_stays};

/// What `kubectl` of a server says when it asks at the address.
fn kubectl(server: &Node, port: u16) -> String {
    let url = format!("--server=https://{ADDRESS}:{port}");
    server.succeed(&["k3s", "kubectl", &url, "get", "nodes"]).unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_address_of_three_servers_outlives_its_holder() {
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("ha", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    let nodes: Vec<&Node> = nodes.iter().collect();
    let (servers, worker) = (&nodes[..3], nodes[3]);
    let groups = [("master", servers), ("worker", &nodes[3..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    desk.deploy_all("installed", 4);
    let (first, _) = holder(servers);
    assert!(answers(worker, 6443));
    let joined = worker.succeed(&["cat", "/etc/rancher/k3s/config.yaml"]).unwrap();
    assert!(joined.contains(&format!("https://{ADDRESS}:6443")), "{joined}");

    desk.deploy_all("unchanged", 4);

    // The cable of its holder is pulled: another one has it in seconds.
    lab.cut(first).unwrap();
    let others: Vec<&Node> = servers.iter().copied().filter(|node| node.name() != first.name()).collect();
    let (next, after) = holder(&others);
    assert!(after < MOVE, "{after:?}");
    assert!(answers(worker, 6443));
    assert!(kubectl(next, 6443).contains("worker1"));
    desk.refuse(&["status"], 9, first.name());

    // It comes back, and the address stays where it is.
    lab.join(first).unwrap();
    it_stays(servers, next, first);
    assert!(answers(worker, 6443));
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_address_that_cannot_be_is_told_before_anything_changes() {
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("ha-taken", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "server2", "stranger"], Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    let servers: Vec<&Node> = nodes[..2].iter().collect();
    let groups = [("master", &servers[..])];
    let refused = |vip: &str, further: &[&str], status: i32, code: &str| {
        desk.inventory(&ini(&lab, &groups, &[&[vip][..], further].concat()));
        let text = desk.refuse(&desk.reporting(&["deploy"]), status, &format!("error[{code}]"));
        for server in &servers {
            assert!(!server.root().join("var/lib/airlock/journal").exists(), "{text}");
        }
        text
    };

    // Somebody on the segment has it who is in no inventory.
    nodes[2].succeed(&["ip", "address", "add", &format!("{ADDRESS}/24"), "dev", "eth0"]).unwrap();
    let hardware = nodes[2].succeed(&["cat", "/sys/class/net/eth0/address"]).unwrap();
    let text = refused(&format!("vip={ADDRESS}"), &[], 7, "E1141");
    assert!(text.contains(&format!("{} answers", hardware.trim())), "{text}");
    assert!(text.contains("2 servers"), "of an even number is warned: {text}");

    // Nobody could ask for it; the inventory alone tells that where it knows the network.
    let text = refused("vip=10.99.0.5", &[], 7, "E1140");
    assert!(text.contains("is in no network of eth0 on server1"), "{text}");
    let text = refused("vip=10.99.0.5", &["vip_prefix=24"], 3, "E1105");
    assert!(text.contains("is not in the network of `server1`"), "{text}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn balancers_stand_in_front_of_a_server() {
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("ha-lb", Gap::Reject).unwrap();
    let names = ["server1", "balancer1", "balancer2", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    let nodes: Vec<&Node> = nodes.iter().collect();
    let (server, balancers, worker) = (nodes[0], &nodes[1..3], nodes[3]);
    let groups = [("master", &nodes[..1]), ("lb", balancers), ("worker", &nodes[3..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    desk.deploy_all("installed", 4);
    let (first, _) = holder(balancers);
    assert!(kubectl(server, 6443).contains("worker1"));

    desk.deploy_all("unchanged", 4);

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
    let Some([stick, ..]) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("ha-own-lb", Gap::Reject).unwrap();
    let nodes = lab.nodes_named(&["server1", "worker1"], Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    let nodes: Vec<&Node> = nodes.iter().collect();
    let groups = [("master", &nodes[..1]), ("lb", &nodes[..1]), ("worker", &nodes[1..])];
    desk.inventory(&ini(&lab, &groups, &[&format!("vip={ADDRESS}"), "vip_prefix=24"]));

    desk.deploy_all("installed", 2);
    assert!(answers(nodes[1], 8443) && answers(nodes[1], 6443));
    assert!(kubectl(nodes[0], 8443).contains("worker1"));
    desk.deploy_all("unchanged", 2);
}
