//! The nodes of a cluster as one of its servers sees them: `kubectl get nodes -o json`, typed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::remote::{self, Command, Remote};
use crate::error::Result;

/// A node of the cluster (Kubernetes API, `Node`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether its condition `Ready` is true.
    pub is_ready: bool,
    /// What it is.
    pub roles: Roles,
    /// Whether its member of etcd votes (condition `EtcdIsVoter`); nothing where it has none, or has said nothing.
    pub etcd_voter: Option<bool>,
    /// Version of its k3s: `v1.34.1+k3s1`.
    pub kubelet_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints, as kubectl takes them: `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
    pub taints: Vec<String>,
    /// Whether new pods stay away from it (cordoned).
    pub unschedulable: bool,
    /// Its address for other nodes.
    pub internal_ip: Option<IpAddr>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What a node is, by its labels `node-role.kubernetes.io/…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Roles {
    /// It runs the control plane.
    pub control_plane: bool,
    /// It has a member of etcd.
    pub etcd: bool,
}

/// Asks a server for the nodes of its cluster, in the order of their names.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn members(remote: &dyn Remote) -> Result<Vec<Member>> {
    let list: List = remote::ask(remote, Command::k3s(["kubectl", "get", "nodes", "-o", "json"]))?;
    let mut members: Vec<Member> = list.items.into_iter().map(Node::into_member).collect();
    members.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(members)
}

#[derive(Deserialize)]
struct List {
    items: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
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
#[serde(default)]
struct Spec {
    unschedulable: bool,
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
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Vec<Condition>,
    addresses: Vec<Address>,
    node_info: NodeInfo,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Deserialize)]
struct Address {
    r#type: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    kubelet_version: String,
}

impl Node {
    fn into_member(self) -> Member {
        let Node { metadata, spec, status } = self;
        let condition = |name: &str| {
            let found = status.conditions.iter().find(|condition| condition.r#type == name);
            found.map(|condition| condition.status == "True")
        };
        let has_role = |role: &str| metadata.labels.contains_key(&format!("node-role.kubernetes.io/{role}"));
        let internal = status.addresses.iter().find(|address| address.r#type == "InternalIP");
        Member {
            is_ready: condition("Ready") == Some(true),
            roles: Roles { control_plane: has_role("control-plane"), etcd: has_role("etcd") },
            etcd_voter: condition("EtcdIsVoter"),
            kubelet_version: status.node_info.kubelet_version,
            taints: spec.taints.into_iter().map(Taint::into_text).collect(),
            unschedulable: spec.unschedulable,
            internal_ip: internal.and_then(|address| address.address.parse().ok()),
            name: metadata.name,
            labels: metadata.labels,
            annotations: metadata.annotations,
        }
    }
}

impl Taint {
    fn into_text(self) -> String {
        let Taint { key, value, effect } = self;
        if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cluster::remote::tests::Scripted;

    /// A ready agent.
    pub(crate) fn agent(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            is_ready: true,
            kubelet_version: "v1.34.1+k3s1".to_owned(),
            ..Member::default()
        }
    }

    /// A ready server whose member of etcd votes.
    pub(crate) fn server(name: &str) -> Member {
        let roles = Roles { control_plane: true, etcd: true };
        Member { roles, etcd_voter: Some(true), ..agent(name) }
    }

    /// The same member, which is not ready.
    pub(crate) fn dead(member: Member) -> Member {
        Member { is_ready: false, ..member }
    }

    /// Members as `kubectl get nodes -o json` prints them.
    pub(crate) fn list(members: &[Member]) -> String {
        let condition = |name: &str, is: bool| serde_json::json!({"type": name, "status": if is { "True" } else { "False" }});
        let node = |member: &Member| {
            let mut labels = member.labels.clone();
            for (role, has) in [("control-plane", member.roles.control_plane), ("etcd", member.roles.etcd)] {
                if has {
                    labels.insert(format!("node-role.kubernetes.io/{role}"), "true".to_owned());
                }
            }
            let mut conditions = vec![condition("Ready", member.is_ready)];
            conditions.extend(member.etcd_voter.map(|votes| condition("EtcdIsVoter", votes)));
            let taint = |text: &String| {
                let (pair, effect) = text.rsplit_once(':').unwrap();
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                serde_json::json!({"key": key, "value": value, "effect": effect})
            };
            let address =
                member.internal_ip.map(|ip| serde_json::json!({"type": "InternalIP", "address": ip}));
            serde_json::json!({
                "metadata": {"name": member.name, "labels": labels, "annotations": member.annotations},
                "spec": {
                    "unschedulable": member.unschedulable,
                    "taints": member.taints.iter().map(taint).collect::<Vec<_>>(),
                },
                "status": {
                    "conditions": conditions,
                    "addresses": address.into_iter().collect::<Vec<_>>(),
                    "nodeInfo": {"kubeletVersion": member.kubelet_version},
                },
            })
        };
        serde_json::json!({"items": members.iter().map(node).collect::<Vec<_>>()}).to_string()
    }

    #[test]
    fn a_node_is_what_its_conditions_and_labels_say() {
        let json = r#"{"items": [
            {"metadata": {"name": "s1",
                "labels": {"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/etcd": "true"},
                "annotations": {"etcd.k3s.cattle.io/node-name": "s1-0123abcd"}},
             "spec": {"taints": [{"key": "a", "effect": "NoSchedule"},
                                 {"key": "b", "value": "c", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]},
             "status": {"conditions": [{"type": "EtcdIsVoter", "status": "True"}, {"type": "Ready", "status": "Unknown"}],
                "addresses": [{"type": "Hostname", "address": "s1"}, {"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.34.1+k3s1"}}},
            {"metadata": {"name": "a1"}, "spec": {"unschedulable": true}}]}"#;
        let remote = Scripted::default().with("k3s kubectl get nodes", json);
        let [agent, server] = members(&remote).unwrap().try_into().unwrap();
        assert_eq!((agent.name.as_str(), agent.unschedulable, agent.etcd_voter), ("a1", true, None));
        assert_eq!(server.roles, Roles { control_plane: true, etcd: true });
        assert_eq!((server.is_ready, server.etcd_voter), (false, Some(true)));
        assert_eq!(server.taints, ["a:NoSchedule", "b=c:NoExecute"]);
        assert_eq!(server.internal_ip, Some("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_written_as_a_list_is_read_as_it_was() {
        let mut all = vec![agent("a"), server("s")];
        all[0].taints = vec!["gpu=yes:NoSchedule".to_owned()];
        let remote = Scripted::default().with("k3s kubectl get nodes", &list(&all));
        all[1].labels = members(&remote).unwrap()[1].labels.clone();
        assert_eq!(members(&remote).unwrap(), all);
    }
}
