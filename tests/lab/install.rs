//! `install` on bare machines behind a gap, with real systemd, real apt and the real program, from a stick that
//! cannot be written. Only k3s is a stand-in.

use crate::containerd::Containerd;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::samples;
use crate::stick::{IMAGES, PACKAGE, Stick};

/// `install` of the stick.
pub const INSTALL: &str = "/media/stick/install";
/// Where an agent is given its program and the token of the cluster.
pub const PROGRAM: &str = "/root/install";
pub const TOKEN: &str = "/root/token";

/// A first server from the stick. Gives what it has printed.
pub fn install_server(node: &Node, stick: &Stick) -> String {
    node.succeed(&[INSTALL, "--trust", &stick.fingerprint, "--yes"]).unwrap()
}

/// A node that joins with the small program alone, by the line that the server has printed for this role.
pub fn join(role: &str, node: &Node, server: &Node, stick: &Stick, printed: &str) {
    bring_program_and_token(node, server, stick);
    let line = printed.split(&format!("sudo ./install --role {role} ")).nth(1).unwrap();
    let line = line.split("\nor on").next().unwrap();
    node.shell(&format!("cd /root && ./install --yes --role {role} {line}")).unwrap();
}

/// What a node that joins needs, in `/root`.
pub fn bring_program_and_token(node: &Node, server: &Node, stick: &Stick) {
    node.copy_in(&stick.program(), PROGRAM).unwrap();
    let local = tempfile::tempdir().unwrap();
    let token = local.path().join("token");
    server.copy_out("/var/lib/rancher/k3s/server/token", &token).unwrap();
    node.copy_in(&token, TOKEN).unwrap();
}

/// What a later run prints, which has nothing to do.
fn install_again(node: &Node) -> String {
    node.succeed(&["airlock", "install", "--yes"]).unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_server_and_an_agent_are_installed_from_one_stick() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("install", Gap::Reject).unwrap();
    let capture = lab.capture().unwrap();
    let server = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let agent = lab.node("agent1", Release::Bookworm).unwrap();
    let printed = install_server(&server, stick);
    join("agent", &agent, &server, stick, &printed);
    for node in [&server, &agent] {
        packages_are_installed(node);
        images_are_pulled(node, stick);
        nothing_is_left_to_do(node);
    }
    cluster_is_ready(&server, &["agent1", "server1"]);
    let packets = capture.stop().unwrap();
    assert!(packets.count > 100, "{packets:?}");
    assert_eq!(packets.foreign(), [] as [std::net::IpAddr; 0], "not even tried");
    [&server, &agent].into_iter().for_each(there_is_no_way_out);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_second_server_joins_the_first() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::new("servers").unwrap();
    let first = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let second = lab.node("server2", Release::Bookworm).unwrap();
    for node in [&first, &second] {
        node.succeed(&["ip", "route", "add", "default", "via", "10.77.0.254"]).unwrap();
    }
    let printed = install_server(&first, stick);
    join("server", &second, &first, stick, &printed);
    nothing_is_left_to_do(&second);
    cluster_is_ready(&second, &["server1", "server2"]);
    let status = second.succeed(&["airlock", "node", "status"]).unwrap();
    assert!(status.contains("server, has joined https://10.77.0.11:6443"), "{status}");
}

/// By real apt, with all that they depend on.
fn packages_are_installed(node: &Node) {
    let asked = format!("dpkg-query --show --showformat='${{Status}} ${{Package}}\n' {PACKAGE} libonig5");
    let expected = format!("install ok installed {PACKAGE}\ninstall ok installed libonig5\n");
    let mut found: Vec<String> = node.shell(&asked).unwrap().lines().map(str::to_owned).collect();
    found.sort();
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(node.shell("echo '{\"a\": 1}' | jq .a").unwrap(), "1\n");
}

/// By real containerd, under their own names, with the digests they have upstream.
fn images_are_pulled(node: &Node, stick: &Stick) {
    let Some(containerd) = Containerd::start(node) else { return };
    for image in IMAGES.iter().chain(samples::K3S_IMAGES) {
        assert_eq!(containerd.pull(image), stick.digest(image), "{image}");
    }
}

fn cluster_is_ready(server: &Node, names: &[&str]) {
    for node in names {
        let wait = ["kubectl", "wait", "--for=condition=Ready", &format!("node/{node}"), "--timeout=30s"];
        server.succeed(&wait).unwrap();
    }
    let nodes = server.succeed(&["kubectl", "get", "nodes", "-o", "name"]).unwrap();
    assert_eq!(nodes, names.iter().map(|name| format!("node/{name}\n")).collect::<String>());
}

/// A later run finds nothing, says so, and changes nothing.
pub fn nothing_is_left_to_do(node: &Node) {
    let before = node.snapshot().unwrap();
    let plan = node.succeed(&["airlock", "install", "--plan"]).unwrap();
    assert_eq!(plan, "nothing would change: the node is as it should be\n");
    let name = node.name();
    assert!(install_again(node).starts_with(&format!("nothing to do: {name} is as lab-1.0 says\n")));
    let difference = before.diff(&node.snapshot().unwrap()).without(&["/var/log", "/var/lib/rancher"]);
    assert!(difference.is_empty(), "{difference}");
}

/// Neither to registries nor to the archives that the node has been given.
fn there_is_no_way_out(node: &Node) {
    let pull = ["curl", "--silent", "--connect-timeout", "2", "https://docker.io/v2/"];
    assert!(!node.run(&pull).unwrap().status.success());
    // The resolver of the site does not exist, and takes its time (resolv.conf(5)).
    let update = ["env", "RES_OPTIONS=timeout:1 attempts:1", "apt-get", "update", "-o", "Acquire::Retries=0"];
    let output = node.run(&[&update[..], &["-o", "APT::Update::Error-Mode=any"]].concat()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Temporary failure resolving"), "{said}");
}
