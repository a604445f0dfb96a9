//! The nodes of a cluster as one of its servers sees them: `k3s kubectl get nodes -o json`.

mod gpus;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

pub use self::gpus::Gpus;
use super::remote::{self, Command, Remote};
use crate::error::Result;

/// Label of nodes that run the control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Label of nodes with a member of the datastore (`k3s.md` 4.1).
const ETCD: &str = "node-role.kubernetes.io/etcd";

/// Annotation with the name of its member of etcd (`gpu-and-ha.md` 2.4).
const MEMBER: &str = "etcd.k3s.cattle.io/node-name";

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is for the datastore and the control plane.
    pub part: Part,
    /// Whether it is `Ready`; why not, if it is not.
    pub ready: Result<(), String>,
    /// Whether no new pods are put on it.
    pub is_cordoned: bool,
    /// Version of its kubelet, such as `v1.36.3+k3s1`.
    pub version: String,
    /// Its address inside the cluster.
    pub address: Option<IpAddr>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its taints as they are written, `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
    pub taints: Vec<String>,
    /// Its GPUs of NVIDIA, if it has any.
    pub gpus: Option<Gpus>,
}

/// What a node is for the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It runs pods alone.
    Agent,
    /// It runs the control plane, and no member of etcd.
    Server,
    /// It runs the control plane and a member of etcd that does not vote yet, or does not any more.
    Learner,
    /// It runs the control plane and a member of etcd that votes.
    Voter,
}

/// The nodes that a server knows, by name.
///
/// # Errors
/// Those of [`remote::ask`]: the server cannot be reached, its control plane does not answer.
pub fn nodes(server: &dyn Remote) -> Result<Vec<Node>> {
    let list: List = remote::ask(server, Command::k3s(["kubectl", "get", "nodes", "-o", "json"]))?;
    let mut nodes: Vec<Node> = list.items.into_iter().map(Node::from).collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(nodes)
}

impl Node {
    /// Whether it works as what it is: ready, and voting if it has a member of etcd.
    pub fn is_well(&self) -> bool {
        self.ready.is_ok() && self.part != Part::Learner
    }

    /// Name of its member of etcd, as k3s has announced it.
    pub fn member(&self) -> Option<&str> {
        self.annotations.get(MEMBER).map(String::as_str)
    }

    /// What is wrong with it, in words; nothing if it is well.
    pub fn trouble(&self) -> Option<String> {
        match (&self.ready, self.part) {
            (Err(why), _) => Some(format!("{} is not ready: {why}", self.name)),
            (Ok(()), Part::Learner) => {
                Some(format!("the datastore on {} does not vote, it is still catching up", self.name))
            }
            (Ok(()), _) => None,
        }
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<Object>,
}

/// As the API of Kubernetes writes a node (core/v1).
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    unschedulable: bool,
    #[serde(default)]
    taints: Vec<Taint>,
}

#[derive(Deserialize)]
struct Taint {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    node_info: NodeInfo,
    #[serde(default)]
    capacity: BTreeMap<String, String>,
    #[serde(default)]
    allocatable: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    name: String,
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default)]
    kubelet_version: String,
}

impl From<Object> for Node {
    fn from(object: Object) -> Node {
        let Object { metadata, spec, status } = object;
        let internal = status.addresses.iter().find(|address| address.kind == "InternalIP");
        Node {
            part: part(&metadata.labels, &status),
            ready: ready(&status),
            gpus: Gpus::of(&metadata.labels, &status.capacity, &status.allocatable),
            is_cordoned: spec.unschedulable,
            address: internal.and_then(|address| address.address.parse().ok()),
            version: status.node_info.kubelet_version,
            taints: spec.taints.into_iter().map(written).collect(),
            name: metadata.name,
            labels: metadata.labels,
            annotations: metadata.annotations,
        }
    }
}

fn part(labels: &BTreeMap<String, String>, status: &Status) -> Part {
    let votes = status.conditions.iter().any(|one| one.name == "EtcdIsVoter" && one.status == "True");
    match (labels.contains_key(CONTROL_PLANE), labels.contains_key(ETCD), votes) {
        (_, true, true) => Part::Voter,
        (_, true, false) => Part::Learner,
        (true, false, _) => Part::Server,
        (false, false, _) => Part::Agent,
    }
}

fn ready(status: &Status) -> Result<(), String> {
    match status.conditions.iter().find(|condition| condition.name == "Ready") {
        Some(ready) if ready.status == "True" => Ok(()),
        Some(ready) if ready.message.is_empty() => Err("its kubelet gives no reason".to_owned()),
        Some(ready) => Err(ready.message.clone()),
        None => Err("its kubelet has not reported yet".to_owned()),
    }
}

fn written(Taint { key, value, effect }: Taint) -> String {
    match value.as_str() {
        "" => format!("{key}:{effect}"),
        value => format!("{key}={value}:{effect}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::remote::tests::Scripted;

    /// What kubectl prints for these nodes: their names, with `!` before one that is not ready, `~` before a learner;
    /// those that begin with `s` are servers.
    pub(crate) fn list(names: &[&str]) -> String {
        let items: Vec<Value> = names.iter().map(|name| object(name)).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    }

    fn object(name: &str) -> Value {
        let (is_ready, votes) = (!name.starts_with('!'), !name.starts_with('~'));
        let name = name.trim_start_matches(['!', '~']);
        let status = |is_so: bool| if is_so { "True" } else { "False" };
        let mut conditions =
            vec![json!({"type": "Ready", "status": status(is_ready), "message": "kubelet is posting"})];
        let mut labels = json!({"kubernetes.io/hostname": name});
        if name.starts_with('s') {
            labels[CONTROL_PLANE] = json!("true");
            labels[ETCD] = json!("true");
            conditions.push(json!({"type": "EtcdIsVoter", "status": status(votes)}));
        }
        json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
            "status": {
                "conditions": conditions,
                "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.36.3+k3s1"},
            },
        })
    }

    #[test]
    fn nodes_are_told_as_what_they_are() {
        let output = list(&["s1", "~s2", "!w1", "w2"]);
        let server = Scripted::default().with("k3s kubectl get nodes", &output);
        let nodes = nodes(&server).unwrap();
        let parts: Vec<Part> = nodes.iter().map(|node| node.part).collect();
        assert_eq!(parts, [Part::Voter, Part::Learner, Part::Agent, Part::Agent]);
        let well: Vec<bool> = nodes.iter().map(Node::is_well).collect();
        assert_eq!(well, [true, false, false, true]);
        assert_eq!(nodes[2].trouble().unwrap(), "w1 is not ready: kubelet is posting");
        let Node { version, address, taints, .. } = &nodes[0];
        assert_eq!((version.as_str(), address.unwrap().to_string()), ("v1.36.3+k3s1", "10.0.0.1".to_owned()));
        assert_eq!(taints, &["gpu=yes:NoSchedule"]);
    }

    #[test]
    fn a_node_that_has_just_registered_says_little() {
        let output = r#"{"items": [{"metadata": {"name": "w1"}}]}"#;
        let server = Scripted::default().with("k3s kubectl get nodes", output);
        let node = nodes(&server).unwrap().remove(0);
        assert_eq!((node.part, node.is_cordoned), (Part::Agent, false));
        assert!(node.ready.unwrap_err().contains("not reported"));
    }
}
