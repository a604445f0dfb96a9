//! The certificate of an authority that is known by its fingerprint alone, taken from a server that shows it.
//!
//! Nothing is believed that way: the certificate is the right one because no other has that fingerprint, and
//! only afterwards is the server asked anything, under the usual rules.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use super::fingerprint::Fingerprint;
use crate::error::{Error, Result, codes};
use crate::fetch::Url;
use crate::quote::quote;

/// How long a server may take for each part of the handshake.
const PATIENCE: Duration = Duration::from_secs(15);

/// The authority with this fingerprint in PEM, from the server at `https://HOST:PORT`.
///
/// # Errors
/// [`codes::FETCH_CONNECT`] if the server cannot be reached; [`codes::AUTHORITY_FINGERPRINT`] if it shows no such
/// certificate.
pub fn authority(endpoint: &str, fingerprint: Fingerprint) -> Result<Vec<u8>> {
    let shown = certificates(endpoint).map_err(|error| {
        Error::new(codes::FETCH_CONNECT, format!("{} cannot be reached", quote(endpoint)))
            .with_help(
                "check the address, and that `systemctl status airlock-registry` on that node is active",
            )
            .with_source(error)
    })?;
    match shown.iter().find(|certificate| fingerprint.is_of(certificate)) {
        Some(certificate) => Ok(pem(certificate)),
        None => {
            let message = format!("{} does not show the authority with that fingerprint", quote(endpoint));
            Err(Error::new(codes::AUTHORITY_FINGERPRINT, message).with_help(
                "compare it with what this prints on that node: `openssl x509 -noout -fingerprint -sha256 -in \
                 /etc/airlock/registry-ca.crt`; if it is the same, somebody else answers at that address",
            ))
        }
    }
}

/// The certificates that a server shows. Its names and signatures are not looked at.
fn certificates(endpoint: &str) -> io::Result<Vec<CertificateDer<'static>>> {
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

/// PEM (RFC 7468, 5.1).
fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let encoded = STANDARD.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for start in (0..encoded.len()).step_by(64) {
        text += &encoded[start..encoded.len().min(start + 64)];
        text.push('\n');
    }
    text += "-----END CERTIFICATE-----\n";
    text.into_bytes()
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
