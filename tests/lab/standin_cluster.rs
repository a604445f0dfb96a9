//! A cluster of the stand-in over the network of a lab: it joins, it is seen, it is missed.

use serde_json::Value;

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{TOKEN, address, agent, joining, server, write};

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn server_and_agent_become_ready_and_a_lost_agent_is_missed() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("cluster").unwrap();
    let first = lab.node("server1", Release::Trixie).unwrap();
    let second = lab.node("agent1", Release::Trixie).unwrap();
    let cluster =
        format!("{}cluster-init: true\ntoken: {TOKEN}\ndisable: [coredns, local-storage]\n", address(&first));
    let server = server(&first, &cluster);
    server.start();
    assert_eq!(server.kubectl(&["get", "--raw", "/readyz"]), "ok\n");
    assert_eq!(first.shell("stat -c %a /etc/rancher/k3s/k3s.yaml").unwrap(), "600\n");
    assert!(first.shell("k3s --version").unwrap().starts_with("k3s version v1.36.3+k3s1 (stand-in)"));

    // Whoever has no certificate and no token sees only that there is a server.
    let status = |path: &str| {
        let url = format!("https://{}:6443{path}", first.address());
        second.succeed(&["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", &url]).unwrap()
    };
    assert_eq!(
        (status("/ping"), status("/cacerts"), status("/readyz")),
        ("200".into(), "200".into(), "401".into())
    );

    let token = server.server_file("node-token");
    assert!(token.starts_with("K10") && token.ends_with(&format!("::server:{TOKEN}")), "{token}");
    let labelled =
        format!("{}node-label: [rack=a, nvidia.com/gpu.present=true]\n", joining(&second, &first, &token));
    let agent = agent(&second, &labelled);
    agent.start();
    for node in ["server1", "agent1"] {
        server.kubectl(&["wait", "--for=condition=Ready", &format!("node/{node}"), "--timeout=30s"]);
    }
    let nodes: Value = serde_json::from_str(&server.kubectl(&["get", "nodes", "-o", "json"])).unwrap();
    let labels = |index: usize| nodes["items"][index]["metadata"]["labels"].clone();
    assert_eq!(
        (labels(0)["rack"].as_str(), labels(0)["nvidia.com/gpu.present"].as_str()),
        (Some("a"), Some("true"))
    );
    assert_eq!(labels(1)["node-role.kubernetes.io/control-plane"], "true");
    assert_eq!(nodes["items"][1]["status"]["conditions"][1]["type"], "EtcdIsVoter");
    let wide = server.kubectl(&["get", "nodes", "-o", "wide"]);
    assert!(wide.lines().nth(1).unwrap().contains(&second.address().to_string()), "{wide}");

    lab.cut(&second).unwrap();
    server.until("k3s kubectl get nodes | grep -q 'agent1.*NotReady'");
    lab.join(&second).unwrap();
    server.kubectl(&["wait", "--for=condition=Ready", "node/agent1", "--timeout=30s"]);
    second.kill_hard().unwrap();
    server.until("k3s kubectl get nodes | grep -q 'agent1.*NotReady'");
    second.boot().unwrap();
    agent.start();
    server.kubectl(&["wait", "--for=condition=Ready", "node/agent1", "--timeout=30s"]);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nodes_are_labelled_tainted_cordoned_and_deleted_and_the_state_outlives_a_power_cut() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("kubectl").unwrap();
    let node = lab.node("server1", Release::Trixie).unwrap();
    let server = server(&node, &format!("{}token: {TOKEN}\n", address(&node)));
    server.start();
    server.until("k3s kubectl get node server1 >/dev/null 2>&1");
    server.kubectl(&["label", "node", "server1", "zone=b"]);
    server.kubectl(&["taint", "node", "server1", "nvidia.com/gpu=present:NoSchedule"]);
    server.kubectl(&["cordon", "server1"]);
    let class = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: nvidia}\nhandler: nvidia\n";
    write(&node, "/root/class.yaml", class);
    assert_eq!(
        server.kubectl(&["apply", "-f", "/root/class.yaml"]),
        "runtimeclass.node.k8s.io/nvidia created\n"
    );
    // What lies in the directory of manifests is applied by itself.
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: by-file, namespace: kube-system}\ndata: {a: b}\n";
    write(&node, "/var/lib/rancher/k3s/server/manifests/map.yaml", map);
    server.until("k3s kubectl -n kube-system get configmap by-file >/dev/null 2>&1");

    node.kill_hard().unwrap();
    node.boot().unwrap();
    server.start();
    let object: Value =
        serde_json::from_str(&server.kubectl(&["get", "node", "server1", "-o", "json"])).unwrap();
    assert_eq!(object["metadata"]["labels"]["zone"], "b");
    assert_eq!(object["spec"]["taints"][0]["effect"], "NoSchedule");
    assert_eq!(object["spec"]["unschedulable"], true);
    server.kubectl(&["uncordon", "server1"]);
    assert_eq!(server.kubectl(&["get", "runtimeclass", "-o", "name"]), "runtimeclass.node.k8s.io/nvidia\n");
    server.kubectl(&["delete", "node", "server1"]);
    let gone = node.run(&["k3s", "kubectl", "get", "node", "server1"]).unwrap();
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(said, "Error from server (NotFound): nodes \"server1\" not found\n");
}
