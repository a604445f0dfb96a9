//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    address: Option<IpAddr>,
    name: String,
    encrypted: bool,
}

impl Client {
    /// A client that came over TCP, with TLS if `encrypted`.
    pub fn remote(address: SocketAddr, encrypted: bool) -> Client {
        // An IPv4 client of an IPv6 socket is the same client.
        let ip = address.ip().to_canonical();
        Client { address: Some(ip), name: ip.to_string(), encrypted }
    }

    /// A client that came over the unix socket.
    pub fn local() -> Client {
        Client { address: None, name: "unix".to_owned(), encrypted: false }
    }

    /// How it is called in the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address; none over the unix socket.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether it came over the unix socket: then the file system has let it in.
    pub fn is_local(&self) -> bool {
        self.address.is_none()
    }

    /// The scheme of URLs that lead it back to us.
    pub fn scheme(&self) -> &'static str {
        if self.encrypted { "https" } else { "http" }
    }
}
