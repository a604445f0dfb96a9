//! What a server knows of its cluster: the objects, who may join, and which nodes have been heard of lately.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use serde_json::{Value, json};

use super::credentials::Credentials;
use super::datastore::Datastore;
use super::kubernetes::Place;
use super::paths::Paths;

/// How long a node counts as ready after it was heard of. Kubernetes waits 40 s; tests should not.
const LEASE: Duration = Duration::from_secs(5);
/// What agents say when their name belongs to somebody else.
const PASSWORD_REJECTED: &str = "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' \
    may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag";

/// The cluster, as one server sees it.
pub struct Cluster {
    pub datastore: Datastore,
    pub credentials: Credentials,
    pub paths: Paths,
    leases: Mutex<HashMap<String, Instant>>,
}

impl Cluster {
    /// A cluster with these objects.
    pub fn new(datastore: Datastore, credentials: Credentials, paths: Paths) -> Cluster {
        Cluster { datastore, credentials, paths, leases: Mutex::default() }
    }

    /// Takes note that a node is alive.
    pub fn renew_lease(&self, node: &str) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), Instant::now());
    }

    /// All nodes, each with the condition it is in now.
    pub fn nodes(&self) -> Vec<Value> {
        let nodes = self.datastore.list(&Place::of_word("nodes", None));
        nodes.into_iter().map(|node| self.with_conditions(node)).collect()
    }

    /// The node with the condition it is in now.
    pub fn with_conditions(&self, mut node: Value) -> Value {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alive = leases.get(name).is_some_and(|renewed| renewed.elapsed() < LEASE);
        let (status, reason, message) = if is_alive {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        };
        let mut conditions =
            vec![json!({"type": "Ready", "status": status, "reason": reason, "message": message})];
        if node["metadata"]["labels"]["node-role.kubernetes.io/etcd"] == "true" {
            conditions.push(json!({"type": "EtcdIsVoter", "status": "True", "reason": "MemberNotLearner",
                "message": "Node is a voting member of the etcd cluster"}));
        }
        node["status"]["conditions"] = json!(conditions);
        node
    }

    /// Remembers the password of a new name; refuses another one for a name that is taken.
    pub fn check_node_password(&self, node: &str, password: &str) -> Result<(), &'static str> {
        let place = password_place(node);
        let hash = Digest::of(password.as_bytes()).hex();
        match self.datastore.get(&place) {
            Some(secret) if secret["data"]["hash"] != hash.as_str() => Err(PASSWORD_REJECTED),
            Some(_) => Ok(()),
            None => {
                let name = place.name.as_deref().unwrap_or_default();
                let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "k3s.cattle.io/node-password",
                    "metadata": {"name": name}, "data": {"hash": hash}});
                self.datastore.put(&place, secret);
                Ok(())
            }
        }
    }

    /// Forgets the password of a node that was deleted.
    pub fn forget_node(&self, node: &str) {
        self.datastore.delete(&password_place(node));
    }
}

fn password_place(node: &str) -> Place {
    Place::of_word("secrets", Some("kube-system")).named(&format!("{node}.node-password.k3s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(directory: &std::path::Path) -> Cluster {
        let datastore = Datastore::open(&directory.join("state.db")).unwrap();
        let credentials = Credentials { server: "s".to_owned(), node: "n".to_owned() };
        Cluster::new(datastore, credentials, Paths::new("/nowhere"))
    }

    #[test]
    fn a_name_belongs_to_its_password_until_the_node_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let cluster = cluster(directory.path());
        assert_eq!(cluster.check_node_password("agent1", "first"), Ok(()));
        assert_eq!(cluster.check_node_password("agent1", "first"), Ok(()));
        let refused = cluster.check_node_password("agent1", "second").unwrap_err();
        assert!(
            refused.starts_with("Node password rejected, duplicate hostname or contents of"),
            "{refused}"
        );
        cluster.forget_node("agent1");
        assert_eq!(cluster.check_node_password("agent1", "second"), Ok(()));
    }

    #[test]
    fn a_node_is_ready_while_it_is_heard_of() {
        let directory = tempfile::tempdir().unwrap();
        let cluster = cluster(directory.path());
        let node = json!({"metadata": {"name": "agent1", "labels": {}}});
        let ready = |cluster: &Cluster| {
            cluster.with_conditions(node.clone())["status"]["conditions"][0]["status"].clone()
        };
        assert_eq!(ready(&cluster), "Unknown");
        cluster.renew_lease("agent1");
        assert_eq!(ready(&cluster), "True");
    }
}
