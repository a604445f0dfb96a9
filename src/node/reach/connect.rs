//! Connects to ports of other machines, to all of them at the same time.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{MAGIC, Outcome, PATIENCE, Protocol, Reached, Target};

/// Connections at the same time.
const AT_ONCE: usize = 128;
/// How often a datagram is sent, each time when no answer has come for [`PATIENCE`] divided by this.
const DATAGRAMS: u32 = 5;

/// Tries them all; what came of each, in their order.
pub async fn connect(targets: &[Target]) -> Vec<Reached> {
    let reach = |target: Target| async move { Reached { target, outcome: outcome(target).await } };
    stream::iter(targets.iter().copied().map(reach)).buffered(AT_ONCE).collect().await
}

async fn outcome(target: Target) -> Outcome {
    let address = SocketAddr::from((target.address, target.port.number));
    let tried = match target.port.protocol {
        Protocol::Tcp => timeout(PATIENCE, TcpStream::connect(address)).await.map(|tried| tried.map(drop)),
        Protocol::Udp => Ok(ask(address).await),
    };
    match tried {
        Ok(Ok(())) => Outcome::Open,
        Ok(Err(error)) => of(&error),
        Err(_) => Outcome::Silent,
    }
}

fn of(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Outcome::Refused,
        io::ErrorKind::TimedOut => Outcome::Silent,
        _ => Outcome::Unreachable,
    }
}

/// Sends a datagram until it comes back.
async fn ask(address: SocketAddr) -> io::Result<()> {
    let own = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(address).await?;
    let datagram = [MAGIC, address.to_string().as_bytes()].concat();
    let mut refused = None;
    for _ in 0..DATAGRAMS {
        match exchange(&socket, &datagram, PATIENCE / DATAGRAMS).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // An answer to an earlier datagram may still be on its way.
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

/// Whether the datagram came back in time.
async fn exchange(socket: &UdpSocket, datagram: &[u8], patience: Duration) -> io::Result<bool> {
    socket.send(datagram).await?;
    let mut buffer = vec![0; datagram.len() + 1];
    match timeout(patience, socket.recv(&mut buffer)).await {
        Ok(received) => Ok(buffer.get(..received?) == Some(datagram)),
        Err(_) => Ok(false),
    }
}
