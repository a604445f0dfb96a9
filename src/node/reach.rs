//! Who reaches whom: listens on ports for a while, and connects to those of others. `airlock cluster` asks every
//! node for both at the same time, before anything is installed.
//!
//! Whoever connects to a TCP port is let in and shown out. A UDP port sends back what begins with [`MAGIC`], and
//! nothing else, no longer than it came: it cannot be used against third parties.

mod connect;
mod listen;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::connect::connect;
pub use self::listen::{Listener, open};
pub use super::facts::Protocol;

/// Told as a note when every port listens that can.
pub const LISTENING: &str = "listening";

/// What a datagram begins with that is sent back.
const MAGIC: &[u8] = b"airlock-reach ";

/// How long an answer may take. A packet that is lost is sent again after one second, and after three.
const PATIENCE: Duration = Duration::from_secs(5);

/// A port of a protocol; written `6443/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its number, 1 to 65535.
    pub number: u16,
}

/// A port of another machine; written `10.0.0.1:6443/tcp`, `[fd00::1]:8472/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its address.
    pub address: IpAddr,
    /// The port.
    pub port: Port,
}

/// What a machine has found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// Its clock, to the millisecond.
    pub now: Timestamp,
    /// The boot that it is in.
    pub boot: String,
    /// Ports on which it has listened.
    pub opened: Vec<Port>,
    /// Ports that another program has, which listens on them itself, or for which there was no permission.
    pub taken: Vec<Port>,
    /// What came of each connection, in the order in which they were asked for.
    pub reached: Vec<Reached>,
    /// The hardware address of whoever has the address that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

/// What came of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// Where it went.
    pub target: Target,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Somebody answered.
    Open,
    /// The machine, or a firewall that says so, does not want it.
    Refused,
    /// Nothing came back: a firewall that says nothing, or a wrong address.
    Silent,
    /// There is no way to that address.
    Unreachable,
}

impl Port {
    /// A port of TCP.
    pub const fn tcp(number: u16) -> Port {
        Port { protocol: Protocol::Tcp, number }
    }

    /// A port of UDP.
    pub const fn udp(number: u16) -> Port {
        Port { protocol: Protocol::Udp, number }
    }
}

impl Outcome {
    /// In a sentence: `A → B 6443/tcp: nothing comes back`.
    pub fn text(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Refused => "refused",
            Outcome::Silent => "nothing comes back",
            Outcome::Unreachable => "there is no way to it",
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(formatter, "{}/{protocol}", self.number)
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Port, String> {
        let (number, protocol) = text.split_once('/').ok_or("a port is written `6443/tcp`")?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err("the protocol is `tcp` or `udp`".to_owned()),
        };
        let number = number.parse().ok().filter(|number| *number > 0);
        Ok(Port { protocol, number: number.ok_or("the number of a port is 1 to 65535")? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(formatter, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(formatter, "[{address}]:{}", self.port),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        const FORM: &str = "a target is written `10.0.0.1:6443/tcp`";
        let (socket, protocol) = text.rsplit_once('/').ok_or(FORM)?;
        let socket: SocketAddr = socket.parse().map_err(|_| FORM)?;
        Ok(Target { address: socket.ip(), port: format!("{}/{protocol}", socket.port()).parse()? })
    }
}

/// Serialised as they are written.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Port);
as_text!(Target);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_targets_are_read_as_they_are_written() {
        for text in ["6443/tcp", "8472/udp", "65535/tcp"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.1:6443/tcp", "[fd00::1]:8472/udp"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for bad in ["", "6443", "0/tcp", "70000/tcp", "6443/sctp", "-1/tcp"] {
            assert!(bad.parse::<Port>().is_err(), "{bad}");
        }
        for bad in ["", "node:6443/tcp", "10.0.0.1/tcp", "10.0.0.1:6443", "10.0.0.1:0/udp"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn who_listens_is_reached_and_who_does_not_is_not() {
        // Ports of the system: nobody else has them at this moment.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (tcp, udp, nobody) = (Port::tcp(free()), Port::udp(free()), Port::tcp(free()));
        let listener = open(&[tcp, udp]).await;
        assert_eq!((listener.opened(), listener.taken()), (&[tcp, udp][..], &[][..]));
        let again = open(&[tcp, udp]).await;
        assert_eq!((again.opened(), again.taken()), (&[][..], &[tcp, udp][..]));
        let serving = tokio::spawn(listener.serve());
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        let targets = [tcp, udp, nobody].map(|port| Target { address, port });
        let reached = connect(&targets).await;
        let outcomes: Vec<Outcome> = reached.iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, [Outcome::Open, Outcome::Open, Outcome::Refused]);
        serving.abort();
    }

    #[tokio::test]
    async fn a_datagram_of_somebody_else_is_not_answered() {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listener = open(&[Port::udp(port)]).await;
        let serving = tokio::spawn(listener.serve());
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(("127.0.0.1", port)).await.unwrap();
        socket.send(b"who are you").await.unwrap();
        socket.send(b"airlock-reach 1").await.unwrap();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"airlock-reach 1", "the first datagram came before, and got nothing");
        serving.abort();
    }
}
