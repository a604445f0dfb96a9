//! Three servers: one may go, two may not, and agents go on with those that are left.

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{TOKEN, address, agent, joining, server};

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_of_three_servers_lives_without_one_and_stops_without_two() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("quorum").unwrap();
    let nodes: Vec<_> = ["server1", "server2", "server3", "agent1"]
        .into_iter()
        .map(|name| lab.node(name, Release::Trixie).unwrap())
        .collect();
    let disable = "disable: [coredns, local-storage]\n";
    let first =
        server(&nodes[0], &format!("{}cluster-init: true\ntoken: {TOKEN}\n{disable}", address(&nodes[0])));
    first.start();
    let token = first.server_file("token");
    let join = |index: usize| format!("{}{disable}", joining(&nodes[index], &nodes[0], &token));

    // What all servers have to agree on is compared first.
    let second = server(&nodes[1], "");
    let different = format!("{}flannel-backend: host-gw\n", join(1));
    second.says(&different, "failed to validate server configuration: critical configuration value mismatch");
    let taken = format!("{}node-name: server1\n", join(1));
    second.says(&taken, "etcd cluster join failed: duplicate node name found");

    let second = server(&nodes[1], &join(1));
    let third = server(&nodes[2], &join(2));
    for server in [&second, &third] {
        server.start();
        let name = server.node.name();
        first.until(&format!("k3s kubectl get node {name} >/dev/null 2>&1"));
        first.kubectl(&["wait", "--for=condition=EtcdIsVoter", &format!("node/{name}"), "--timeout=30s"]);
    }
    assert_eq!(second.server_file("token"), token);
    let agent = agent(&nodes[3], &join(3).replace(disable, ""));
    agent.start();
    first.kubectl(&["wait", "--for=condition=Ready", "node/agent1", "--timeout=30s"]);
    let balancer = "grep -q 10.77.0.13 /var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json";
    agent.until(balancer);

    // The first one goes: the agent finds another, and changes are still made.
    nodes[0].kill_hard().unwrap();
    second.until("k3s kubectl get nodes | grep -q 'server1 *NotReady'");
    second.until("k3s kubectl get nodes | grep -q 'agent1 *Ready'");
    third.until("k3s kubectl label node agent1 survived=yes >/dev/null 2>&1");
    second.until("k3s kubectl get nodes -l survived=yes | grep -q agent1");

    // The second goes as well: one of three does not decide anything.
    nodes[1].kill_hard().unwrap();
    third.until("k3s kubectl get --raw /readyz 2>&1 | grep -q 'etcd failed'");
    let refused = third.node.run(&["k3s", "kubectl", "get", "nodes"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.starts_with("Error from server (ServiceUnavailable): etcdserver: no leader"), "{said}");

    // And comes back.
    nodes[1].boot().unwrap();
    second.start();
    third.until("k3s kubectl get nodes 2>/dev/null | grep -q 'server2 *Ready'");
    second.until("k3s kubectl get nodes -l survived=yes | grep -q agent1");
}
