//! Nodes that cannot join: the stand-in says what k3s says, and does with systemd what k3s does.

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{TOKEN, address, agent, joining, server};

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_agent_that_cannot_join_says_why() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("failures").unwrap();
    let first = lab.node("server1", Release::Trixie).unwrap();
    let second = lab.node("agent1", Release::Trixie).unwrap();
    let server = server(&first, &format!("{}token: {TOKEN}\n", address(&first)));
    let agent = agent(&second, "");
    let url = format!("https://{}:6443", first.address());
    let cannot = format!("Failed to validate connection to cluster at {url}: ");
    let join = |token: &str| joining(&second, &first, token);

    // No server yet, then a server for which this is not the token.
    let refused = format!("{cannot}failed to get CA certs: Get");
    let line = agent.says(&join(TOKEN), &refused);
    assert!(line.contains("connect: connection refused"), "{line}");
    server.start();
    let token = server.server_file("token");
    let foreign = format!("K10{}::server:{TOKEN}", "0".repeat(64));
    agent.says(
        &join(&foreign),
        &format!("{cannot}token CA hash does not match the Cluster CA certificate hash"),
    );
    agent.says(&join("K10abc::server:x"), &format!("{cannot}invalid token CA hash length"));
    agent.says(&join("K10abc"), &format!("{cannot}invalid token format"));
    let waiting = "Waiting to retrieve agent configuration; server is not ready: ";
    let line = agent.says(&join(&token.replace(TOKEN, "another")), waiting);
    assert!(line.contains("401 Unauthorized") && line.contains("not authorized"), "{line}");

    // The name of somebody else.
    server.until("k3s kubectl get node server1 >/dev/null 2>&1");
    let line = agent.says(&format!("{}node-name: server1\n", join(&token)), "Node password rejected");
    assert!(line.contains("duplicate hostname or contents of '/etc/rancher/node/password'"), "{line}");

    // A cluster whose clock is an hour ahead: its certificates do not count yet.
    server.stop();
    server.node.shell("rm -r /var/lib/rancher/k3s/server").unwrap();
    server.set_environment("K3S_STANDIN_CLOCK_AHEAD=3600\n");
    first.systemctl(&["start", "k3s"]).unwrap();
    let line = agent.says(&join(TOKEN), "x509: certificate has expired or is not yet valid");
    assert!(line.contains(&cannot), "{line}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn what_is_wrong_with_a_configuration_ends_the_service_and_systemd_starts_it_again() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("settings").unwrap();
    let node = lab.node("node1", Release::Trixie).unwrap();
    let agent = agent(&node, "");
    let own = address(&node);
    // There is no default route in this lab.
    let token = "server: https://10.77.0.99:6443\ntoken: x\n";
    agent.says(token, r"no default routes found in \");
    agent.says(&own, "--token is required");
    agent.says(&format!("{own}token: x\n"), "--server is required");
    agent.says(&format!("{own}cluster-init: true\n"), "flag provided but not defined: -cluster-init");
    let status = node.run(&["timeout", "20", "k3s", "agent"]).unwrap().status;
    assert_eq!(status.code(), Some(1));

    let server = server(&node, &format!("{own}token: {TOKEN}\nno-such-flag: 1\n"));
    server.start();
    node.wait_for_log(
        "k3s",
        "Unknown flag --no-such-flag found in config.yaml, skipping",
        std::time::Duration::from_secs(30),
    )
    .unwrap();
    server.stop();
    let other = format!("{own}token: another\n");
    server.says(&other, "bootstrap data already found and encrypted with different token");
    // It loops: the unit is neither failed nor active, and the count of its starts grows.
    node.systemctl(&["start", "--no-block", "k3s"]).unwrap();
    server.until("test $(systemctl show --property=NRestarts --value k3s) -ge 1");
    assert_ne!(
        String::from_utf8_lossy(&node.run(&["systemctl", "is-failed", "k3s"]).unwrap().stdout),
        "failed\n"
    );
}
