//! Pods as far as it matters whether they may leave (Kubernetes API, `Pod`).

use serde::Deserialize;

use crate::cluster::remote::{self, Command, Remote};
use crate::error::Result;

/// The annotation of pods that a kubelet makes from its own files.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node that it runs on.
    pub node: String,
    /// Whether it is on every node anyway.
    pub is_of_daemon_set: bool,
    /// Whether the kubelet makes it from a file.
    pub is_mirror: bool,
    /// Whether it has run to its end.
    pub is_finished: bool,
    /// Whether nobody makes it again.
    pub is_alone: bool,
    /// Whether it keeps data that go with it.
    pub has_empty_dir: bool,
}

impl Pod {
    /// Asks a server for all pods.
    ///
    /// # Errors
    /// Those of [`remote::ask`].
    pub fn all(remote: &dyn Remote) -> Result<Vec<Pod>> {
        let words = ["kubectl", "get", "pods", "--all-namespaces", "-o", "json"];
        let list: List = remote::ask(remote, Command::k3s(words))?;
        Ok(list.items.into_iter().map(Item::into_pod).collect())
    }

    /// Whether a drain makes it leave.
    pub fn leaves(&self) -> bool {
        !self.is_of_daemon_set && !self.is_mirror && !self.is_finished
    }

    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The pods of a node.
pub fn of_node<'a>(pods: &'a [Pod], node: &'a str) -> impl Iterator<Item = &'a Pod> {
    pods.iter().filter(move |pod| pod.node == node)
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    #[serde(default)]
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: String,
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    empty_dir: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

impl Item {
    fn into_pod(self) -> Pod {
        let Item { metadata, spec, status } = self;
        let owner = metadata.owner_references.iter().find(|owner| owner.controller);
        let is_mirror = metadata.annotations.contains_key(MIRROR);
        Pod {
            is_of_daemon_set: owner.is_some_and(|owner| owner.kind == "DaemonSet"),
            is_mirror,
            is_finished: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
            is_alone: owner.is_none() && !is_mirror,
            has_empty_dir: spec.volumes.iter().any(|volume| volume.empty_dir.is_some()),
            namespace: metadata.namespace,
            name: metadata.name,
            node: spec.node_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::remote::tests::Scripted;

    #[test]
    fn who_makes_a_pod_again_is_its_controller() {
        let json = r#"{"items": [
            {"metadata": {"name": "dns", "namespace": "kube-system", "ownerReferences": [{"kind": "DaemonSet", "controller": true}]},
             "spec": {"nodeName": "a1"}, "status": {"phase": "Running"}},
            {"metadata": {"name": "db", "namespace": "x", "ownerReferences": [{"kind": "StatefulSet", "controller": true}]},
             "spec": {"nodeName": "a1", "volumes": [{"name": "t", "emptyDir": {}}, {"name": "c", "configMap": {}}]}},
            {"metadata": {"name": "job", "ownerReferences": [{"kind": "Thing"}]}, "status": {"phase": "Succeeded"}},
            {"metadata": {"name": "static", "annotations": {"kubernetes.io/config.mirror": "x"}}}]}"#;
        let [dns, db, job, mirror] =
            Pod::all(&Scripted::default().with("k3s kubectl get pods", json)).unwrap().try_into().unwrap();
        assert!(!dns.leaves() && !dns.is_alone && db.leaves() && db.has_empty_dir && !db.is_alone);
        assert!(job.is_alone && !job.leaves() && !mirror.leaves() && !mirror.is_alone);
        assert_eq!(of_node(&[dns, db, job, mirror], "a1").count(), 2);
    }
}
