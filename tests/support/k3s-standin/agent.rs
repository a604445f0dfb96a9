//! `k3s agent`, and the same beside every server: joins, registers its node, keeps it alive and runs its pods.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;

use super::balancer::Balancer;
use super::flags::Role;
use super::kubernetes::Place;
use super::paths::write;
use super::pods::Pods;
use super::registries::Registries;
use super::settings::Settings;
use super::supervisor_client::Supervisor;
use super::{Result, Variables, containerd, credentials, kubelet, log, node_object, notify, server, version};

/// Where a node says its name and password, and learns what it needs.
pub const CONFIGURATION: &str = "/v1-k3s/config";
/// How often a server is tried that cannot be reached or is not the one of the token.
const CONNECT_INTERVAL: Duration = Duration::from_secs(2);
/// How often a server is asked that refuses.
const CONFIGURATION_INTERVAL: Duration = Duration::from_secs(5);
/// How often the node says that it is alive, and looks after its pods.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub async fn run(arguments: &[String], variables: &Variables) -> Result<()> {
    let settings = Settings::read(Role::Agent, arguments, variables).await?;
    let token = settings.token.clone().ok_or("--token is required")?;
    let url = settings.server.clone().ok_or("--server is required")?;
    log::info(&format!(
        "Starting k3s agent {} (stand-in: nothing of this is Kubernetes)",
        version::version()
    ));
    let ready = || {
        log::info("k3s agent is up and running");
        notify::ready(variables)
    };
    tokio::select! {
        ended = serve(&settings, &url, &token, ready) => ended,
        stopped = server::wait_for_signal() => stopped,
    }
}

/// Joins and stays; calls `ready` once the node is registered.
pub async fn serve(
    settings: &Settings,
    url: &str,
    token: &str,
    ready: impl Fn() -> Result<()>,
) -> Result<()> {
    let mut supervisor = connect(settings, url, token).await;
    prepare_disk(settings)?;
    containerd::configure(settings)?;
    log::info("containerd is now running");
    // As the kubelet: for ever.
    while let Err(error) = register(settings, &supervisor).await {
        log::error(&format!("Unable to register node with API server: {error}"));
        tokio::time::sleep(CONNECT_INTERVAL).await;
    }
    ready()?;
    let (current, followed) = watch::channel(supervisor.clone());
    let mut balancer = Balancer::new(settings, url);
    let alive = async {
        loop {
            match renew_lease(settings, &supervisor).await {
                Ok(()) => balancer.learn(&supervisor).await?,
                Err(error) => {
                    log::error(&format!("Failed to update lease: {error}"));
                    supervisor = supervisor.at(balancer.next());
                    current.send_replace(supervisor.clone());
                }
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    tokio::select! {
        ended = alive => ended,
        ended = look_after_pods(settings, followed) => ended,
    }
}

/// Beside the lease: a registry that does not answer must not make the node seem dead.
async fn look_after_pods(settings: &Settings, supervisor: watch::Receiver<Supervisor>) -> Result<()> {
    let mut pods = Pods::of_node(settings)?;
    loop {
        let supervisor = supervisor.borrow().clone();
        if let Err(error) = pods.synchronise(&supervisor).await {
            log::error(&format!("Failed to synchronise pods: {error}"));
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}

/// Tries for ever, as the real agent does: an administrator may still be on the way to the server.
async fn connect(settings: &Settings, url: &str, token: &str) -> Supervisor {
    let supervisor = loop {
        match Supervisor::validate(url, token, settings.role).await {
            Ok(supervisor) => break supervisor,
            Err(error) => log::error(&format!("Failed to validate connection to cluster at {url}: {error}")),
        }
        tokio::time::sleep(CONNECT_INTERVAL).await;
    };
    loop {
        let password = node_password(settings);
        let answer = match password {
            Ok(password) => introduce(settings, &supervisor, &password).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(()) => return supervisor,
            Err(error) => {
                log::info(&format!("Waiting to retrieve agent configuration; server is not ready: {error}"));
            }
        }
        tokio::time::sleep(CONFIGURATION_INTERVAL).await;
    }
}

/// What the server has to say yes to before the node begins.
async fn introduce(settings: &Settings, supervisor: &Supervisor, password: &str) -> Result<()> {
    supervisor.given(CONFIGURATION, &settings.node_name, password).await?;
    if settings.role == Role::Agent {
        refuse_older(supervisor).await?;
    }
    kubelet::prepare(settings, supervisor, password).await
}

/// A server has to be at least as new. The real agent does not compare versions: it misses what only newer servers send.
async fn refuse_older(supervisor: &Supervisor) -> Result<()> {
    let found = supervisor.call(Method::GET, "/version", None).await?.unwrap_or_default();
    let theirs = found["gitVersion"].as_str().and_then(version::minor);
    let own = version::version();
    if theirs < version::minor(own) {
        let message = "incompatible down-level server detected; servers must be upgraded to at least";
        return Err(format!("{message} {own}, or restarted with --disable-network-policy").into());
    }
    Ok(())
}

/// Made once; by it a server knows the node again.
fn node_password(settings: &Settings) -> Result<String> {
    let file = settings.paths.node_password();
    if !file.exists() {
        write(&file, format!("{}\n", credentials::random_password()).as_bytes(), 0o600)?;
    }
    Ok(fs_err::read_to_string(file)?.trim().to_owned())
}

fn prepare_disk(settings: &Settings) -> Result<()> {
    let registries = Registries::read(&settings.registries())?;
    let default_is_disabled = settings.is_on("disable-default-registry-endpoint");
    registries.write_hosts(&settings.paths.agent("etc/containerd/certs.d"), default_is_disabled)
}

async fn register(settings: &Settings, supervisor: &Supervisor) -> Result<()> {
    let nodes = Place::of_word("nodes", None);
    let path = nodes.named(&settings.node_name).path();
    let node = node_object::node(settings);
    let renewed = json!({"metadata": {"labels": node["metadata"]["labels"], "annotations": node["metadata"]["annotations"]},
        "status": node["status"]});
    if supervisor.call(Method::PATCH, &path, Some(&renewed)).await?.is_none() {
        supervisor.call(Method::POST, &nodes.path(), Some(&node)).await?;
    }
    renew_lease(settings, supervisor).await
}

async fn renew_lease(settings: &Settings, supervisor: &Supervisor) -> Result<()> {
    let name = &settings.node_name;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
    supervisor.call(Method::PUT, &path, Some(&json!({"metadata": {"name": name}}))).await.map(drop)
}
