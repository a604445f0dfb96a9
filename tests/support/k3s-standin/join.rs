//! How a further server joins: it takes over authorities, passwords and objects, and becomes a member.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::flags::Role;
use super::paths::{Paths, write};
use super::settings::Settings;
use super::supervisor_client::Supervisor;
use super::{Result, etcd, log, members};

/// How often a server asks whether it may be the next learner.
const LEARNER_INTERVAL: Duration = Duration::from_secs(2);
/// What all servers have in common, below `server/`.
const SHARED: &[&str] = &[
    "cred/passwd",
    "tls/client-ca.crt",
    "tls/client-ca.key",
    "tls/request-header-ca.crt",
    "tls/request-header-ca.key",
    "tls/server-ca.crt",
    "tls/server-ca.key",
];
/// Settings that have to be equal on all servers.
const CRITICAL: &[&str] = &[
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "disable-cloud-controller",
    "disable-helm-controller",
    "disable-network-policy",
    "egress-selector-mode",
    "embedded-registry",
    "flannel-backend",
    "flannel-external-ip",
    "flannel-ipv6-masq",
    "secrets-encryption",
    "secrets-encryption-provider",
    "service-cidr",
    "supervisor-metrics",
];

/// The critical settings of a server.
pub fn critical(settings: &Settings) -> Value {
    let mut values: BTreeMap<&str, Value> =
        CRITICAL.iter().map(|flag| (*flag, json!(settings.last(flag)))).collect();
    let without_balancer = settings.all("disable").iter().any(|name| name == "servicelb");
    values.insert("disable-servicelb", json!(without_balancer));
    json!(values)
}

/// What all servers have in common, by its name below `server/`.
pub fn shared_files(cluster: &Cluster) -> Result<BTreeMap<&'static str, String>> {
    let read = |name: &&'static str| Ok((*name, fs_err::read_to_string(cluster.paths.server(name))?));
    SHARED.iter().map(read).collect()
}

/// What a joining server is given.
pub fn bootstrap(cluster: &Cluster) -> Result<Value> {
    let members = members::nodes(&cluster.datastore);
    Ok(
        json!({"files": shared_files(cluster)?, "critical": cluster.critical, "members": members, "state": cluster.state()}),
    )
}

/// Joins the cluster of `url`. The disk has afterwards what the first server has.
pub async fn join(settings: &Settings, url: &str) -> Result<()> {
    let token = settings.token.as_deref().ok_or("--token is required")?;
    let supervisor = Supervisor::validate(url, token, Role::Server).await;
    let supervisor =
        supervisor.map_err(|error| format!("preparing server: failed to validate token: {error}"))?;
    let given = ask(&supervisor).await?;
    compare(settings, &given["critical"])?;
    let name = etcd::member_name(settings)?;
    let mut others =
        given["members"].as_object().into_iter().flatten().filter(|(member, _)| **member != name);
    if others.any(|(_, node)| *node == settings.node_name.as_str()) {
        return Err(
            "etcd cluster join failed: duplicate node name found, please use a unique name for this node"
                .into(),
        );
    }
    let entry = become_learner(&supervisor, settings, &name).await?;
    // It may have waited for long.
    keep(&settings.paths, &ask(&supervisor).await?, &name, entry)
}

async fn ask(supervisor: &Supervisor) -> Result<Value> {
    let given = supervisor.call(Method::GET, "/v1-k3s/server-bootstrap", None).await;
    let given =
        given.map_err(|error| format!("preparing server: failed to bootstrap cluster data: {error}"))?;
    Ok(given.ok_or("preparing server: https is served, but not by a server with etcd")?)
}

/// Waits until the cluster takes another learner: there is one at a time.
async fn become_learner(supervisor: &Supervisor, settings: &Settings, name: &str) -> Result<Value> {
    let path = members::place(name).path();
    loop {
        let entry = members::own_entry(settings, name, false);
        match supervisor.call(Method::PUT, &path, Some(&entry)).await {
            Err(error) if error.to_string().contains("etcdserver: ") => {
                log::info(&format!("Waiting for other members to finish joining etcd cluster: {error}"));
            }
            answer => return answer.map(|_| entry),
        }
        tokio::time::sleep(LEARNER_INTERVAL).await;
    }
}

fn compare(settings: &Settings, theirs: &Value) -> Result<()> {
    let ours = critical(settings);
    let entries = ours.as_object().into_iter().flatten();
    let different: Vec<&String> =
        entries.filter(|(flag, value)| theirs[*flag] != **value).map(|(flag, _)| flag).collect();
    if different.is_empty() {
        return Ok(());
    }
    for flag in different {
        log::warning(&format!("critical configuration mismatched: {flag}"));
    }
    let message =
        "failed to validate server configuration: critical configuration value mismatch between servers";
    Err(format!("preparing server: {message}").into())
}

fn keep(paths: &Paths, given: &Value, name: &str, entry: Value) -> Result<()> {
    for (name, text) in given["files"].as_object().into_iter().flatten() {
        let is_ours = SHARED.contains(&name.as_str());
        if let (true, Some(text)) = (is_ours, text.as_str()) {
            write(&paths.server(name), text.as_bytes(), 0o600)?;
        }
    }
    let mut state = given["state"].clone();
    // A server that is not the leader may not know it yet.
    let own = &mut state["objects"][members::place(name).path()];
    if own.is_null() {
        *own = entry;
    }
    write(&paths.server(etcd::OBJECTS), &serde_json::to_vec(&state)?, 0o600)
}
