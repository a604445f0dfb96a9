//! `airlock registry serve`: the server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::handover;
use super::listen_address::ListenAddress;
use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::cli::signals::Stop;
use crate::cli::values::{Size, whole_number};
use crate::error::{Error, Result, codes};
use crate::registry::access::{Access, token_file};
use crate::registry::bundles::Shelf;
use crate::registry::deadline::Deadlines;
use crate::registry::limits::Limits;
use crate::registry::listener::{Listener, Tls};
use crate::registry::tls::{self, Authority, Certificates};
use crate::registry::{Registry, Settings, server};
use crate::store::{BundleContent, Content, Overlay, Store};

/// Where a node keeps its store.
const STORE: &str = "/var/lib/airlock/store";

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

    /// Options of TLS.
    #[command(flatten)]
    pub tls: TlsOptions,

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
            let (settings, store) = settings(&arguments, session)?;
            Ok((Registry::new(settings), store, arguments))
        })
        .await?;
    let listeners = listeners(&arguments, session)?;
    for listener in &listeners {
        session.note(&format!("Listening at {}", listener.address()));
    }
    tell_manager(session, "READY=1");
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

fn settings(arguments: &ServeArgs, session: &Session) -> Result<(Settings, Option<Store>)> {
    let usual = || arguments.in_place.is_empty().then(|| PathBuf::from(STORE));
    let store = arguments.store.clone().or_else(usual).map(|path| Store::create(&path)).transpose()?;
    if let (Some(store), Some(Size(limit))) = (&store, arguments.limits.upload_space) {
        store.limit_uploads(limit);
    }
    let trust = arguments.trust.clone().check(session.environment());
    let in_place =
        arguments.in_place.iter().map(|path| BundleContent::new(opened::open(path, &trust, session)?));
    let in_place = in_place.collect::<Result<Vec<_>>>()?;
    let bundles: Vec<_> = in_place.iter().map(BundleContent::bundle).collect();
    let bundles = Shelf::new(&bundles, store.clone());
    let tokens = arguments.token_file.as_deref().map(token_file::read_or_make).transpose()?;
    let settings = Settings {
        content: content(store.clone(), in_place),
        store: store.clone(),
        bundles,
        access: Access::new(&tokens.unwrap_or_default(), !arguments.private)?,
        allow_delete: arguments.allow_delete,
        deadlines: Deadlines::default(),
        progress: session.shared_progress(),
    };
    Ok((settings, store))
}

/// What was pushed or imported comes before what lies in bundles.
fn content(store: Option<Store>, in_place: Vec<BundleContent>) -> Arc<dyn Content> {
    let store = store.map(|store| Arc::new(store) as Arc<dyn Content>);
    let in_place = in_place.into_iter().map(|bundle| Arc::new(bundle) as Arc<dyn Content>);
    let mut layers: Vec<_> = store.into_iter().chain(in_place).collect();
    match layers.pop() {
        Some(only) if layers.is_empty() => only,
        last => Arc::new(Overlay::new(layers.into_iter().chain(last).collect())),
    }
}

fn listeners(arguments: &ServeArgs, session: &Session) -> Result<Vec<Listener>> {
    let names = &session.environment().listen_names;
    let handed_over = handover::sockets(names.len()).map_err(|error| {
        Error::new(codes::REGISTRY_LISTEN, "the sockets that were handed over cannot be taken")
            .with_source(error)
            .with_help("allow the system call pidfd_getfd in the unit, or name addresses by `--listen`")
    })?;
    // The authority is made only where somebody will need it.
    let is_encrypted =
        arguments.listen.iter().any(|listen| listen.encrypted) || names.iter().any(|name| name != "http");
    let tls = is_encrypted.then(|| tls(arguments, session)).transpose()?;
    let mut listeners = Vec::new();
    for (socket, name) in handed_over.into_iter().zip(names) {
        listeners.push(Listener::inherited(socket, tls.clone().filter(|_| name != "http"))?);
    }
    for listen in &arguments.listen {
        listeners.push(Listener::tcp(listen.address, tls.clone().filter(|_| listen.encrypted))?);
    }
    if let Some(path) = &arguments.unix {
        listeners.push(Listener::unix(path, arguments.unix_mode)?);
    }
    if listeners.is_empty() {
        return Err(Error::new(codes::USAGE, "there is nowhere to listen").with_help(
            "name an address or a socket: `--listen 127.0.0.1:5000`, `--unix /run/airlock/registry.sock`",
        ));
    }
    Ok(listeners)
}

fn tls(arguments: &ServeArgs, session: &Session) -> Result<Tls> {
    if let (Some(certificate), Some(key)) = (&arguments.tls.tls_certificate, &arguments.tls.tls_key) {
        let acceptor = tls::acceptor(tls::given(certificate, key)?)?;
        return Ok(Tls { acceptor, certificates: None });
    }
    let authority = Authority::open(&arguments.tls.tls_directory)?;
    session.note(&format!("Nodes need the certificate {}", authority.certificate().display()));
    let hosts = std::iter::once("localhost".to_owned()).chain(host_name()).chain(arguments.tls.name.clone());
    let addresses =
        arguments.listen.iter().map(|listen| listen.address.ip()).filter(|ip| !ip.is_unspecified());
    let certificates = Certificates::new(authority, hosts.collect(), addresses.collect::<Vec<IpAddr>>())?;
    let certificates = Arc::new(certificates);
    Ok(Tls { acceptor: tls::acceptor(certificates.clone())?, certificates: Some(certificates) })
}

/// The name of this machine, if it can stand in a certificate.
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (name != "localhost" && !name.is_empty() && name.bytes().all(plain)).then_some(name)
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
