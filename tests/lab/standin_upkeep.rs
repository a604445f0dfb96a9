//! What the stand-in for k3s does in the course of the years: nodes are drained, programs replaced, certificates end.

use serde_json::Value;

use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{Standin, TOKEN, address, agent, joining, program_of, server, write};

/// One pod with a workload, one of every node, one that nobody has made; and a budget that keeps the first.
const WORKLOADS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  \
    template: {metadata: {labels: {app: web}}, spec: {nodeName: agent1, containers: []}}\n---\n\
    apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: each}\nspec:\n  template: {spec: {containers: []}}\n---\n\
    apiVersion: v1\nkind: Pod\nmetadata: {name: alone, namespace: default}\nspec: {nodeName: agent1, containers: []}\n---\n\
    apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec:\n  minAvailable: 1\n  \
    selector: {matchLabels: {app: web}}\n";
const YEAR: i64 = 365 * 24 * 60 * 60;

fn refused(node: &Node, words: &[&str]) -> String {
    let output = node.run(&[&["k3s", "kubectl"], words].concat()).unwrap();
    assert!(!output.status.success(), "{words:?} succeeds");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn version(server: &Standin, node: &str) -> String {
    server.kubectl(&["get", "node", node, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}"])
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nodes_are_drained_upgraded_and_given_new_certificates() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("upkeep").unwrap();
    let nodes = lab.nodes_named(&["server1", "agent1"], Release::Bookworm).unwrap();
    let disable = "disable: [coredns, local-storage]\n";
    let server =
        server(&nodes[0], &format!("{}cluster-init: true\ntoken: {TOKEN}\n{disable}", address(&nodes[0])));
    server.start();
    let token = server.server_file("token");
    let agent = agent(&nodes[1], &joining(&nodes[1], &nodes[0], &token));
    agent.start();
    server.kubectl(&["wait", "--for=condition=Ready", "node/agent1", "--timeout=30s"]);
    what_is_set_is_not_changed_unasked(&server);
    programs_are_replaced(&server, &agent);
    certificates_end(&server);
}

fn what_is_set_is_not_changed_unasked(server: &Standin) {
    server.kubectl(&["label", "node", "agent1", "zone=a"]);
    let said = refused(server.node, &["label", "node", "agent1", "zone=b"]);
    assert_eq!(said, "error: 'zone' already has a value (a), and --overwrite is false\n");
    server.kubectl(&["label", "--overwrite", "nodes", "agent1", "server1", "zone=b"]);
    assert_eq!(
        server.kubectl(&["get", "nodes", "-l", "zone=b", "-o", "name"]),
        "node/agent1\nnode/server1\n"
    );
    assert_eq!(server.kubectl(&["cordon", "agent1"]), "node/agent1 cordoned\n");
    assert_eq!(server.kubectl(&["cordon", "agent1"]), "node/agent1 already cordoned\n");
    server.kubectl(&["uncordon", "agent1"]);
    drains_wait_for_budgets(server);
}

fn drains_wait_for_budgets(server: &Standin) {
    write(server.node, "/root/workloads.yaml", WORKLOADS);
    server.kubectl(&["apply", "-f", "/root/workloads.yaml"]);
    server.until("[ $(k3s kubectl get pods -A -o json | grep -c '\"agent1\"') -ge 3 ]");
    let said = refused(server.node, &["drain", "agent1"]);
    for part in
        ["use --ignore-daemonsets to ignore): default/each-agent1", "use --force to override): default/alone"]
    {
        assert!(said.contains(part), "{said}");
    }
    let drain = ["drain", "agent1", "--ignore-daemonsets", "--force", "--delete-emptydir-data"];
    let said = refused(server.node, &[&drain[..], &["--timeout=1s"]].concat());
    assert!(said.contains("as it would violate the pod's disruption budget"), "{said}");
    assert!(said.contains("global timeout reached: 1s"), "{said}");
    server.kubectl(&["delete", "poddisruptionbudgets", "web"]);
    server.kubectl(&["delete", "deployment", "web"]);
    assert!(server.kubectl(&drain).ends_with("node/agent1 drained\n"));
    let left = ["get", "pods", "-A", "--field-selector", "spec.nodeName=agent1", "-o", "name"];
    assert_eq!(server.kubectl(&left), "pod/each-agent1\n");
    server.kubectl(&["uncordon", "agent1"]);
}

/// Servers first: an agent that is newer than its server waits for it.
fn programs_are_replaced(server: &Standin, agent: &Standin) {
    let local = tempfile::tempdir().unwrap();
    let newer = program_of("v1.37.1+k3s1", local.path());
    assert_eq!(
        (version(server, "server1"), version(server, "agent1")),
        ("v1.36.3+k3s1".into(), "v1.36.3+k3s1".into())
    );
    agent.replace_program(&newer);
    assert!(agent.node.shell("k3s --version").unwrap().starts_with("k3s version v1.37.1+k3s1 "));
    agent.stop();
    agent.node.systemctl(&["start", "--no-block", "k3s-agent"]).unwrap();
    let patience = std::time::Duration::from_secs(20);
    agent.node.wait_for_log("k3s-agent", "incompatible down-level server detected", patience).unwrap();
    agent.stop();
    server.replace_program(&newer);
    assert_eq!(version(server, "server1"), "v1.36.3+k3s1", "until it is started again");
    server.restart();
    server.until("k3s kubectl get node server1 | grep -q v1.37.1");
    assert_eq!(version(server, "agent1"), "v1.36.3+k3s1");
    agent.start();
    server.until("k3s kubectl get node agent1 | grep -q v1.37.1");
}

fn certificates_end(server: &Standin) {
    let check = || -> Vec<String> {
        let said = server.node.succeed(&["k3s", "certificate", "check", "-o", "json"]).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        let all = said["Certificates"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["Filename"].as_str().unwrap(), one["Status"].as_str().unwrap()))
            .collect()
    };
    let fine = ["client-admin.crt OK", "serving-kube-apiserver.crt OK", "client-kubelet.crt OK"];
    assert_eq!(check(), fine);
    server.node.succeed(&["k3s", "certificate", "rotate"]).unwrap();
    server.restart();
    assert_eq!(check()[..2], fine[..2]);
    server.node.shell("ls /var/lib/rancher/k3s/server/tls-*/client-admin.crt").unwrap();

    // They were made long ago, and the server was never started again.
    server.stop();
    server.node.succeed(&["k3s", "certificate", "rotate"]).unwrap();
    server.set_environment(&format!("K3S_STANDIN_CLOCK_AHEAD={}\n", -YEAR - 1000));
    server.start();
    assert_eq!(check()[0], "client-admin.crt EXPIRED");
    let said = refused(server.node, &["get", "nodes"]);
    assert!(said.contains("certificate has expired or is not yet valid"), "{said}");
    server.set_environment("");
    server.restart();
    assert_eq!(check()[0], fine[0]);
    server.kubectl(&["get", "nodes"]);
}
