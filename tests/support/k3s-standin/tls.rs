//! The port of a server: TLS, with a certificate of the client where it has one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use fs_err as fs;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::paths::Paths;
use super::{Result, certificates};

/// Connections whose handshake is over, waiting to be served.
const WAITING: usize = 64;

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The user of its certificate, if it has shown one of the cluster.
    pub user: Option<String>,
}

/// Connections after their handshake. A slow handshake holds up nobody else.
pub struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, Peer)>,
}

impl TlsListener {
    /// Listens at an address, with the certificates of the server.
    pub async fn bind(address: SocketAddr, paths: &Paths) -> Result<TlsListener> {
        let listener = TcpListener::bind(address).await?;
        let (sender, connections) = mpsc::channel(WAITING);
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(configuration(paths)?)), sender));
        Ok(TlsListener { connections })
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<(TlsStream<TcpStream>, Peer)>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let user = certificate.and_then(|certificate| certificates::user(certificate));
                let _ = sender.send((stream, Peer { user })).await;
            }
        });
    }
}

fn configuration(paths: &Paths) -> Result<ServerConfig> {
    let provider = Arc::new(default_provider());
    let file = |name: &str| fs::read(paths.server("tls").join(name));
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from_pem_slice(&file("client-ca.crt")?)?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let chain = vec![CertificateDer::from_pem_slice(&file("serving-kube-apiserver.crt")?)?];
    let key = PrivateKeyDer::from_pem_slice(&file("serving-kube-apiserver.key")?)?;
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.allow_unauthenticated().build()?);
    Ok(configuration.with_single_cert(chain, key)?)
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // Nobody accepts any more: the process ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer::default())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}
