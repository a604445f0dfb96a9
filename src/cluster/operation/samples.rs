//! Nodes for tests, how `kubectl` prints them, and actions in words.

use std::collections::BTreeMap;

use serde_json::json;

use super::Action;
use crate::cluster::observe::{Node, Part};

/// The command of an action, or what it is where nothing is run.
pub(crate) fn line(action: &Action) -> String {
    action.command().unwrap_or_else(|| action.title.clone())
}

/// A ready agent.
pub(crate) fn agent(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        part: Part::Agent,
        ready: Ok(()),
        is_cordoned: false,
        version: "v1.34.1+k3s1".to_owned(),
        address: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        gpus: None,
        taints: Vec::new(),
    }
}

/// A ready server whose member of etcd votes.
pub(crate) fn server(name: &str) -> Node {
    Node { part: Part::Voter, ..agent(name) }
}

/// The same node, which is not ready.
pub(crate) fn dead(node: Node) -> Node {
    Node { ready: Err("its kubelet is silent".to_owned()), ..node }
}

/// Nodes as `kubectl get nodes -o json` prints them.
pub(crate) fn list(nodes: &[Node]) -> String {
    let object = |node: &Node| {
        let mut labels = node.labels.clone();
        let roles = match node.part {
            Part::Agent => &[][..],
            Part::Server => &["control-plane"],
            Part::Learner | Part::Voter => &["control-plane", "etcd"],
        };
        labels
            .extend(roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), "true".to_owned())));
        let condition =
            |name: &str, is_so: bool| json!({"type": name, "status": if is_so { "True" } else { "False" }});
        let taint = |text: &String| {
            let (pair, effect) = text.rsplit_once(':').unwrap();
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({"key": key, "value": value, "effect": effect})
        };
        let addresses: Vec<_> =
            node.address.iter().map(|address| json!({"type": "InternalIP", "address": address})).collect();
        json!({
            "metadata": {"name": node.name, "labels": labels, "annotations": node.annotations},
            "spec": {
                "unschedulable": node.is_cordoned,
                "taints": node.taints.iter().map(taint).collect::<Vec<_>>(),
            },
            "status": {
                "conditions": [
                    condition("Ready", node.ready.is_ok()),
                    condition("EtcdIsVoter", node.part == Part::Voter),
                ],
                "addresses": addresses,
                "nodeInfo": {"kubeletVersion": node.version},
            },
        })
    };
    json!({"items": nodes.iter().map(object).collect::<Vec<_>>()}).to_string()
}
