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
use super::members::Ended;
use super::patience::Patience;
use super::settings::Settings;
use super::tls::{Peer, TlsListener};
use super::{
    Result, Variables, agent, api, certificates, controllers, credentials, etcd, join, kubeconfig, log,
    members, node_object, notify, reset, version,
};

/// How often a server looks whether it may begin.
const QUORUM_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub async fn run(arguments: &[String], variables: &Variables) -> Result<()> {
    let settings = Settings::read(Role::Server, arguments, variables).await?;
    log::info(&format!("Starting k3s {} (stand-in: nothing of this is Kubernetes)", version::version()));
    etcd::leave_grave(&settings)?;
    if settings.is_on("cluster-reset") {
        return reset::run(&settings);
    }
    if let (Some(url), false) = (&settings.server, settings.paths.server(etcd::OBJECTS).exists()) {
        join::join(&settings, url).await?;
    }
    let cluster = Arc::new(prepare(&settings, variables)?);
    listen(&settings, &cluster).await?;
    log::info("Kube API server is now running");
    tokio::select! {
        ended = members::run(&cluster) => Err(end(&cluster, ended)?),
        ended = serve(&settings, variables, &cluster) => ended,
    }
}

/// What a server says when it is no member any more.
fn end(cluster: &Cluster, ended: Ended) -> Result<Box<dyn std::error::Error + Send + Sync>> {
    let message = match ended {
        Ended::Removed => {
            etcd::bury(&cluster.paths)?;
            "This node has been removed from the cluster - please restart k3s to rejoin the cluster"
                .to_owned()
        }
        Ended::Reset(members) => {
            let found: Vec<String> = members.iter().map(|(name, url)| format!("{name}={url}")).collect();
            let (found, name) = (found.join(" "), &cluster.name);
            format!(
                "starting kubernetes: preparing server: start managed database: this server is not a member of the etcd \
                 cluster. Found [{found}], expect: {name}"
            )
        }
    };
    Ok(message.into())
}

/// Is a server until it is told to stop.
async fn serve(settings: &Settings, variables: &Variables, cluster: &Arc<Cluster>) -> Result<()> {
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
    let name = node_object::has_etcd(settings).then(|| etcd::member_name(settings)).transpose()?;
    let database = if name.is_some() { etcd::OBJECTS } else { "db/state.db" };
    let datastore = Datastore::open(&paths.server(database))?;
    if let Some(name) = &name {
        log::info("ETCD server is now running");
        if members::all(&datastore).is_empty() {
            datastore.put(&members::place(name), members::own_entry(settings, name, true));
            datastore.set_cluster(&credentials::random_password());
        }
        reset::finish(paths, &datastore, &settings.node_name)?;
    }
    let names = (settings.node_name.as_str(), name.as_deref());
    let mut cluster = Cluster::new(datastore, credentials, paths.clone(), names, join::critical(settings));
    cluster.patience = Patience::of(variables)?;
    Ok(cluster)
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
