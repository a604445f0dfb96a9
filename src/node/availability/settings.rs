//! The virtual address as a setting of one node: everything that this node needs to know about it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::settings::{Role, check_host, check_interface};

/// The port of the API of Kubernetes on every server.
pub const API_PORT: u16 = 6443;

/// The highest priority that a node may have; 255 is that of the owner of an address (RFC 5798, 5.2.4).
const MAX_PRIORITY: u8 = 254;

/// An address in front of the servers, as one node has to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum NodeVirtualAddress {
    /// It moves among the servers by keepalived; each has the API at its own port 6443.
    Keepalived {
        /// The address.
        address: IpAddr,
        /// How it moves.
        vrrp: Vrrp,
    },
    /// It moves among nodes with haproxy, which passes connections on to all servers.
    Haproxy {
        /// The address.
        address: IpAddr,
        /// How it moves.
        vrrp: Vrrp,
        /// Where haproxy listens, and what it passes on to.
        balancer: Balancer,
    },
    /// A pod on one of the servers holds it and answers for it by ARP: kube-vip.
    KubeVip {
        /// The address.
        address: IpAddr,
        /// Interface that gets it, the same on all servers; otherwise that of the default route.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
    },
    /// Somebody else has it: a load balancer of the site, or balancers of the cluster. Only certificates name it.
    External {
        /// Its name or address.
        host: String,
    },
}

/// How keepalived moves an address (RFC 5798).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vrrp {
    /// Interface that gets the address; otherwise the one that has the address of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Length of the prefix of the network of the address; otherwise 32, or 128 for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// Virtual router, 1 to 255: the same on all nodes that share the address, and no other on the segment has it.
    /// Otherwise the last byte of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 255))]
    pub router_id: Option<u8>,
    /// 1 to 254, another one on every node: of two that could take the address the higher one does.
    #[schemars(range(min = 1, max = 254))]
    pub priority: u8,
    /// Addresses of the other nodes that share the address. Without any they find each other by multicast.
    #[serde(default)]
    pub peers: Vec<IpAddr>,
}

/// What haproxy does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Balancer {
    /// Where it takes connections: another port than 6443 on a server, which has that itself.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Where its status page is, at the address of the node.
    #[schemars(range(min = 1))]
    pub status_port: u16,
    /// Addresses of the servers.
    #[schemars(length(min = 1))]
    pub servers: Vec<IpAddr>,
}

/// Why a setting cannot be; the key, its value, and the reason.
pub type Objection = (&'static str, String, &'static str);

impl NodeVirtualAddress {
    /// What certificates of servers have to name.
    pub fn host(&self) -> String {
        match self {
            NodeVirtualAddress::External { host } => host.clone(),
            NodeVirtualAddress::Keepalived { address, .. }
            | NodeVirtualAddress::Haproxy { address, .. }
            | NodeVirtualAddress::KubeVip { address, .. } => address.to_string(),
        }
    }

    /// The address, if a node of this cluster may hold it.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            NodeVirtualAddress::Keepalived { address, .. }
            | NodeVirtualAddress::Haproxy { address, .. }
            | NodeVirtualAddress::KubeVip { address, .. } => Some(*address),
            NodeVirtualAddress::External { .. } => None,
        }
    }

    /// How this node shares it, if it does by keepalived.
    pub fn vrrp(&self) -> Option<(IpAddr, &Vrrp)> {
        match self {
            NodeVirtualAddress::Keepalived { address, vrrp }
            | NodeVirtualAddress::Haproxy { address, vrrp, .. } => Some((*address, vrrp)),
            NodeVirtualAddress::KubeVip { .. } | NodeVirtualAddress::External { .. } => None,
        }
    }

    /// What haproxy does on this node, if it runs there.
    pub fn balancer(&self) -> Option<&Balancer> {
        match self {
            NodeVirtualAddress::Haproxy { balancer, .. } => Some(balancer),
            _ => None,
        }
    }

    /// Ports that this node needs for it.
    pub fn ports(&self) -> Vec<u16> {
        self.balancer().map(|balancer| vec![balancer.port, balancer.status_port]).unwrap_or_default()
    }

    /// Checks what the types do not, for a node of this role and address.
    ///
    /// # Errors
    /// What cannot be.
    pub fn check(&self, role: Role, own: Option<IpAddr>) -> Result<(), Objection> {
        self.check_role(role)?;
        match self {
            NodeVirtualAddress::External { host } => {
                return check_host(host).map_err(|why| ("host", host.clone(), why));
            }
            NodeVirtualAddress::KubeVip { interface: Some(name), .. } => {
                check_interface(name).map_err(|why| ("interface", name.clone(), why))?;
            }
            _ => {}
        }
        let address = self.address().filter(|address| own == Some(*address) || !is_usable(*address));
        if let Some(address) = address {
            let why = "it has to be an address that no machine has yet, in the network of the nodes";
            return Err(("address", address.to_string(), why));
        }
        if let Some((address, vrrp)) = self.vrrp() {
            vrrp.check(address)?;
        }
        self.balancer().map_or(Ok(()), |balancer| balancer.check(role))
    }

    fn check_role(&self, role: Role) -> Result<(), Objection> {
        let kind = |kind: &str, why| Err(("kind", kind.to_owned(), why));
        match (role, self) {
            (Role::Agent, _) => kind("…", "an agent holds no address: leave `virtualAddress` out"),
            (Role::Balancer, NodeVirtualAddress::Keepalived { .. }) => {
                kind("keepalived", "a balancer runs haproxy as well: `haproxy`")
            }
            (Role::Balancer, NodeVirtualAddress::KubeVip { .. }) => {
                kind("kubeVip", "a balancer runs no pods: `haproxy`")
            }
            _ => Ok(()),
        }
    }
}

