//! `k3s server`: files, port, controllers, and the agent that runs beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};

use super::certificates::Clock;
use super::cluster::Cluster;
use super::credentials::Credentials;
use super::datastore::Datastore;
use super::flags::Role;
use super::paths::write;
use super::settings::Settings;
use super::tls::{Peer, TlsListener};
use super::{
    Result, VERSION, Variables, agent, api, certificates, controllers, join, kubeconfig, log, members,
    node_object, notify,
};

/// Where a member keeps the objects, below `server/`.
pub const ETCD: &str = "db/etcd/stand-in.json";
/// How often a server looks whether it may begin.
const QUORUM_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub async fn run(arguments: &[String], variables: &Variables) -> Result<()> {
    let settings = Settings::read(Role::Server, arguments, variables).await?;
    log::info(&format!("Starting k3s {VERSION} (stand-in: nothing of this is Kubernetes)"));
    if settings.is_on("cluster-reset") {
        return Err("this stand-in cannot reset a cluster".into());
    }
    if let (Some(url), false) = (&settings.server, settings.paths.server(ETCD).exists()) {
        join::join(&settings, url).await?;
    }
    let cluster = Arc::new(prepare(&settings, variables)?);
    listen(&settings, &cluster).await?;
    log::info("Kube API server is now running");
    let members = cluster.clone();
    tokio::spawn(async move { members::run(&members).await });
    while !cluster.has_quorum() {
        log::info("Waiting for other members to finish joining etcd cluster");
        tokio::time::sleep(QUORUM_INTERVAL).await;
    }
    tokio::spawn(controllers::run(cluster.clone(), settings.clone()));
    log::info("k3s is up and running");
    notify::ready(variables)?;
    if !settings.is_on("disable-agent") {
        let (url, token) =
            (format!("https://127.0.0.1:{}", settings.port), cluster.credentials.server.clone());
        let agent = settings.clone();
        tokio::spawn(async move {
            if let Err(error) = agent::serve(&agent, &url, &token, || Ok(())).await {
                log::error(&format!("the node beside the server has ended: {error}"));
            }
        });
    }
    wait_for_signal().await
}

/// Writes what a server has on disk before anybody can reach it.
fn prepare(settings: &Settings, variables: &Variables) -> Result<Cluster> {
    let paths = &settings.paths;
    let credentials = Credentials::prepare(settings)?;
    certificates::prepare(paths, Clock::new(variables)?, &names(settings))?;
    credentials.write_tokens(settings)?;
    kubeconfig::write_admin(settings)?;
    let has_etcd = node_object::has_etcd(settings);
    let database = if has_etcd {
        write(&paths.server("db/etcd/name"), settings.node_name.as_bytes(), 0o600)?;
        log::info("ETCD server is now running");
        ETCD
    } else {
        "db/state.db"
    };
    let datastore = Datastore::open(&paths.server(database))?;
    let own = members::place(&settings.node_name);
    if has_etcd && members::all(&datastore).is_empty() {
        let url = format!("https://{}:{}", settings.node_ip, settings.port);
        datastore.put(&own, members::entry(&settings.node_name, &url, true));
    }
    Ok(Cluster::new(datastore, credentials, paths.clone(), &settings.node_name, join::critical(settings)))
}

/// Names and addresses in the certificate of the server.
fn names(settings: &Settings) -> Vec<String> {
    let fixed = ["127.0.0.1", "10.43.0.1", "localhost", "kubernetes", "kubernetes.default.svc.cluster.local"];
    let mut names: Vec<String> = fixed.map(str::to_owned).to_vec();
    names.extend([settings.node_ip.clone(), settings.node_name.clone()]);
    names.extend(settings.all("tls-san"));
    names.dedup();
    names
}

async fn listen(settings: &Settings, cluster: &Arc<Cluster>) -> Result<()> {
    let address: SocketAddr = ([0, 0, 0, 0], settings.port).into();
    let listener = TlsListener::bind(address, &settings.paths).await;
    let listener = listener.map_err(|error| format!("listen tcp :{}: bind: {error}", settings.port))?;
    let router: Router = api::router(cluster.clone());
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(())
}

/// Returns when systemd wants the service to stop.
pub async fn wait_for_signal() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info("Shutdown request received");
    Ok(())
}
