//! The members of what stands in for an etcd cluster: every server of one that has `cluster-init`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::agent::CONFIGURATION;
use super::cluster::Cluster;
use super::datastore::Datastore;
use super::kubernetes::Place;
use super::supervisor_client::Supervisor;
use super::{Result, log};

/// How often servers ask each other for news.
const INTERVAL: Duration = Duration::from_millis(300);

/// Where a member is told what has changed.
pub const NEWS: &str = "/v1-k3s/stand-in/news";

/// Where the entry of a member lies among the objects; nobody but servers looks there.
pub fn place(name: &str) -> Place {
    collection().named(name)
}

fn collection() -> Place {
    let (group_version, plural) = ("etcd.stand-in/v1".to_owned(), "members".to_owned());
    Place { group_version, namespace: None, plural, name: None }
}

/// The entry of a member. The first one votes from the beginning, others once they have caught up.
pub fn entry(name: &str, url: &str, is_voter: bool) -> Value {
    json!({"metadata": {"name": name}, "url": url, "voter": is_voter})
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

fn name_and_url(entry: &Value) -> Option<(String, String)> {
    Some((entry["metadata"]["name"].as_str()?.to_owned(), entry["url"].as_str()?.to_owned()))
}

/// Asks the other members for ever: who is there, and who knows more.
pub async fn run(cluster: &Cluster) {
    let mut had_quorum = true;
    loop {
        for (name, url) in all(&cluster.datastore) {
            if name != cluster.name {
                let is_there = exchange(cluster, &url).await.is_ok();
                cluster.set_reachable(&name, is_there);
            }
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

/// Takes over what another member knows better.
pub async fn exchange(cluster: &Cluster, url: &str) -> Result<()> {
    let peer = peer(cluster, url)?;
    let state = peer.call(Method::GET, "/v1-k3s/stand-in/state", None).await?.unwrap_or_default();
    cluster.adopt(&state)
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
    exchange(cluster, leader).await
}

fn peer(cluster: &Cluster, url: &str) -> Result<Supervisor> {
    let authority = fs_err::read(cluster.paths.server("tls/server-ca.crt"))?;
    Supervisor::known(url, &authority, &cluster.credentials.server)
}
