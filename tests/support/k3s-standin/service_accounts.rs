//! The account `default` of every namespace, under which pods run: a controller makes it, a while after the nodes are
//! ready, and until then the API takes no pod (admission plugin `ServiceAccount`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubernetes::Place;

/// How long the controller of a server that has just started needs. It was seen to be several seconds.
const BEGINNING: Duration = Duration::from_secs(2);
/// Those that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Makes those that are missing, unless the server began just now.
pub fn ensure(cluster: &Cluster, began: Instant) {
    if began.elapsed() < BEGINNING {
        return;
    }
    for namespace in NAMESPACES {
        let place = account(namespace);
        if cluster.datastore.get(&place).is_none() {
            let metadata = json!({"name": "default", "namespace": namespace});
            cluster
                .datastore
                .put(&place, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
        }
    }
}

/// Why this pod may not be made yet.
pub fn refusal(cluster: &Cluster, pods: &Place, pod: &Value) -> Option<String> {
    let namespace = pods.namespace.as_deref().filter(|_| pods.plural == "pods")?;
    let name = pod["metadata"]["name"].as_str()?;
    cluster.datastore.get(&account(namespace)).is_none().then(|| {
        format!(
            "pods \"{name}\" is forbidden: error looking up service account {namespace}/default: serviceaccount \
             \"default\" not found"
        )
    })
}

fn account(namespace: &str) -> Place {
    Place::of_word("serviceaccounts", Some(namespace)).named("default")
}
