//! What a server knows of its cluster: the objects, who may join, and which nodes have been heard of lately.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::credentials::Credentials;
use super::datastore::Datastore;
use super::kubernetes::Place;
use super::paths::Paths;
use super::patience::Patience;
use super::{Result, members};

/// What agents say when their name belongs to somebody else.
const PASSWORD_REJECTED: &str = "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' \
    may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag";

/// The cluster, as one server sees it.
pub struct Cluster {
    pub datastore: Datastore,
    pub credentials: Credentials,
    pub paths: Paths,
    /// Of the node of this server.
    pub node: String,
    /// Of this server among the members of etcd; that of the node if it has no etcd.
    pub name: String,
    /// Whether its objects lie in etcd.
    pub has_etcd: bool,
    /// How long it waits for others.
    pub patience: Patience,
    /// What further servers have to agree on; see `join`.
    pub critical: Value,
    leases: Mutex<HashMap<String, Instant>>,
    /// Other members that have answered the last time.
    reachable: Mutex<BTreeSet<String>>,
}

impl Cluster {
    /// A cluster with these objects, seen by the server on `node`, which is the member `name`, if it is one.
    pub fn new(
        datastore: Datastore,
        credentials: Credentials,
        paths: Paths,
        (node, name): (&str, Option<&str>),
        critical: Value,
    ) -> Cluster {
        Cluster {
            datastore,
            credentials,
            paths,
            node: node.to_owned(),
            name: name.unwrap_or(node).to_owned(),
            has_etcd: name.is_some(),
            patience: Patience::default(),
            critical,
            leases: Mutex::default(),
            reachable: Mutex::default(),
        }
    }

    /// Takes note whether another member answers. The first time makes it a voter: until then it is a learner, whose
    /// absence does no harm.
    pub fn set_reachable(&self, member: &str, is_reachable: bool) {
        let mut reachable = locked(&self.reachable);
        let has_changed =
            if is_reachable { reachable.insert(member.to_owned()) } else { reachable.remove(member) };
        drop(reachable);
        if has_changed && is_reachable && self.other_leader().is_none() {
            self.datastore.patch(&members::place(member), &json!({"voter": true}));
        }
    }

    /// Whether another member has answered the last time.
    pub fn is_reachable(&self, member: &str) -> bool {
        locked(&self.reachable).contains(member)
    }

    /// Whether a member is there: this one, or one that has answered the last time.
    pub fn is_there(&self, member: &str) -> bool {
        member == self.name || self.is_reachable(member)
    }

    /// Whether most voters are there. A server without etcd is alone and enough.
    pub fn has_quorum(&self) -> bool {
        let voters = members::voters(&self.datastore);
        let reachable = locked(&self.reachable);
        let there = voters.keys().filter(|name| **name == self.name || reachable.contains(*name)).count();
        voters.is_empty() || there > voters.len() / 2
    }

    /// The URL of the member that makes changes, the first voter by name that is there. `None` if it is this one.
    pub fn other_leader(&self) -> Option<String> {
        let voters = members::voters(&self.datastore);
        let reachable = locked(&self.reachable);
        let mut there = voters.iter().filter(|(name, _)| **name == self.name || reachable.contains(*name));
        let (name, url) = there.next()?;
        (*name != self.name).then(|| url.clone())
    }

    /// All that another member may want to know: the objects, and the milliseconds since nodes were heard of.
    pub fn state(&self) -> Value {
        let leases = locked(&self.leases);
        let leases: HashMap<_, _> =
            leases.iter().map(|(node, heard)| (node, u64::try_from(heard.elapsed().as_millis()))).collect();
        let ages: HashMap<_, _> =
            leases.into_iter().filter_map(|(node, age)| Some((node, age.ok()?))).collect();
        let state = self.datastore.state();
        json!({"revision": state.revision, "objects": state.objects, "cluster": state.cluster, "leases": ages})
    }

    /// Takes over what another member knows better. Says whether it is one of this cluster.
    pub fn adopt(&self, state: &Value) -> Result<bool> {
        if !self.datastore.adopt(serde_json::from_value(state.clone())?) {
            return Ok(false);
        }
        let mut leases = locked(&self.leases);
        for (node, age) in state["leases"].as_object().into_iter().flatten() {
            let heard = Instant::now().checked_sub(Duration::from_millis(age.as_u64().unwrap_or(u64::MAX)));
            if let Some(heard) = heard {
                let known = leases.entry(node.clone()).or_insert(heard);
                *known = heard.max(*known);
            }
        }
        Ok(true)
    }

    /// Takes note that a node is alive.
    pub fn renew_lease(&self, node: &str) {
        locked(&self.leases).insert(node.to_owned(), Instant::now());
    }

    /// Forgets that a node was heard of.
    pub fn end_lease(&self, node: &str) {
        locked(&self.leases).remove(node);
    }

