//! Connections: TLS, certificate authorities and proxies. One HTTP client serves all hosts without settings
//! of their own; the others get theirs when first asked, so that `insecure` never reaches beyond its host.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use reqwest::{Client, ClientBuilder, Url, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::pinned;
use super::proxies::Proxies;
use super::settings::Settings;
use super::shown;
use crate::error::{Error, Result, codes};
use crate::progress::Event;
use crate::spec::HostSettings;

/// Largest file of certificate authorities that is read; a system's whole collection has about 250 KB.
const LARGEST_CA_FILE: u64 = 4 << 20;

/// Which HTTP client a URL needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// No TLS, hence no certificates.
    Plain,
    /// The system's certificate authorities.
    System,
    /// Settings of this host.
    Host(String),
    /// Authorities that were given for this host, and no other ones.
    Given(String),
}

/// The HTTP clients made so far.
#[derive(Default)]
pub(super) struct Transports {
    clients: Mutex<BTreeMap<Kind, Client>>,
}

impl Transports {
    /// The client for requests to `url`.
    pub(super) fn client(&self, url: &Url, settings: &Settings) -> Result<Client> {
        let (kind, host) = kind(url, settings);
        // A client is complete once it is in the map, whatever happened to the thread that put it there.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = build(&kind, host, settings)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}

fn kind<'a>(url: &Url, settings: &'a Settings) -> (Kind, Option<&'a HostSettings>) {
    if url.scheme() == "http" {
        return (Kind::Plain, None);
    }
    let authority = shown::authority(url);
    match find(&authority, &settings.hosts).filter(|host| host.insecure || host.ca.is_some()) {
        Some(host) => (Kind::Host(authority), Some(host)),
        None if settings.authorities.contains_key(&authority) => (Kind::Given(authority), None),
        None => (Kind::System, None),
    }
}

/// The settings of a server. Docker Hub's has another name than people know it by; the usual port may be
/// written or not.
fn find<'a>(authority: &str, hosts: &'a BTreeMap<String, HostSettings>) -> Option<&'a HostSettings> {
    let known_as = if authority == "registry-1.docker.io" { "docker.io" } else { authority };
    hosts.get(authority).or_else(|| hosts.get(known_as)).or_else(|| hosts.get(&format!("{authority}:443")))
}

fn build(kind: &Kind, host: Option<&HostSettings>, settings: &Settings) -> Result<Client> {
    // A program that uses the library may have chosen its provider before; then that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = base(settings)?;
    if let (Kind::Host(name), Some(host)) = (kind, host) {
        if host.insecure {
            let text = format!("the certificate of {name} is not checked (`registries.{name}.insecure`)");
            settings.progress.event(Event::Warning { text: &text });
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let (Some(path), false) = (&host.ca, host.insecure) {
            let configuration = pinned::configuration(authorities(path)?).map_err(|error| {
                unusable(path, "it holds something that is no certificate").with_source(error)
            })?;
            builder = builder.tls_backend_preconfigured(configuration);
        }
    }
    if let Kind::Given(name) = kind {
        let given = settings.authorities.get(name).map(Vec::as_slice).unwrap_or_default();
        let unusable = |reason: &str| unusable(Path::new(name), reason);
        let given = parse(given).map_err(unusable)?;
        let configuration =
            pinned::alone(given).map_err(|error| unusable("it is damaged").with_source(error))?;
        builder = builder.tls_backend_preconfigured(configuration);
    }
    if *kind == Kind::Plain {
        // Keeps the system's authorities from being loaded, or missed, where none are needed.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        Error::new(
            codes::FETCH_NO_CERTIFICATES,
            "this machine has no certificate authorities to check servers by",
        )
        .with_help(
            "install them (`apt-get install ca-certificates`), or set `registries.HOST.ca` in bundle.yaml",
        )
        .with_source(error)
    })
}

fn base(settings: &Settings) -> Result<ClientBuilder> {
    let builder = Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.timeouts.connect)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        // Also keeps the library from reading proxies from the environment by itself.
        .no_proxy();
    let rules = Proxies::rules(&settings.proxies).map_err(|error| {
        Error::new(codes::FETCH_PROXY, "the proxy settings cannot be used")
            .with_help("set `HTTPS_PROXY=http://HOST:PORT`, or unset it")
            .with_source(error)
    })?;
    Ok(rules.into_iter().fold(builder, ClientBuilder::proxy))
}

fn unusable(path: &Path, reason: &str) -> Error {
    let message = format!("{} cannot be used as certificate authority: {reason}", path.display());
    Error::new(codes::FETCH_CA_FILE, message)
        .with_help("`ca` names a PEM file with one or more `-----BEGIN CERTIFICATE-----` blocks")
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unusable = |reason: &str| unusable(path, reason);
    let size =
        fs_err::metadata(path).map_err(|error| unusable("it cannot be read").with_source(error))?.len();
    if size > LARGEST_CA_FILE {
        return Err(unusable("it is larger than 4 MiB"));
    }
    let text = fs_err::read(path).map_err(|error| unusable("it cannot be read").with_source(error))?;
    parse(&text).map_err(unusable)
}

/// The certificates in a PEM text.
fn parse(text: &[u8]) -> std::result::Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: std::result::Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate"),
        certificates => certificates.map_err(|_| "it is damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_with_settings_of_their_own_get_a_client_of_their_own() {
        let own = HostSettings { insecure: true, ..HostSettings::default() };
        let hosts = BTreeMap::from([("docker.io".to_owned(), own.clone()), ("lab:5000".to_owned(), own)]);
        let authorities = BTreeMap::from([("node:5443".to_owned(), Vec::new())]);
        let settings = Settings { hosts, authorities, ..Settings::default() };
        let kind = |url: &str| kind(&Url::parse(url).unwrap(), &settings).0;
        assert_eq!(kind("https://node:5443/"), Kind::Given("node:5443".to_owned()));
        assert_eq!(kind("https://registry-1.docker.io/v2/"), Kind::Host("registry-1.docker.io".to_owned()));
        assert_eq!(kind("https://lab:5000/v2/"), Kind::Host("lab:5000".to_owned()));
        assert_eq!(kind("https://lab/v2/"), Kind::System);
        assert_eq!(kind("http://lab:5000/v2/"), Kind::Plain);
    }

    #[test]
    fn unusable_authority_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        fs_err::write(&empty, "no certificate\n").unwrap();
        for path in [empty, directory.path().join("missing.pem"), directory.path().to_owned()] {
            let error = authorities(&path).expect_err("unusable");
            assert_eq!((error.code(), error.kind().exit_status()), (codes::FETCH_CA_FILE, 3));
            assert!(error.message().contains(&path.display().to_string()));
        }
    }
}
