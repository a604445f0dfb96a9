//! The certificate of an authority that is known by its fingerprint alone, taken from a server that shows it.
//!
//! Nothing is believed that way: the certificate is the right one because no other has that fingerprint, and
//! only afterwards is the server asked anything, under the usual rules.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use super::certificates;
use super::fingerprint::Fingerprint;
use crate::error::{Error, Result, codes};
use crate::fetch::Url;
use crate::quote::quote;

/// How long a server may take for each part of the handshake.
const PATIENCE: Duration = Duration::from_secs(15);

/// What several servers are known by.
#[derive(Debug, Default)]
pub struct Introduced {
    /// Their authorities, in PEM.
    pub authorities: Vec<u8>,
    /// Those that did not answer, and why.
    pub silent: Vec<(String, Error)>,
}

/// The authorities with these fingerprints in PEM, from the servers at `endpoints`, `https://HOST:PORT`, one of which
/// has to answer. What is `known`, in PEM, is not asked for. A server that answers has to show one of them.
///
/// # Errors
/// [`codes::FETCH_CONNECT`] if no server can be reached; [`codes::AUTHORITY_FINGERPRINT`] if one of them shows no such
/// certificate.
pub fn authorities(
    endpoints: &[String],
    fingerprints: &[Fingerprint],
    known: Option<&[u8]>,
) -> Result<Introduced> {
    let is_meant = |certificate: &CertificateDer<'_>| fingerprints.iter().any(|one| one.is_of(certificate));
    let mut found = certificates::parse(known.unwrap_or_default())?;
    found.retain(|certificate| is_meant(certificate));
    let mut introduced = Introduced::default();
    // Where all are known, nobody has to be asked.
    let all_known = fingerprints.iter().all(|one| found.iter().any(|certificate| one.is_of(certificate)));
    for endpoint in endpoints.iter().filter(|_| !all_known) {
        match shown(endpoint) {
            Ok(shown) => match shown.into_iter().find(|certificate| is_meant(certificate)) {
                Some(certificate) => found.push(certificate),
                None => return Err(another(endpoint)),
            },
            Err(error) => introduced.silent.push((endpoint.clone(), error)),
        }
    }
    if found.is_empty()
        && let Some((_, error)) = introduced.silent.pop()
    {
        return Err(error);
    }
    let pem: Vec<u8> = found.iter().flat_map(|certificate| certificates::pem(certificate)).collect();
    introduced.authorities = certificates::union(&[&pem])?;
    Ok(introduced)
}

/// The authority with this fingerprint in PEM, from the server at `https://HOST:PORT`.
///
/// # Errors
/// As for [`authorities`].
pub fn authority(endpoint: &str, fingerprint: Fingerprint) -> Result<Vec<u8>> {
    authorities(&[endpoint.to_owned()], &[fingerprint], None).map(|introduced| introduced.authorities)
}

fn shown(endpoint: &str) -> Result<Vec<CertificateDer<'static>>> {
    certificates_at(endpoint).map_err(|error| {
        Error::new(codes::FETCH_CONNECT, format!("{} cannot be reached", quote(endpoint)))
            .with_help(
                "check the address, and that `systemctl status airlock-registry` on that node is active",
            )
            .with_source(error)
    })
}

fn another(endpoint: &str) -> Error {
    let message = format!("{} does not show the authority with that fingerprint", quote(endpoint));
    Error::new(codes::AUTHORITY_FINGERPRINT, message).with_help(
        "compare it with what this prints on that node: `openssl x509 -noout -fingerprint -sha256 -in \
         /etc/airlock/registry-ca.crt`; if it is the same, somebody else answers at that address",
    )
}

/// The certificates that a server shows. Its names and signatures are not looked at.
fn certificates_at(endpoint: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let url = Url::parse(endpoint).map_err(io::Error::other)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(443);
    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(onlooking()?, name).map_err(io::Error::other)?;
    #[expect(clippy::disallowed_methods, reason = "there is no HTTP yet, only a handshake")]
    let mut addresses = (host.as_str(), port).to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(connection
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .map(|one| one.clone().into_owned())
        .collect())
}

/// Settings of a client that looks at what a server shows, and believes nothing.
pub(in crate::node) fn onlooking() -> io::Result<Arc<ClientConfig>> {
    let configuration = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Onlooker))
        .with_no_client_auth();
    Ok(Arc::new(configuration))
}

/// Looks at what is shown, and asks the server nothing afterwards.
#[derive(Debug)]
struct Onlooker;

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
