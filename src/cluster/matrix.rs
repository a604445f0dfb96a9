//! Who has to reach whom, and whether they do: every host listens for a while on the ports that the cluster needs
//! (those that nobody has yet), and meanwhile all connect to all (`k3s.md` 3.2).

mod gate;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use self::run::run;
use super::inventory::{Host, Inventory, Role, VirtualAddressMode};
use super::survey::Severity;
use crate::node::reach::{Outcome, Port, Target};

/// Supervisor and API of servers.
const API: Port = Port::tcp(6443);
/// The datastore, among servers: clients and peers.
const ETCD: [Port; 2] = [Port::tcp(2379), Port::tcp(2380)];
/// Kubelets: logs, exec, metrics.
const KUBELET: Port = Port::tcp(10250);
/// The network of pods.
const VXLAN: Port = Port::udp(8472);
/// Nodes that share images among themselves.
const SHARED_IMAGES: Port = Port::tcp(5001);

/// A connection that does not work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Who connects.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Where.
    pub port: Port,
    /// How it ended.
    pub outcome: Outcome,
    /// How much that matters.
    pub severity: Severity,
}

/// What one host does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The ports on which it listens.
    pub listen: BTreeSet<Port>,
    /// Those of others to which it connects, with the names of the others.
    pub connect: BTreeMap<Target, String>,
}

/// What each host does, by its name. Hosts whose address is not known take no part.
pub fn parts(inventory: &Inventory, addresses: &BTreeMap<String, IpAddr>) -> BTreeMap<String, Part> {
    let present = || inventory.hosts.iter().filter_map(|host| Some((host, *addresses.get(&host.name)?)));
    let mut parts: BTreeMap<String, Part> =
        present().map(|(host, _)| (host.name.clone(), Part::default())).collect();
    for (from, _) in present() {
        for (to, address) in present().filter(|(to, _)| to.name != from.name) {
            for port in ports(inventory, from, to) {
                if let Some(part) = parts.get_mut(&from.name) {
                    part.connect.insert(Target { address, port }, to.name.clone());
                }
                if let Some(part) = parts.get_mut(&to.name) {
                    part.listen.insert(port);
                }
            }
        }
    }
    parts
}

/// The ports of one host that another one has to reach.
fn ports(inventory: &Inventory, from: &Host, to: &Host) -> Vec<Port> {
    let cluster = &inventory.cluster;
    let mut ports = Vec::new();
    if to.role == Role::Server {
        ports.push(API);
    }
    if to.has_registry {
        ports.push(Port::tcp(cluster.registry_port));
    }
    match (from.role, to.role) {
        (_, Role::Balancer) => ports.extend(balanced(inventory)),
        (Role::Balancer, _) => {}
        (from, to) => {
            ports.extend([KUBELET, VXLAN, Port::tcp(cluster.http_port), Port::tcp(cluster.https_port)]);
            if (from, to) == (Role::Server, Role::Server) {
                ports.extend(ETCD);
            }
            if inventory.shares_images() {
                ports.extend([API, SHARED_IMAGES]);
            }
        }
    }
    ports
}

/// The port of a balancer.
fn balanced(inventory: &Inventory) -> Option<Port> {
    match inventory.cluster.virtual_address.as_ref()?.mode {
        VirtualAddressMode::Haproxy { port, .. } => Some(Port::tcp(port)),
        _ => None,
    }
}

/// How much it matters that a port of a host is not reached. Without the ingress the cluster works, if not for its users;
/// and images come from the registry where nodes do not share them.
fn severity(inventory: &Inventory, to: &str, port: Port) -> Severity {
    let ingress = [inventory.cluster.http_port, inventory.cluster.https_port].map(Port::tcp);
    let is_server = inventory.host(to).is_some_and(|host| host.role == Role::Server);
    let is_for_images = port == SHARED_IMAGES || port == API && !is_server;
    match ingress.contains(&port) || is_for_images {
        true => Severity::Warn,
        false => Severity::Block,
    }
}

