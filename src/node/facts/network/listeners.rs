//! Who listens: `/proc/net/tcp`, `tcp6`, `udp`, `udp6` (proc(5)).

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::routes::ipv4_address;
use crate::node::facts::root::Root;

/// Most processes whose sockets are looked at.
const MOST_PROCESSES: usize = 20_000;

/// A port that somebody listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address; `0.0.0.0` and `::` are all of them.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Name of the process; only root may know it.
    pub process: Option<String>,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

pub(super) fn gather(root: &Root<'_>) -> Vec<Listener> {
    let tables = [
        ("/proc/net/tcp", Protocol::Tcp),
        ("/proc/net/tcp6", Protocol::Tcp),
        ("/proc/net/udp", Protocol::Udp),
        ("/proc/net/udp6", Protocol::Udp),
    ];
    let mut sockets: Vec<Socket> = Vec::new();
    for (path, protocol) in tables {
        let text = root.text(path).unwrap_or_default();
        sockets.extend(text.lines().skip(1).filter_map(|line| socket(line, protocol)));
    }
    let owners = owners(root, sockets.iter().map(|socket| socket.inode).collect());
    let mut listeners: Vec<Listener> = sockets
        .into_iter()
        .map(|Socket { protocol, address, port, inode }| Listener {
            protocol,
            address,
            port,
            process: owners.get(&inode).cloned(),
        })
        .collect();
    listeners.sort_by_key(|listener| (listener.protocol, listener.port, listener.address));
    listeners.dedup();
    listeners
}

struct Socket {
    protocol: Protocol,
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn socket(line: &str, protocol: Protocol) -> Option<Socket> {
    // TCP_LISTEN; a socket of UDP that is not connected is in the state TCP_CLOSE.
    let waiting = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp => "07",
    };
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = columns[..] else { return None };
    let (address, port) = local.split_once(':')?;
    Some(Socket {
        protocol,
        address: address_of(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: inode.parse().ok()?,
    })
    .filter(|_| state == waiting)
}

/// An address of IPv6 is printed as four numbers, each in the order of the machine.
fn address_of(digits: &str) -> Option<IpAddr> {
    if digits.len() != 32 {
        return ipv4_address(digits).map(IpAddr::V4);
    }
    let mut bytes = [0; 16];
    for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
        let word = u32::from_str_radix(digits.get(index * 8..index * 8 + 8)?, 16).ok()?;
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    Some(Ipv6Addr::from(bytes).into())
}

/// The processes that have sockets open, by the inode of the socket.
fn owners(root: &Root<'_>, wanted: HashSet<u64>) -> HashMap<u64, String> {
    let mut owners = HashMap::new();
    let ids = root.names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    for id in ids.take(MOST_PROCESSES) {
        let Ok(open) = fs_err::read_dir(root.at(&format!("/proc/{id}/fd"))) else {
            // One note says it for all processes; those that have ended are not told apart.
            root.note("/proc/*/fd", "only root may see whose the sockets of all processes are");
            continue;
        };
        for entry in open.filter_map(Result::ok) {
            let inode = fs_err::read_link(entry.path()).ok().and_then(|link| socket_inode(link.to_str()?));
            if let Some(inode) = inode.filter(|inode| wanted.contains(inode))
                && let Some(name) = root.line(&format!("/proc/{id}/comm"))
            {
                owners.entry(inode).or_insert(name);
            }
        }
    }
    owners
}

/// The number in `socket:[1049]`.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_those_who_wait_listen() {
        let line = |local: &str, state: &str| {
            format!("0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1049 1 0")
        };
        let found = socket(&line("020200C0:192B", "0A"), Protocol::Tcp).unwrap();
        assert_eq!((found.address, found.port, found.inode), ("192.0.2.2".parse().unwrap(), 6443, 1049));
        let six = "0000000000000000FFFF0000020200C0:0050";
        let found = socket(&line(six, "07"), Protocol::Udp).unwrap();
        assert_eq!(found.address, "::ffff:192.0.2.2".parse::<IpAddr>().unwrap());
        assert!(socket(&line("020200C0:192B", "01"), Protocol::Tcp).is_none());
        assert_eq!((socket_inode("socket:[7]"), socket_inode("pipe:[7]")), (Some(7), None));
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "([0-9A-F]{8}:[0-9A-F]{4} |0A |[0-9]{1,3} |ß|:){0,16}") {
            let _ = socket(&line, Protocol::Tcp);
        }
    }
}
