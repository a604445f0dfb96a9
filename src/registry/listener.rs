//! Where the server listens: TCP with TLS or without, and unix sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketType};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::client::Client;
use super::tls::Certificates;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// How long the kernel queues clients that nobody has accepted yet.
const BACKLOG: u32 = 1024;

/// What makes TLS of a TCP connection.
#[derive(Clone)]
pub struct Tls {
    /// Does the handshake.
    pub acceptor: TlsAcceptor,
    /// Certificates that are to name every address at which clients arrive; none if they were given.
    pub certificates: Option<Arc<Certificates>>,
}

/// A socket that accepts clients.
pub enum Listener {
    /// Over TCP, in plain HTTP without [`Tls`].
    Tcp(TcpListener, Option<Tls>),
    /// Over a unix socket; whoever can open it may do everything.
    Unix(UnixListener),
}

/// A connection that was accepted.
pub enum Accepted {
    /// Over TCP.
    Tcp(tokio::net::TcpStream, Client, Option<Tls>),
    /// Over a unix socket.
    Unix(tokio::net::UnixStream, Client),
}

impl Listener {
    /// Listens at a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`codes::REGISTRY_LISTEN`].
    pub fn tcp(address: SocketAddr, tls: Option<Tls>) -> Result<Listener> {
        let listen = || {
            let socket = if address.is_ipv4() {
                tokio::net::TcpSocket::new_v4()
            } else {
                tokio::net::TcpSocket::new_v6()
            }?;
            // Connections of the server before us may still be ending.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        let listener = listen().map_err(|error| {
            let help = match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "`ip address` shows the addresses of this machine; name one of them"
                }
                _ => HELP,
            };
            cannot_listen(&address.to_string()).with_help(help).with_source(error)
        })?;
        Ok(Listener::Tcp(listener, tls))
    }

    /// Listens at a unix socket with these permissions, in place of one that an earlier server has left.
    ///
    /// # Errors
    /// [`codes::REGISTRY_LISTEN`], also if something else has that name.
    pub fn unix(path: &Path, mode: u32) -> Result<Listener> {
        let listener = bind_unix(path, mode)
            .map_err(|error| cannot_listen(&quote(&path.to_string_lossy())).with_source(error))?;
        Ok(Listener::Unix(listener))
    }

    /// A socket that somebody else listens at for us, such as systemd.
    ///
    /// # Errors
    /// [`codes::REGISTRY_LISTEN`] if it is no listening TCP or unix socket.
    pub fn inherited(descriptor: OwnedFd, tls: Option<Tls>) -> Result<Listener> {
        let adopt = || -> io::Result<Listener> {
            let is_stream = rustix::net::sockopt::socket_type(&descriptor)? == SocketType::STREAM;
            if !is_stream || !rustix::net::sockopt::socket_acceptconn(&descriptor)? {
                return Err(io::Error::other("it is no listening stream socket"));
            }
            rustix::io::ioctl_fionbio(&descriptor, true)?;
            match rustix::net::getsockname(&descriptor)?.address_family() {
                AddressFamily::UNIX => UnixListener::from_std(descriptor.into()).map(Listener::Unix),
                _ => Ok(Listener::Tcp(TcpListener::from_std(descriptor.into())?, tls)),
            }
        };
        adopt().map_err(|error| cannot_listen("a socket that was handed over").with_source(error))
    }

    /// Where it listens, for people: `https://[::]:5000`, `unix`.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(listener, tls) => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                let address =
                    listener.local_addr().map_or_else(|_| "unknown".to_owned(), |found| found.to_string());
                format!("{scheme}://{address}")
            }
            Listener::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(
                    || "unix".to_owned(),
                    |path| format!("unix:{}", quote(&path.to_string_lossy())),
                )
            }
        }
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written in one go; waiting for more would only cost time.
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream, Client::remote(address, tls.is_some()), tls.clone()))
            }
            Listener::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0, Client::local())),
        }
    }
}

/// The socket is made where nobody else can go, gets its permissions there, and then its name: at no moment
/// can anybody connect who should not, and there is no moment without a socket when servers take turns.
fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    match fs_err::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name"));
        }
        _ => {}
    }
    let name = path.file_name().ok_or_else(|| io::Error::other("it is no name of a file"))?;
    let private = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&private)?;
    let inside = private.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        fs_err::set_permissions(&inside, std::fs::Permissions::from_mode(mode))?;
        fs_err::rename(&inside, path)?;
        Ok(listener)
    });
    if bound.is_err() {
        let _ = fs_err::remove_file(&inside);
    }
    fs_err::remove_dir(&private)?;
    bound
}

const HELP: &str = "`ss -ltnxp` shows who listens where; name another place by `--listen` or `--unix`";

fn cannot_listen(place: &str) -> Error {
    Error::new(codes::REGISTRY_LISTEN, format!("the registry cannot listen at {place}")).with_help(HELP)
}