impl Link {
    /// In one line.
    pub fn text(&self) -> String {
        format!("{} → {} {}: {}", self.from, self.to, self.port, self.outcome.text())
    }
}

/// The lines that open ports in a firewall for an address, for ufw and for whatever else is there.
pub fn remedy(
    host: &str,
    from: &[IpAddr],
    ports: &BTreeSet<Port>,
    has_ufw: bool,
    has_firewalld: bool,
) -> String {
    let lines: Vec<String> = ports.iter().map(|port| line(port, from, has_ufw, has_firewalld)).collect();
    format!("on {host}: {}", lines.join("; "))
}

fn line(port: &Port, from: &[IpAddr], has_ufw: bool, has_firewalld: bool) -> String {
    let text = port.to_string();
    let (number, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let source = match from {
        [address] => address.to_string(),
        _ => "any".to_owned(),
    };
    match (has_ufw, has_firewalld) {
        (true, _) => format!("`ufw allow proto {protocol} from {source} to any port {number}`"),
        (_, true) => format!("`firewall-cmd --permanent --add-port={text} && firewall-cmd --reload`"),
        _ => format!("allow {text} in its firewall, and in those between the hosts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::tests::inventory;

    #[test]
    fn everybody_connects_to_what_it_needs() {
        let mut inventory = inventory(&["s1", "s2", "w1"]);
        inventory.hosts[1].role = Role::Server;
        let addresses: BTreeMap<String, IpAddr> =
            [("s1", "10.0.0.1"), ("s2", "10.0.0.2"), ("w1", "10.0.0.3")]
                .map(|(name, address)| (name.to_owned(), address.parse().unwrap()))
                .into();
        inventory.cluster.share_images = Some(false);
        let parts = parts(&inventory, &addresses);
        let text = |part: &Part| {
            let listen: Vec<String> = part.listen.iter().map(Port::to_string).collect();
            let connect: Vec<String> = part.connect.keys().map(Target::to_string).collect();
            format!("{}\n{}", listen.join(" "), connect.join(" "))
        };
        insta::assert_snapshot!(text(&parts["w1"]), @r"
        80/tcp 443/tcp 10250/tcp 8472/udp
        10.0.0.1:80/tcp 10.0.0.1:443/tcp 10.0.0.1:5443/tcp 10.0.0.1:6443/tcp 10.0.0.1:10250/tcp 10.0.0.1:8472/udp 10.0.0.2:80/tcp 10.0.0.2:443/tcp 10.0.0.2:6443/tcp 10.0.0.2:10250/tcp 10.0.0.2:8472/udp
        ");
        assert!(parts["s1"].listen.is_superset(&ETCD.into()));
        assert!(!parts["w1"].connect.keys().any(|target| ETCD.contains(&target.port)));
    }

    #[test]
    fn what_only_the_sharing_of_images_needs_keeps_nobody_out() {
        let inventory = inventory(&["s1", "w1", "w2"]);
        let found = ["s1", "w1"].map(|to| severity(&inventory, to, API));
        assert_eq!(found, [Severity::Block, Severity::Warn]);
        assert_eq!(severity(&inventory, "w1", KUBELET), Severity::Block);
    }

    #[test]
    fn balancers_are_no_nodes_that_could_share_images() {
        let mut inventory = inventory(&["s1", "w1", "b1"]);
        assert!(inventory.shares_images());
        inventory.hosts[2].role = Role::Balancer;
        assert!(!inventory.shares_images());
    }

    #[test]
    fn the_line_for_the_firewall_can_be_copied() {
        let ports = [VXLAN].into();
        let from: [IpAddr; 1] = ["10.0.0.3".parse().unwrap()];
        let told = remedy("s1", &from, &ports, true, false);
        assert_eq!(told, "on s1: `ufw allow proto udp from 10.0.0.3 to any port 8472`");
        assert!(remedy("s1", &from, &ports, false, true).contains("--add-port=8472/udp"));
        assert!(remedy("s1", &from, &ports, false, false).contains("allow 8472/udp"));
    }
}
