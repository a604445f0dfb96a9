//! `airlock registry serve`: the server.

mod setup;

use std::path::PathBuf;
use std::time::Duration;

use super::handover;
use super::listen_address::ListenAddress;
use super::upstream_options::UpstreamOptions;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::cli::signals::Stop;
use crate::cli::values::{Size, whole_number};
use crate::error::Result;
use crate::registry::limits::Limits;
use crate::registry::{Registry, scrub, server};
use crate::store::Store;

/// How often uploads are looked for that nobody goes on with …
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// … and how long they are kept.
const EXPIRY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Serve the store of this node, or a bundle as it lies
///
/// Images are pulled under their original names: clients say by `?ns=` or in the path which registry they
/// come from. Everybody may pull; pushing and deleting need a token, or the unix socket. TLS is that of a
/// cluster authority which is made at the first start; nodes need its certificate.
///
/// SIGTERM stops it in order: running transfers may end. Sockets of systemd are taken over; one that is
/// called `http` speaks plain HTTP.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ServeArgs {
    /// Store to serve and to push into [default: /var/lib/airlock/store, unless --in-place is given]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Bundle to serve as it lies, without copying it: its directory or one of its volumes
    #[arg(long, value_name = "PATH")]
    pub in_place: Vec<PathBuf>,

    /// Address to listen at, as in `10.0.0.1:5000`; plain HTTP only as `http://127.0.0.1:5000`
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<ListenAddress>,

    /// Unix socket to listen at; whoever may open it may push and delete
    #[arg(long, value_name = "SOCKET")]
    pub unix: Option<PathBuf>,

    /// Permissions of the unix socket: 0600, or 0660 to let its group in
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = socket_mode, requires = "unix")]
    pub unix_mode: u32,

    /// Token file: one token a line, mode 0600; made with a random token if it is missing
    ///
    /// A token is the password for any user name. Without the option nobody can push over the network.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Ask for a token for pulling as well
    #[arg(long, requires = "token_file")]
    pub private: bool,

    /// Let those who may push delete tags, manifests and blobs
    #[arg(long)]
    pub allow_delete: bool,

    /// Do not verify blobs in the background while nobody is served
    #[arg(long)]
    pub no_background_verification: bool,

    /// Options of TLS.
    #[command(flatten)]
    pub tls: TlsOptions,

    /// Options of pull-through.
    #[command(flatten)]
    pub upstreams: UpstreamOptions,

    /// Options of limits.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

/// Options of TLS, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Directory of the cluster authority: ca.key, ca.crt; made at the first start
    #[arg(long, value_name = "DIR", default_value = "/var/lib/airlock/registry")]
    pub tls_directory: PathBuf,

    /// Another name of this host that certificates are to have; addresses come by themselves
    #[arg(long, value_name = "HOST")]
    pub name: Vec<String>,

    /// Certificate chain in PEM to use instead of the cluster authority
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// Its private key in PEM, mode 0600
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// Limits, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Connections in total
    #[arg(long, value_name = "N", default_value = "1024", value_parser = whole_number::<usize>(1..=65_536))]
    pub connections: usize,

    /// Connections of one address
    #[arg(long, value_name = "N", default_value = "128", value_parser = whole_number::<usize>(1..=65_536))]
    pub connections_per_client: usize,

    /// Space that unfinished uploads may take together [default: what the disk has]
    #[arg(long, value_name = "SIZE")]
    pub upload_space: Option<Size>,
}

const EXAMPLES: &str = "\
Examples:
  airlock registry serve --listen 10.0.0.1:5000 --unix /run/airlock/registry.sock
  airlock registry serve --in-place /media/stick --listen http://127.0.0.1:5000
  airlock registry serve --listen 10.0.0.1:5000 --upstream docker.io --upstream quay.io=https://mirror.lab
  airlock registry serve --listen [::]:5000 --name registry.lab --token-file /etc/airlock/token";

fn socket_mode(text: &str) -> Result<u32, String> {
    match text {
        "0600" | "600" => Ok(0o600),
        "0660" | "660" => Ok(0o660),
        _ => Err("it is 0600 or 0660".to_owned()),
    }
}

pub(super) async fn run(arguments: ServeArgs, session: &Session, stop: Stop) -> Result<()> {
    let limits = Limits {
        connections: arguments.limits.connections,
        connections_per_client: arguments.limits.connections_per_client,
    };
    let (registry, store, arguments) = session
        .blocking(move |session| {
            let (settings, store) = setup::settings(&arguments, session)?;
            Ok((Registry::new(settings), store, arguments))
        })
        .await?;
    let listeners = setup::listeners(&arguments, session)?;
    for listener in &listeners {
        session.note(&format!("Listening at {}", listener.address()));
    }
    tell_manager(session, "READY=1");
    if !arguments.no_background_verification {
        registry.verify_in_background(scrub::RATE)?;
    }
    let expiry = store.map(|store| tokio::spawn(expire_uploads(store, session.clone())));
    let stopping = async {
        stop.wait().await;
        tell_manager(session, "STOPPING=1");
        session.note("Stopping: running transfers may end, a second signal ends them");
    };
    server::serve(registry, listeners, limits, stopping).await;
    if let Some(expiry) = expiry {
        expiry.abort();
    }
    Ok(())
}

fn tell_manager(session: &Session, state: &str) {
    let Some(socket) = &session.environment().notify_socket else { return };
    if let Err(error) = handover::notify(socket, state) {
        session.warn(&format!("the service manager could not be told `{state}`: {error}"));
    }
}

/// Gives up uploads that nobody goes on with, now and then.
async fn expire_uploads(store: Store, session: Session) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        interval.tick().await;
        let store = store.clone();
        match session.blocking(move |_| store.expire_uploads(EXPIRY_AGE)).await {
            Ok(expired) if expired.uploads > 0 => {
                session.note(&format!("Gave up {} dead uploads of {} bytes", expired.uploads, expired.bytes));
            }
            Ok(_) => {}
            Err(error) => session.warn(&format!("{}: {error}", error.code())),
        }
    }
}
