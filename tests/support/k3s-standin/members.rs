//! The members of what stands in for an etcd cluster: every server of one that has `cluster-init`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::agent::CONFIGURATION;
use super::cluster::Cluster;
use super::datastore::Datastore;
use super::kubernetes::Place;
use super::settings::Settings;
use super::supervisor_client::Supervisor;
use super::{Result, log};

/// How often servers ask each other for news.
const INTERVAL: Duration = Duration::from_millis(300);

/// Where a member is told what has changed.
pub const NEWS: &str = "/v1-k3s/stand-in/news";

/// Group and version of what only servers look at.
pub const GROUP: &str = "etcd.stand-in/v1";

/// Where the entry of a member lies among the objects; nobody but servers looks there.
pub fn place(name: &str) -> Place {
    collection().named(name)
}

fn collection() -> Place {
    Place { group_version: GROUP.to_owned(), namespace: None, plural: "members".to_owned(), name: None }
}

/// The entry of a member. The first one votes from the beginning, others once they have caught up.
pub fn entry(name: &str, node: &str, url: &str, is_voter: bool) -> Value {
    let since = Timestamp::now();
    json!({"metadata": {"name": name}, "node": node, "url": url, "voter": is_voter, "since": since})
}

/// That of this server.
pub fn own_entry(settings: &Settings, name: &str, is_voter: bool) -> Value {
    let url = format!("https://{}:{}", settings.node_ip, settings.port);
    entry(name, &settings.node_name, &url, is_voter)
}

/// The URLs of all members, by name.
pub fn all(datastore: &Datastore) -> BTreeMap<String, String> {
    datastore.list(&collection()).iter().filter_map(name_and_url).collect()
}

/// The URLs of those that count for the quorum.
pub fn voters(datastore: &Datastore) -> BTreeMap<String, String> {
    let entries = datastore.list(&collection());
    entries.iter().filter(|entry| entry["voter"] == true).filter_map(name_and_url).collect()
}

/// The nodes of all members, by the names of the members.
pub fn nodes(datastore: &Datastore) -> BTreeMap<String, Value> {
    let entries = datastore.list(&collection());
    let named = entries.iter().filter_map(|entry| Some((entry["metadata"]["name"].as_str()?, entry)));
    named.map(|(name, entry)| (name.to_owned(), entry["node"].clone())).collect()
}

/// Whether the node is a voter.
pub fn is_voter(datastore: &Datastore, node: &str) -> bool {
    datastore.list(&collection()).iter().any(|entry| entry["node"] == node && entry["voter"] == true)
}

fn name_and_url(entry: &Value) -> Option<(String, String)> {
    Some((entry["metadata"]["name"].as_str()?.to_owned(), entry["url"].as_str()?.to_owned()))
}

/// Why a member cannot be added now, in the words of etcd. It is tried again until it can.
pub fn refusal(cluster: &Cluster, name: &str) -> Option<&'static str> {
    let entries = cluster.datastore.list(&collection());
    let mut learners = entries.iter().filter(|entry| entry["voter"] != true);
    if !cluster.has_quorum() {
        return Some("etcdserver: unhealthy cluster");
    }
    let is_taken = learners.any(|learner| learner["metadata"]["name"] != name);
    is_taken.then_some("etcdserver: too many learner members in cluster")
}

/// Removes a member. What is left has to be able to go on without it. One that is none, such as after a reset, is gone.
pub fn remove(cluster: &Cluster, name: &str) -> std::result::Result<(), &'static str> {
    let voters = voters(&cluster.datastore);
    let left = voters.keys().filter(|voter| *voter != name);
    let (count, there) = (left.clone().count(), left.filter(|voter| cluster.is_there(voter)).count());
    if voters.contains_key(name) && count == 0 {
        return Err("a sole member cannot be removed");
    }
    if there <= count / 2 {
        return Err("etcdserver: re-configuration failed due to not enough started members");
    }
    cluster.datastore.delete(&place(name));
    Ok(())
}