impl Vrrp {
    /// The virtual router of an address.
    pub fn router(&self, address: IpAddr) -> u8 {
        let last = match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        self.router_id.unwrap_or(last.max(1))
    }

    /// The length of the prefix of an address.
    pub fn prefix(&self, address: IpAddr) -> u8 {
        self.prefix.unwrap_or(width(address))
    }

    fn check(&self, address: IpAddr) -> Result<(), Objection> {
        if let Some(name) = &self.interface {
            check_interface(name).map_err(|why| ("interface", name.clone(), why))?;
        }
        if !(1..=width(address)).contains(&self.prefix(address)) {
            return Err(("prefix", self.prefix(address).to_string(), "it is 1 to 32, or 128 for IPv6"));
        }
        if self.router_id == Some(0) {
            return Err(("routerId", "0".to_owned(), "it is 1 to 255"));
        }
        if !(1..=MAX_PRIORITY).contains(&self.priority) {
            return Err(("priority", self.priority.to_string(), "it is 1 to 254"));
        }
        let cannot_be = |peer: &&IpAddr| **peer == address || peer.is_ipv4() != address.is_ipv4();
        match self.peers.iter().find(cannot_be) {
            Some(peer) => {
                Err(("peers", peer.to_string(), "it is the address of another node, of the same family"))
            }
            None => Ok(()),
        }
    }
}

impl Balancer {
    fn check(&self, role: Role) -> Result<(), Objection> {
        if self.servers.is_empty() {
            return Err(("servers", String::new(), "there has to be one"));
        }
        if self.port == self.status_port {
            return Err(("statusPort", self.status_port.to_string(), "haproxy listens there already"));
        }
        match role {
            Role::Server if self.port == API_PORT => {
                Err(("port", API_PORT.to_string(), "a server has its own API there: take another one"))
            }
            _ => Ok(()),
        }
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether a machine may have the address at all.
fn is_usable(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_broadcast)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// That of the first of two servers.
    pub(crate) fn keepalived() -> NodeVirtualAddress {
        parse(
            r#"{"kind": "keepalived", "address": "10.0.0.100", "vrrp": {"priority": 200, "peers": ["10.0.0.2"]}}"#,
        )
    }

    /// The same with haproxy at this port.
    pub(crate) fn haproxy(port: u16) -> NodeVirtualAddress {
        parse(&format!(
            r#"{{"kind": "haproxy", "address": "10.0.0.100", "vrrp": {{"priority": 200, "peers": ["10.0.0.2"]}},
                 "balancer": {{"port": {port}, "statusPort": 8404, "servers": ["10.0.0.1", "10.0.0.2"]}}}}"#
        ))
    }

    pub(crate) fn parse(json: &str) -> NodeVirtualAddress {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn defaults_follow_from_the_address() {
        let (address, vrrp) = (keepalived().address().unwrap(), keepalived().vrrp().unwrap().1.clone());
        assert_eq!((vrrp.router(address), vrrp.prefix(address)), (100, 32));
        let six = "fd00::1:0".parse().unwrap();
        assert_eq!((vrrp.router(six), vrrp.prefix(six)), (1, 128));
        assert_eq!(keepalived().host(), "10.0.0.100");
        assert_eq!(haproxy(7443).ports(), [7443, 8404]);
        let json = serde_json::to_string(&haproxy(7443)).unwrap();
        assert_eq!(parse(&json), haproxy(7443));
    }

    #[test]
    fn what_cannot_be_is_told_by_its_key() {
        let objection = |role, address: NodeVirtualAddress| {
            address.check(role, Some("10.0.0.1".parse().unwrap())).unwrap_err().0
        };
        let vrrp = |change: &dyn Fn(&mut Vrrp)| match keepalived() {
            NodeVirtualAddress::Keepalived { address, mut vrrp } => {
                change(&mut vrrp);
                NodeVirtualAddress::Keepalived { address, vrrp }
            }
            other => other,
        };
        let at = |address: &str| match keepalived() {
            NodeVirtualAddress::Keepalived { vrrp, .. } => {
                NodeVirtualAddress::Keepalived { address: address.parse().unwrap(), vrrp }
            }
            other => other,
        };
        assert_eq!(keepalived().check(Role::Server, Some("10.0.0.1".parse().unwrap())), Ok(()));
        assert_eq!(haproxy(6443).check(Role::Balancer, None), Ok(()));
        for (key, role, address) in [
            ("address", Role::Server, at("10.0.0.1")),
            ("address", Role::Server, at("127.0.0.1")),
            ("address", Role::Server, at("224.0.0.18")),
            ("peers", Role::Server, at("10.0.0.2")),
            ("peers", Role::Server, at("fd00::1")),
            ("kind", Role::Agent, keepalived()),
            ("kind", Role::Balancer, keepalived()),
            ("port", Role::Server, haproxy(6443)),
            ("statusPort", Role::Server, haproxy(8404)),
            ("priority", Role::Server, vrrp(&|vrrp| vrrp.priority = 255)),
            ("priority", Role::Server, vrrp(&|vrrp| vrrp.priority = 0)),
            ("prefix", Role::Server, vrrp(&|vrrp| vrrp.prefix = Some(33))),
            ("routerId", Role::Server, vrrp(&|vrrp| vrrp.router_id = Some(0))),
            ("interface", Role::Server, vrrp(&|vrrp| vrrp.interface = Some("a b".to_owned()))),
            ("host", Role::Server, NodeVirtualAddress::External { host: "a b".to_owned() }),
            ("kind", Role::Agent, NodeVirtualAddress::External { host: "lb".to_owned() }),
        ] {
            assert_eq!(objection(role, address.clone()), key, "{address:?}");
        }
    }
}
