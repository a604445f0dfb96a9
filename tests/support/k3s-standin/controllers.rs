//! What a server does by itself: manifests become objects, workloads become pods, pods get nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubernetes::Place;
use super::manifests::{self, Deployer};
use super::settings::Settings;
use super::{log, members, removal, scheduling, service_accounts};

/// How often everything is looked at. k3s looks at manifests every 15 s; tests should not wait for that.
const INTERVAL: Duration = Duration::from_millis(300);

/// Runs for ever.
pub async fn run(cluster: Arc<Cluster>, settings: Settings) {
    if let Err(error) = manifests::write_packaged(&settings, &cluster) {
        log::error(&format!("Failed to write packaged manifests: {error}"));
    }
    let mut deployer = Deployer::new(&settings.paths.server("manifests"));
    let began = Instant::now();
    loop {
        tokio::time::sleep(INTERVAL).await;
        // One server does it for all, and none does without a quorum.
        if cluster.other_leader().is_some() || !cluster.has_quorum() {
            continue;
        }
        if let Err(error) = deployer.scan(&cluster) {
            log::error(&format!("Failed to process config: {error}"));
        }
        service_accounts::ensure(&cluster, began);
        settle(&cluster, "deployments", settle_deployment);
        settle(&cluster, "daemonsets", settle_daemon_set);
        settle(&cluster, "jobs", settle_job);
        remove_orphans(&cluster);
        members::drop_stalled(&cluster);
        if removal::run(&cluster) {
            // At once: this server may be the one that has to go.
            members::replicate(&cluster).await;
        }
        scheduling::schedule(&cluster);
    }
}

fn settle(cluster: &Cluster, kind: &str, one: impl Fn(&Cluster, &Value)) {
    for workload in cluster.datastore.list(&Place::of_word(kind, None)) {
        one(cluster, &workload);
    }
}

fn settle_deployment(cluster: &Cluster, workload: &Value) {
    let replicas = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    let pods: Vec<Value> = (0..replicas).map(|n| pod(workload, &format!("{name}-{n}"), None)).collect();
    let ready = ensure(cluster, &pods, "Running");
    set_status(
        cluster,
        workload,
        json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready}),
    );
}

fn settle_daemon_set(cluster: &Cluster, workload: &Value) {
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    let nodes = cluster.nodes();
    let pods: Vec<Value> = nodes
        .iter()
        .filter(|node| scheduling::fits(&workload["spec"]["template"], node))
        .filter_map(|node| node["metadata"]["name"].as_str())
        .map(|node| pod(workload, &format!("{name}-{node}"), Some(node)))
        .collect();
    let ready = ensure(cluster, &pods, "Running");
    set_status(cluster, workload, json!({"desiredNumberScheduled": pods.len(), "numberReady": ready}));
}

fn settle_job(cluster: &Cluster, workload: &Value) {
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    let succeeded = ensure(cluster, &[pod(workload, &format!("{name}-0"), None)], "Succeeded");
    let mut status = json!({"succeeded": succeeded});
    if succeeded == 1 {
        status["conditions"] = json!([{"type": "Complete", "status": "True"}]);
    }
    set_status(cluster, workload, status);
}

fn pod(workload: &Value, name: &str, node: Option<&str>) -> Value {
    let template = &workload["spec"]["template"];
    let owner = json!([{"kind": workload["kind"], "name": workload["metadata"]["name"],
        "apiVersion": workload["apiVersion"]}]);
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "status": {"phase": "Pending"},
        "metadata": {"name": name, "namespace": workload["metadata"]["namespace"],
            "labels": template["metadata"]["labels"], "ownerReferences": owner}});
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

/// Makes the pods that are missing; counts those that are in `phase`.
fn ensure(cluster: &Cluster, pods: &[Value], phase: &str) -> usize {
    let places = pods.iter().filter_map(|pod| Some((Place::of_manifest(pod)?, pod)));
    let in_phase = places.filter(|(place, pod)| match cluster.datastore.get(place) {
        Some(existing) => existing["status"]["phase"] == phase,
        None => {
            cluster.datastore.put(place, (*pod).clone());
            false
        }
    });
    in_phase.count()
}

fn set_status(cluster: &Cluster, workload: &Value, status: Value) {
    if let Some(place) = Place::of_manifest(workload)
        && workload["status"] != status
    {
        cluster.datastore.patch(&place, &json!({"status": status}));
    }
}

/// Pods go with the workload they belong to.
fn remove_orphans(cluster: &Cluster) {
    for pod in cluster.datastore.list(&Place::of_word("pods", None)) {
        let owner = &pod["metadata"]["ownerReferences"][0];
        let metadata = json!({"name": owner["name"], "namespace": pod["metadata"]["namespace"]});
        let owner = json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": metadata});
        let (Some(owner), Some(place)) = (Place::of_manifest(&owner), Place::of_manifest(&pod)) else {
            continue;
        };
        if cluster.datastore.get(&owner).is_none() {
            cluster.datastore.delete(&place);
        }
    }
}
