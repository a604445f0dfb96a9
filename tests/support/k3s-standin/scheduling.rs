//! Which pod goes to which node: readiness, cordons, taints and selectors. Nothing is ever full.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubernetes::Place;

/// Gives every pod without a node the first one that fits.
pub fn schedule(cluster: &Cluster) {
    let nodes = cluster.nodes();
    for pod in cluster.datastore.list(&Place::of_word("pods", None)) {
        if pod["spec"]["nodeName"].is_string() {
            continue;
        }
        let node = nodes.iter().find(|node| is_open(node) && fits(&pod, node));
        if let (Some(node), Some(place)) = (node, Place::of_manifest(&pod)) {
            cluster.datastore.patch(&place, &json!({"spec": {"nodeName": node["metadata"]["name"]}}));
        }
    }
}

fn is_open(node: &Value) -> bool {
    node["status"]["conditions"][0]["status"] == "True" && node["spec"]["unschedulable"] != true
}

/// Whether the pod selects the node and tolerates its taints.
pub fn fits(pod: &Value, node: &Value) -> bool {
    let selector = pod["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let mut selector = selector.map(|(key, value)| node["metadata"]["labels"][key] == *value);
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let mut hard = taints.filter(|taint| taint["effect"] != "PreferNoSchedule");
    selector.all(|matches| matches) && hard.all(|taint| tolerates(pod, taint))
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    let mut tolerations = pod["spec"]["tolerations"].as_array().into_iter().flatten();
    tolerations.any(|toleration| {
        let any_key = toleration["key"].is_null() && toleration["operator"] == "Exists";
        let same_key = toleration["key"] == taint["key"];
        let same_value = toleration["operator"] == "Exists" || toleration["value"] == taint["value"];
        let same_effect = toleration["effect"].is_null() || toleration["effect"] == taint["effect"];
        any_key && same_effect || same_key && same_value && same_effect
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_taints_keep_pods_away() {
        let node = json!({"metadata": {"labels": {"gpu": "yes"}},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]}});
        let tolerant = json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]);
        let fits = |spec: Value| fits(&json!({"spec": spec}), &node);
        assert!(!fits(json!({})));
        assert!(fits(json!({"tolerations": tolerant})));
        assert!(fits(json!({"tolerations": [{"operator": "Exists"}]})));
        assert!(!fits(json!({"tolerations": [{"key": "nvidia.com/gpu", "value": "other"}]})));
        assert!(fits(json!({"tolerations": tolerant, "nodeSelector": {"gpu": "yes"}})));
        assert!(!fits(json!({"tolerations": tolerant, "nodeSelector": {"gpu": "no"}})));
    }
}
