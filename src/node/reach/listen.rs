//! Listens on ports that nobody else has.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use futures_util::future::join_all;
use tokio::net::{TcpListener, UdpSocket};

use super::{MAGIC, Port, Protocol};

/// Longest datagram that is looked at.
const LONGEST: usize = 128;

/// Sockets that listen until this is dropped.
pub struct Listener {
    opened: Vec<Port>,
    taken: Vec<Port>,
    sockets: Vec<Socket>,
}

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Opens the ports that can be opened.
pub async fn open(ports: &[Port]) -> Listener {
    let mut listener = Listener { opened: Vec::new(), taken: Vec::new(), sockets: Vec::new() };
    for port in ports {
        match bind(*port).await {
            Ok(socket) => {
                listener.opened.push(*port);
                listener.sockets.push(socket);
            }
            Err(_) => listener.taken.push(*port),
        }
    }
    listener
}

impl Listener {
    /// The ports that listen.
    pub fn opened(&self) -> &[Port] {
        &self.opened
    }

    /// Those that another program has.
    pub fn taken(&self) -> &[Port] {
        &self.taken
    }

    /// Answers for ever.
    pub async fn serve(self) {
        join_all(self.sockets.into_iter().map(Socket::serve)).await;
    }
}

/// On all addresses of both families; of IPv4 alone where the kernel has no other. A port that is in use stays that.
async fn bind(port: Port) -> io::Result<Socket> {
    let six = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.number));
    let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.number));
    match bind_at(port.protocol, six).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => bind_at(port.protocol, four).await,
        bound => bound,
    }
}

async fn bind_at(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    match protocol {
        Protocol::Tcp => TcpListener::bind(address).await.map(Socket::Tcp),
        Protocol::Udp => UdpSocket::bind(address).await.map(Socket::Udp),
    }
}

impl Socket {
    async fn serve(self) {
        match self {
            Socket::Tcp(listener) => loop {
                // A connection that fails says nothing about the next one.
                if listener.accept().await.is_err() {
                    tokio::task::yield_now().await;
                }
            },
            Socket::Udp(socket) => echo(&socket).await,
        }
    }
}

async fn echo(socket: &UdpSocket) {
    let mut buffer = [0; LONGEST];
    loop {
        let Ok((length, sender)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = &buffer[..length];
        if datagram.starts_with(MAGIC) {
            // Whoever gets no answer asks again.
            let _ = socket.send_to(datagram, sender).await;
        }
    }
}