/// Drops learners that have not caught up in time.
pub fn drop_stalled(cluster: &Cluster) {
    for learner in cluster.datastore.list(&collection()).iter().filter(|entry| entry["voter"] != true) {
        let since: Option<Timestamp> = learner["since"].as_str().and_then(|since| since.parse().ok());
        let waited = since.map(|since| Timestamp::now().duration_since(since));
        let name = learner["metadata"]["name"].as_str().unwrap_or_default();
        if waited.is_some_and(|waited| waited > cluster.patience.learner) {
            log::error(&format!("Failed to promote learner {name}: it has made no progress and is removed"));
            cluster.datastore.delete(&place(name));
        }
    }
}

/// Why a server is no member any more.
pub enum Ended {
    /// The others have removed it.
    Removed,
    /// The cluster was reset without it; these are its members now.
    Reset(BTreeMap<String, String>),
}

/// Asks the other members who is there and who knows more, until this server is no member any more.
pub async fn run(cluster: &Cluster) -> Ended {
    let mut had_quorum = true;
    loop {
        for (name, url) in all(&cluster.datastore) {
            if name != cluster.name {
                let exchanged = exchange(cluster, &url).await;
                cluster.set_reachable(&name, matches!(exchanged, Ok(None)));
                if let (Ok(Some(members)), false) = (exchanged, cluster.has_quorum()) {
                    return Ended::Reset(members);
                }
            }
        }
        if cluster.has_etcd && !all(&cluster.datastore).contains_key(&cluster.name) {
            return Ended::Removed;
        }
        if cluster.has_quorum() != had_quorum {
            had_quorum = !had_quorum;
            log::info(if had_quorum { "Connection to etcd is ready" } else { "etcd has lost its quorum" });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Tells all members that are there what this one has changed, before it says so: what a client was told must not go
/// with the leader. One that does not answer is found by [`run`].
pub async fn replicate(cluster: &Cluster) {
    let state = cluster.state();
    for (name, url) in all(&cluster.datastore) {
        if cluster.is_reachable(&name)
            && let Ok(peer) = peer(cluster, &url)
            && let Err(error) = peer.call(Method::PUT, NEWS, Some(&state)).await
        {
            log::error(&format!("failed to replicate to {name}: {error}"));
        }
    }
}

/// Takes over what another member knows better. If that is a member of another cluster, gives its members.
pub async fn exchange(cluster: &Cluster, url: &str) -> Result<Option<BTreeMap<String, String>>> {
    let peer = peer(cluster, url)?;
    let state = peer.call(Method::GET, "/v1-k3s/stand-in/state", None).await?.unwrap_or_default();
    if cluster.adopt(&state)? {
        return Ok(None);
    }
    let objects = state["objects"].as_object().into_iter().flatten();
    let members = objects.filter(|(path, _)| path.starts_with(&collection().path()));
    Ok(Some(members.filter_map(|(_, entry)| name_and_url(entry)).collect()))
}

/// Lets another member make a change, and takes the outcome over. `None` if there is no such object.
pub async fn forward(
    cluster: &Cluster,
    url: &str,
    method: Method,
    path: &str,
    object: &Value,
) -> Result<Option<Value>> {
    let answer = peer(cluster, url)?.call(method, path, Some(object)).await?;
    exchange(cluster, url).await?;
    Ok(answer)
}

/// Lets the leader remember the password of a node, or refuse it. The error is what it has said.
pub async fn introduce(cluster: &Cluster, leader: &str, node: &str, password: &str) -> Result<()> {
    peer(cluster, leader)?.given(CONFIGURATION, node, password).await?;
    exchange(cluster, leader).await.map(drop)
}

fn peer(cluster: &Cluster, url: &str) -> Result<Supervisor> {
    let authority = fs_err::read(cluster.paths.server("tls/server-ca.crt"))?;
    Supervisor::known(url, &authority, &cluster.credentials.server)
}
