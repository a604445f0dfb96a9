//! TLS: certificates of a cluster authority of our own, or given ones.
//!
//! Only HTTP/1.1 is offered. One connection for each transfer is what container runtimes open anyway, large
//! bodies are faster without the flow control of HTTP/2, and there is less to attack.

mod authority;
mod certificates;

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::TlsAcceptor;

pub use authority::{Authority, CERTIFICATE, KEY};
pub use certificates::Certificates;

use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Chains and keys are a few kilobytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// An acceptor of TLS connections that shows what `certificates` holds.
///
/// # Errors
/// [`codes::REGISTRY_TLS`], which only a bug can cause.
pub fn acceptor(certificates: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("TLS cannot be set up").with_source(error))?;
    let mut config = config.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate chain and private key in two PEM files, which the site has made.
///
/// # Errors
/// [`codes::REGISTRY_TLS`] if they cannot be read, do not belong together, or others can read the key.
pub fn given(certificate: &Path, key: &Path) -> Result<Arc<dyn ResolvesServerCert>> {
    let (chain, _) = read(certificate)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain =
        chain.ok_or_else(|| failed(&format!("`{}` holds no certificates in PEM", shown(certificate))))?;
    let (bytes, mode) = read(key)?;
    if mode & 0o077 != 0 {
        let message =
            format!("the private key `{}` can be read by others (mode {:04o})", shown(key), mode & 0o7777);
        return Err(failed(&message).with_help(format!("`chmod 600 {}`", shown(key))));
    }
    let private = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| failed(&format!("`{}` holds no unencrypted private key in PEM", shown(key))))?;
    let certified = CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        let message = format!("`{}` and `{}` do not belong together", shown(certificate), shown(key));
        failed(&message).with_source(error)
    })?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

fn read(path: &Path) -> Result<(Vec<u8>, u32)> {
    let read = || {
        let file = fs_err::File::open(path)?;
        let mode = file.metadata()?.mode();
        let mut bytes = Vec::new();
        file.take(LONGEST_FILE).read_to_end(&mut bytes)?;
        Ok((bytes, mode))
    };
    read().map_err(|error: std::io::Error| failed("a file for TLS cannot be read").with_source(error))
}

fn failed(message: &str) -> Error {
    Error::new(codes::REGISTRY_TLS, message)
        .with_help("give a PEM chain by `--tls-certificate` and its key by `--tls-key`, or neither")
}

fn shown(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn given_files_must_belong_together_and_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str, mode| {
            fs_err::write(path(name), text).unwrap();
            fs_err::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let made = rcgen::generate_simple_self_signed(vec!["reg.lab".to_owned()]).unwrap();
        write("chain", &made.cert.pem(), 0o644);
        write("key", &made.signing_key.serialize_pem(), 0o600);
        write("open-key", &made.signing_key.serialize_pem(), 0o644);
        write("other-key", &rcgen::KeyPair::generate().unwrap().serialize_pem(), 0o600);
        write("text", "no PEM", 0o600);
        let given = |chain: &str, key: &str| given(&path(chain), &path(key));
        assert!(acceptor(given("chain", "key").unwrap()).is_ok());
        for (chain, key) in [
            ("chain", "open-key"),
            ("chain", "other-key"),
            ("chain", "text"),
            ("text", "key"),
            ("none", "key"),
        ] {
            assert_eq!(given(chain, key).err().unwrap().code(), codes::REGISTRY_TLS, "{chain} {key}");
        }
    }
}
