//! A client that costs as little as it can: a blocking socket, reads of 1 MiB, one connection kept alive.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use airlock::oci::digest::{Digest, Hasher};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Result;

const BUFFER: usize = 1 << 20;

/// The only cipher that is offered, so that both servers use the same.
pub const CIPHER: &str = "TLS 1.3, AES-128-GCM";

/// A connection to a registry.
pub struct Client {
    stream: Box<dyn Stream>,
    address: String,
    buffer: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// Encrypts with [`CIPHER`], for a server that has this certificate.
pub fn encrypted(certificate: &Path) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

impl Client {
    /// Connects, over TLS if it is told how.
    pub fn connect(address: &str, tls: Option<&Arc<ClientConfig>>) -> Result<Client> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::try_from("127.0.0.1")?;
                Box::new(StreamOwned::new(ClientConnection::new(config.clone(), name)?, socket))
            }
        };
        Ok(Client { stream, address: address.to_owned(), buffer: vec![0; BUFFER] })
    }

    /// Fetches a blob or manifest and returns how many bytes it has; fewer than announced are an error.
    pub fn get(&mut self, target: &str) -> Result<u64> {
        self.fetch(target, &mut |_| {})
    }

    /// The same, and its digest.
    pub fn digest(&mut self, target: &str) -> Result<Digest> {
        let mut hasher = Hasher::new();
        self.fetch(target, &mut |bytes| hasher.update(bytes))?;
        Ok(hasher.finish())
    }

    fn fetch(&mut self, target: &str, take: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let accept = crate::images::OCI_MANIFEST;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n\r\n", self.address);
        self.stream.write_all(request.as_bytes())?;
        let (length, head, mut filled) = self.head(target)?;
        take(&self.buffer[head..filled]);
        let mut received = (filled - head) as u64;
        while received < length {
            filled = self.stream.read(&mut self.buffer)?;
            if filled == 0 {
                return Err(format!("{target} ended after {received} of {length} bytes").into());
            }
            take(&self.buffer[..filled]);
            received += filled as u64;
        }
        if received == length { Ok(length) } else { Err(format!("{target} is too long").into()) }
    }

    // The announced length, and where in the buffer the head ends and what was read ends.
    fn head(&mut self, target: &str) -> Result<(u64, usize, usize)> {
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[filled..])?;
            if count == 0 {
                return Err(format!("{target} was not answered").into());
            }
            filled += count;
            let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(format!("{target}: {head}").into());
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            return Ok((length.ok_or("there is no Content-Length")?.trim().parse()?, end + 4, filled));
        }
    }
}
