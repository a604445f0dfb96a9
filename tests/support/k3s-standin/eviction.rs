//! Evictions, by which `kubectl drain` sends pods away: a PodDisruptionBudget may speak against one.

use serde_json::Value;

use super::cluster::Cluster;
use super::kubernetes::Place;

/// As the API says it.
const REFUSAL: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Why the pod at this place may not go now. Budgets are compared by labels and whole numbers; percentages are not known.
pub fn refusal(cluster: &Cluster, pod: &Place) -> Option<&'static str> {
    let labels = cluster.datastore.get(pod)?["metadata"]["labels"].clone();
    let budgets = cluster.datastore.list(&Place::of_word("poddisruptionbudgets", pod.namespace.as_deref()));
    let mut own = budgets.iter().filter(|budget| selects(budget, &labels));
    let pods = cluster.datastore.list(&Place::of_word("pods", pod.namespace.as_deref()));
    own.any(|budget| allowed(budget, &pods) <= 0).then_some(REFUSAL)
}

/// How many pods of a budget may go.
fn allowed(budget: &Value, pods: &[Value]) -> i64 {
    let own = pods.iter().filter(|pod| selects(budget, &pod["metadata"]["labels"]));
    let healthy = own.clone().filter(|pod| pod["status"]["phase"] == "Running").count();
    let (healthy, all) =
        (i64::try_from(healthy).unwrap_or_default(), i64::try_from(own.count()).unwrap_or_default());
    match (budget["spec"]["minAvailable"].as_i64(), budget["spec"]["maxUnavailable"].as_i64()) {
        (Some(least), _) => healthy - least,
        (None, Some(most)) => most - (all - healthy),
        (None, None) => 0,
    }
}

fn selects(budget: &Value, labels: &Value) -> bool {
    let wanted = budget["spec"]["selector"]["matchLabels"].as_object();
    wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_budget_counts_the_pods_that_run() {
        let pod = |phase: &str| json!({"metadata": {"labels": {"app": "web"}}, "status": {"phase": phase}});
        let budget = |spec: Value| json!({"spec": spec});
        let selector = json!({"matchLabels": {"app": "web"}});
        let least = budget(json!({"minAvailable": 1, "selector": selector}));
        let most = budget(json!({"maxUnavailable": 1, "selector": selector}));
        let (one, two) = ([pod("Running"), pod("Pending")], [pod("Running"), pod("Running")]);
        assert_eq!((allowed(&least, &one), allowed(&least, &two)), (0, 1));
        assert_eq!((allowed(&most, &one), allowed(&most, &two)), (0, 1));
        assert!(!selects(&least, &json!({"app": "db"})));
    }
}
