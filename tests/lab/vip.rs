//! An address in front of several servers, held by the real keepalived of a bundle: it moves when its holder is cut off.
//! And the editions of that bundle, by which clusters are upgraded.

use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::write;
use crate::stick::{Stick, VIP_PACKAGES};

const VIP: &str = "10.77.0.240";

/// As in the facts of keepalived for a cluster without multicast: peers by their addresses, no preemption.
fn configuration(own: &Node, other: &Node) -> String {
    let (own, other) = (own.address(), other.address());
    format!(
        "vrrp_instance lab {{\n state BACKUP\n nopreempt\n interface eth0\n virtual_router_id 77\n priority 100\n \
         advert_int 0.2\n unicast_src_ip {own}\n unicast_peer {{\n  {other}\n }}\n virtual_ipaddress {{\n  {VIP}/24\n }}\n}}\n"
    )
}

fn until(node: &Node, condition: &str) {
    let line = format!("until {condition}; do sleep 0.1; done");
    if let Err(error) = node.succeed(&["timeout", "20", "bash", "-c", &line]) {
        panic!("{error}\n{}", node.journal("keepalived").unwrap());
    }
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn the_address_moves_to_another_server_when_its_holder_is_cut_off() {
    if !is_possible() {
        return;
    }
    let Some(sticks) = Stick::for_clusters() else { return };
    let lab = Lab::new("vip").unwrap();
    let node = |name: &str| lab.node_with_stick(name, Release::Bookworm, &sticks[0].path()).unwrap();
    let nodes = [node("server1"), node("server2")];
    let install = |node: &Node| {
        node.succeed(&["/media/stick/install", "--trust", &sticks[0].fingerprint, "--yes"]).unwrap();
        node.succeed(&[&["dpkg", "--status"], &VIP_PACKAGES[..]].concat()).unwrap();
    };
    std::thread::scope(|scope| {
        nodes.each_ref().map(|node| scope.spawn(|| install(node))).map(|done| done.join().unwrap())
    });
    for (own, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        write(own, "/etc/keepalived/keepalived.conf", &configuration(own, other));
        own.systemctl(&["restart", "keepalived"]).unwrap();
    }
    let has_it = |node: &Node| node.shell("ip -o address show eth0").unwrap().contains(VIP);
    until(&nodes[0], &format!("curl -sko /dev/null https://{VIP}:6443/ping"));
    let holder = usize::from(!has_it(&nodes[0]));
    let other = &nodes[1 - holder];
    assert!(has_it(&nodes[holder]) && !has_it(other));
    lab.cut(&nodes[holder]).unwrap();
    until(other, &format!("ip -o address show eth0 | grep -q {VIP}"));
    assert_eq!(other.succeed(&["curl", "-sk", &format!("https://{VIP}:6443/ping")]).unwrap(), "pong");
}

#[test]
#[ignore = "builds bundles; started by scripts/test"]
fn editions_have_rising_serials_and_the_releases_of_k3s_that_they_name() {
    if !is_possible() {
        return;
    }
    let Some(sticks) = Stick::for_clusters() else { return };
    let serials =
        sticks.iter().zip(["v1.36.3+k3s1", "v1.37.1+k3s1", "v1.39.0+k3s1"]).map(|(stick, release)| {
            let shown = stick.inspect();
            let text = shown.to_string();
            assert!(text.contains(release), "{text}");
            assert!(VIP_PACKAGES.iter().all(|package| text.contains(&format!("\"{package}\""))), "{text}");
            shown["serial"].as_u64().unwrap()
        });
    assert_eq!(serials.collect::<Vec<_>>(), [1, 2, 3]);
}