    /// The leases of all nodes, as Kubernetes has them in `kube-node-lease`.
    pub fn leases(&self) -> Vec<Value> {
        let leases = locked(&self.leases);
        let mut nodes: Vec<_> = leases.iter().collect();
        nodes.sort();
        let lease = |(node, heard): (&String, &Instant)| {
            let renewed = Timestamp::now() - SignedDuration::try_from(heard.elapsed()).unwrap_or_default();
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": node, "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": renewed.to_string()}})
        };
        nodes.into_iter().map(lease).collect()
    }

    /// All nodes, each with the condition it is in now.
    pub fn nodes(&self) -> Vec<Value> {
        let nodes = self.datastore.list(&Place::of_word("nodes", None));
        nodes.into_iter().map(|node| self.with_conditions(node)).collect()
    }

    /// The node with the condition it is in now.
    pub fn with_conditions(&self, mut node: Value) -> Value {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let leases = locked(&self.leases);
        let is_alive = leases.get(name).is_some_and(|renewed| renewed.elapsed() < self.patience.lease);
        let (status, reason, message) = if is_alive {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        };
        let mut conditions =
            vec![json!({"type": "Ready", "status": status, "reason": reason, "message": message})];
        if node["metadata"]["labels"]["node-role.kubernetes.io/etcd"] == "true" {
            conditions.push(etcd_condition(members::is_voter(&self.datastore, name)));
        }
        node["status"]["conditions"] = json!(conditions);
        node
    }

    /// Remembers the password of a new name; refuses another one for a name that is taken.
    pub fn check_node_password(&self, node: &str, password: &str) -> std::result::Result<(), &'static str> {
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
}

fn etcd_condition(is_voter: bool) -> Value {
    let (status, reason, message) = if is_voter {
        ("True", "MemberNotLearner", "Node is a voting member of the etcd cluster")
    } else {
        ("False", "MemberIsLearner", "Node has not been promoted to voting member of the etcd cluster")
    };
    json!({"type": "EtcdIsVoter", "status": status, "reason": reason, "message": message})
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the password of a node is remembered.
pub fn password_place(node: &str) -> Place {
    Place::of_word("secrets", Some("kube-system")).named(&format!("{node}.node-password.k3s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(directory: &std::path::Path) -> Cluster {
        let datastore = Datastore::open(&directory.join("state.db")).unwrap();
        let credentials = Credentials { server: "s".to_owned(), node: "n".to_owned() };
        Cluster::new(
            datastore,
            credentials,
            Paths::new("/nowhere"),
            ("server1", Some("server1")),
            Value::Null,
        )
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
        cluster.datastore.delete(&password_place("agent1"));
        assert_eq!(cluster.check_node_password("agent1", "second"), Ok(()));
    }

    #[test]
    fn most_members_have_to_be_there_and_the_first_of_them_leads() {
        let directory = tempfile::tempdir().unwrap();
        let cluster = cluster(directory.path());
        assert!(cluster.has_quorum());
        for name in ["server0", "server1", "server2"] {
            let entry = members::entry(name, name, &format!("https://{name}:6443"), true);
            cluster.datastore.put(&members::place(name), entry);
        }
        assert!(!cluster.has_quorum());
        cluster.set_reachable("server2", true);
        assert!(cluster.has_quorum());
        assert_eq!(cluster.other_leader(), None);
        cluster.set_reachable("server0", true);
        assert_eq!(cluster.other_leader().as_deref(), Some("https://server0:6443"));
        cluster.set_reachable("server0", false);
        cluster.set_reachable("server2", false);
        assert!(!cluster.has_quorum());
        // A learner counts when it was there once.
        for name in ["server0", "server2"] {
            cluster.datastore.delete(&members::place(name));
        }
        let learner = members::entry("server3", "server3", "https://server3:6443", false);
        cluster.datastore.put(&members::place("server3"), learner);
        assert!(cluster.has_quorum());
        cluster.set_reachable("server3", true);
        cluster.set_reachable("server3", false);
        assert!(!cluster.has_quorum());
    }

    #[test]
    fn members_come_one_at_a_time_and_go_while_enough_are_left() {
        let directory = tempfile::tempdir().unwrap();
        let cluster = cluster(directory.path());
        let add = |name: &str, votes| {
            cluster.datastore.put(&members::place(name), members::entry(name, name, "https://x", votes));
        };
        add("server1", true);
        assert_eq!(members::remove(&cluster, "server1"), Err("a sole member cannot be removed"));
        assert_eq!(members::refusal(&cluster, "server2"), None);
        add("server2", false);
        assert_eq!(members::refusal(&cluster, "server2"), None, "it asks again");
        let refusal = members::refusal(&cluster, "server3");
        assert_eq!(refusal, Some("etcdserver: too many learner members in cluster"));
        add("server2", true);
        assert_eq!(members::refusal(&cluster, "server3"), Some("etcdserver: unhealthy cluster"));
        add("server3", true);
        cluster.set_reachable("server2", true);
        let refusal = "etcdserver: re-configuration failed due to not enough started members";
        assert_eq!(members::remove(&cluster, "server2"), Err(refusal));
        assert_eq!(members::remove(&cluster, "server3"), Ok(()));
        assert_eq!(members::remove(&cluster, "server3"), Ok(()), "it is gone already");
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
