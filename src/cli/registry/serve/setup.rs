//! From options to what the server needs: store and bundles, access, listeners, certificates.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::ServeArgs;
use crate::cli::bundle::opened;
use crate::cli::registry::handover;
use crate::cli::session::Session;
use crate::cli::values::Size;
use crate::error::{Error, Result, codes};
use crate::registry::Settings;
use crate::registry::access::{Access, token_file};
use crate::registry::bundles::Shelf;
use crate::registry::deadline::Deadlines;
use crate::registry::listener::{Listener, Tls};
use crate::registry::tls::{self, Authority, Certificates};
use crate::store::{BundleContent, Content, Overlay, Store};

/// Where a node keeps its store.
const STORE: &str = "/var/lib/airlock/store";

pub(super) fn settings(arguments: &ServeArgs, session: &Session) -> Result<(Settings, Option<Store>)> {
    let usual = || arguments.in_place.is_empty().then(|| PathBuf::from(STORE));
    let store = arguments.store.clone().or_else(usual).map(|path| Store::create(&path)).transpose()?;
    if let (Some(store), Some(Size(limit))) = (&store, arguments.limits.upload_space) {
        store.limit_uploads(limit);
    }
    let trust = arguments.trust.clone().check(session.environment());
    let in_place =
        arguments.in_place.iter().map(|path| BundleContent::new(opened::open(path, &trust, session)?));
    let in_place = in_place.collect::<Result<Vec<_>>>()?;
    let bundles: Vec<_> = in_place.iter().map(|content| content.bundle().clone()).collect();
    let bundles = Shelf::new(&bundles, store.clone());
    let tokens = arguments.token_file.as_deref().map(token_file::read_or_make).transpose()?;
    let upstream = arguments.upstreams.settings(session)?;
    if upstream.is_some() && store.is_none() {
        return Err(Error::new(codes::USAGE, "there is no store for what comes from upstreams")
            .with_help("name a directory: `--store DIR`"));
    }
    let settings = Settings {
        content: content(store.clone(), in_place),
        store: store.clone(),
        bundles,
        upstream,
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

pub(super) fn listeners(arguments: &ServeArgs, session: &Session) -> Result<Vec<Listener>> {
    let names = &session.environment().listen_names;
    let handed_over = handover::sockets(names.len()).map_err(|error| {
        Error::new(codes::REGISTRY_LISTEN, "the sockets that were handed over cannot be taken")
            .with_source(error)
            .with_help("allow the system call pidfd_getfd in the unit, or name addresses by `--listen`")
    })?;
    // The authority is made only where somebody will need it.
    let is_encrypted = arguments.listen.iter().any(|listen| listen.encrypted)
        || names.iter().any(|name| name != "http" && name != "unix");
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
