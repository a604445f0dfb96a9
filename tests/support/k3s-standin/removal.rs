//! How nodes leave the cluster: what the leader does when a Node was deleted, and when somebody asks it to remove a
//! member of etcd.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cluster::{self, Cluster};
use super::kubernetes::Place;
use super::{log, members};

/// Asks for the removal of the member.
const REMOVE: &str = "etcd.k3s.cattle.io/remove";
/// Says which member was removed.
const REMOVED: &str = "etcd.k3s.cattle.io/removed-node-name";
/// The member of the node.
pub const MEMBER: &str = "etcd.k3s.cattle.io/node-name";
/// Its address.
pub const ADDRESS: &str = "etcd.k3s.cattle.io/node-address";
/// How long after the Node its secret goes: it is never at once.
const DELAY: SignedDuration = SignedDuration::from_secs(1);

/// Remembers that what belongs to this Node has to go, which was just deleted.
pub fn after_deletion(cluster: &Cluster, node: &Value) {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let has_etcd = node["metadata"]["labels"]["node-role.kubernetes.io/etcd"] == "true";
    let annotations = &node["metadata"]["annotations"];
    // Without the annotations nobody knows which member it was, and the member stays.
    let is_known = has_etcd && annotations[ADDRESS].is_string();
    let member = if is_known { annotations[MEMBER].clone() } else { Value::Null };
    let due = Timestamp::now() + DELAY;
    cluster
        .datastore
        .put(&removals().named(name), json!({"metadata": {"name": name}, "member": member, "due": due}));
}

/// What is to be done now. Says whether the members have changed.
pub fn run(cluster: &Cluster) -> bool {
    let requested =
        cluster.datastore.list(&Place::of_word("nodes", None)).iter().any(|node| answer(cluster, node));
    let due = cluster.datastore.list(&removals());
    let due = due.iter().filter(|removal| removal["due"].as_str() <= Some(&Timestamp::now().to_string()));
    due.fold(requested, |changed, removal| finish(cluster, removal) || changed)
}

fn finish(cluster: &Cluster, removal: &Value) -> bool {
    let node = removal["metadata"]["name"].as_str().unwrap_or_default();
    let removed = removal["member"].as_str().map(|member| members::remove(cluster, member));
    if let Some(Err(error)) = &removed {
        log::error(&format!("Failed to remove etcd member of node {node}: {error}"));
    }
    cluster.datastore.delete(&cluster::password_place(node));
    cluster.datastore.delete(&removals().named(node));
    matches!(removed, Some(Ok(())))
}

/// Does what the annotations of a node ask for.
fn answer(cluster: &Cluster, node: &Value) -> bool {
    let annotations = &node["metadata"]["annotations"];
    let place = Place::of_word("nodes", None).named(node["metadata"]["name"].as_str().unwrap_or_default());
    let annotate =
        |changes: Value| cluster.datastore.patch(&place, &json!({"metadata": {"annotations": changes}}));
    let (Some(member), removed) = (annotations[MEMBER].as_str(), &annotations[REMOVED]) else { return false };
    if removed.is_string() && removed != member {
        // It has come back under another name.
        annotate(json!({REMOVE: null, REMOVED: null}));
        return false;
    }
    if annotations[REMOVE] != "true" {
        return false;
    }
    match members::remove(cluster, member) {
        Ok(()) => {
            log::info(&format!("Removed etcd member {member}"));
            annotate(json!({REMOVED: member, MEMBER: null, ADDRESS: null}));
            true
        }
        Err(error) => {
            log::error(&format!("etcd member {member} is not removed: {error}"));
            annotate(json!({REMOVE: null}));
            false
        }
    }
}

fn removals() -> Place {
    Place {
        group_version: members::GROUP.to_owned(),
        namespace: None,
        plural: "removals".to_owned(),
        name: None,
    }
}
