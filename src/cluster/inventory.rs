//! The hosts of a cluster and what is wanted of them, checked: from `cluster.yaml` or an Ansible inventory.
//!
//! `spec::cluster` and `spec::ansible` read the files; whatever is here is valid.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::error::Location;
use crate::node::settings::{Cidr, Gpu, REGISTRY_PORT, Taint};
use crate::secret::Secret;

/// Commands that run at the same time unless the inventory says otherwise.
pub const CONCURRENCY: usize = 30;
/// Agents that join at the same time: k3s advises against more (`k3s.md` 4.2).
pub const BATCH: usize = 50;

/// A whole inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Servers, then agents, then balancers, each in the order of the file. There is at least one server; the first
    /// founds the cluster.
    pub hosts: Vec<Host>,
    /// What holds for all of them.
    pub cluster: Cluster,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in the inventory, in reports, and in the cluster. No two are equal.
    pub name: String,
    /// Where the file names it.
    pub location: Location,
    /// What it is in the cluster.
    pub role: Role,
    /// Whether it has a registry of its own with the whole bundle. Servers do, unless the site has a registry.
    pub has_registry: bool,
    /// How it is reached.
    pub connection: Connection,
    /// Address by which other nodes reach it, where that is not known from [`Host::interface`] or the connection.
    pub address: Option<IpAddr>,
    /// Interface for the traffic between nodes.
    pub interface: Option<String>,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Taints of the node.
    pub taints: Vec<Taint>,
    /// Whether it gets the GPU parts of the bundle.
    pub gpu: Gpu,
    /// Network file systems that it mounts.
    pub nfs: Vec<NfsMount>,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Control plane and datastore.
    Server,
    /// Runs pods.
    Agent,
    /// Runs no k3s; holds the virtual address and passes connections on to the servers.
    Balancer,
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The machine on which the command runs.
    Local {
        /// For `sudo`, if it asks.
        sudo_password: Option<Secret<String>>,
    },
    /// By the user's own OpenSSH.
    Ssh(Ssh),
}

/// What OpenSSH is told. Everything that is missing is up to its own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Host name, address, or name in `ssh_config`; never begins with `-`.
    pub host: String,
    /// Who logs in.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Private key.
    pub identity_file: Option<PathBuf>,
    /// Hosts to go through, as `ProxyJump` takes them.
    pub jump: Option<String>,
    /// Fingerprints of host keys, `SHA256:…`; one of them has to be shown. Without any, `known_hosts` decides.
    pub host_keys: Vec<String>,
    /// For `sudo`, if it asks.
    pub sudo_password: Option<Secret<String>>,
}

/// A network file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsMount {
    /// `HOST:/path`.
    pub source: String,
    /// Where it is mounted, absolute.
    pub path: String,
    /// As in nfs(5), without spaces.
    pub options: String,
}

/// What holds for all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Token with which nodes join; without one the first server makes it.
    pub token: Option<Secret<String>>,
    /// The address in front of the servers.
    pub virtual_address: Option<VirtualAddress>,
    /// Other names and addresses of the servers, for their certificates.
    pub server_names: Vec<String>,
    /// Parts of k3s that are left out.
    pub disable: Vec<String>,
    /// Port of the ingress for HTTP.
    pub http_port: u16,
    /// Port of the ingress for HTTPS.
    pub https_port: u16,
    /// Port of the registries of the nodes.
    pub registry_port: u16,
    /// Registry of the site instead, with the project in it: `https://harbor.lab/platform`.
    pub site_registry: Option<String>,
    /// Whether nodes log in there to pull, too.
    pub site_registry_pull_auth: bool,
    /// Network of the pods.
    pub cluster_cidr: Cidr,
    /// Network of the services.
    pub service_cidr: Cidr,
    /// Where k3s keeps its data.
    pub data_directory: String,
    /// Whether nodes share images; if nothing is said, they do in clusters of more than two.
    pub share_images: Option<bool>,
    /// Whether packages of the bundle are installed.
    pub packages: bool,
    /// Which target of `apt` in the bundle, where there are several for a distribution.
    pub target: Option<String>,
    /// How many commands run at the same time.
    pub concurrency: usize,
}

/// An address in front of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address, or the name or address of a load balancer of the site.
    pub host: String,
    /// Who holds it.
    pub mode: VirtualAddressMode,
}

/// Who holds the address in front of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VirtualAddressMode {
    /// keepalived on the servers; the address moves among them.
    Keepalived(Vrrp),
    /// keepalived and haproxy: on hosts of the role [`Role::Balancer`] if there are any, else on the servers.
    Haproxy {
        /// How the address moves.
        vrrp: Vrrp,
        /// Where haproxy listens: 6443 on balancers, another port on servers.
        port: u16,
        /// Port of its status page.
        status_port: u16,
    },
    /// kube-vip in the cluster, by ARP.
    KubeVip {
        /// Interface; otherwise that of the default route.
        interface: Option<String>,
    },
    /// Somebody else: a load balancer of the site. Airlock does nothing for it.
    External {
        /// Its port.
        port: u16,
    },
}

/// How keepalived moves an address (RFC 5798).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vrrp {
    /// Length of the network prefix of the address; 32 or 128 if nothing is said.
    pub prefix: Option<u8>,
    /// Interface that gets the address; otherwise that of the node.
    pub interface: Option<String>,
    /// Virtual router, 1 to 255, unique on the segment; otherwise it follows from the address.
    pub router_id: Option<u8>,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster {
            token: None,
            virtual_address: None,
            server_names: Vec::new(),
            disable: Vec::new(),
            http_port: 80,
            https_port: 443,
            registry_port: REGISTRY_PORT,
            site_registry: None,
            site_registry_pull_auth: false,
            cluster_cidr: Cidr::POD_DEFAULT,
            service_cidr: Cidr::SERVICE_DEFAULT,
            data_directory: "/var/lib/rancher/k3s".to_owned(),
            share_images: None,
            packages: true,
            target: None,
            concurrency: CONCURRENCY,
        }
    }
}

impl Inventory {
    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// Whether nodes share images among themselves: as the inventory says, else where there are more than two of them.
    pub fn shares_images(&self) -> bool {
        let nodes = self.hosts.iter().filter(|host| host.role != Role::Balancer).count();
        self.cluster.share_images.unwrap_or(nodes > 2)
    }

    /// The hosts of a role, in the order of the file.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.role == role)
    }

    /// Whether its servers are an even number, of which whoever reads it is warned.
    pub fn has_even_servers(&self) -> bool {
        let servers = self.of_role(Role::Server).count();
        servers > 0 && servers.is_multiple_of(2)
    }
}

impl Connection {
    /// The password for `sudo`, if one was given.
    pub fn sudo_password(&self) -> Option<&Secret<String>> {
        match self {
            Connection::Local { sudo_password } => sudo_password.as_ref(),
            Connection::Ssh(ssh) => ssh.sudo_password.as_ref(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An inventory with [`hosts`] of these names, and nothing said about the cluster.
    pub(crate) fn inventory(names: &[&str]) -> Inventory {
        let cluster = Cluster::default();
        Inventory { hosts: hosts(names), cluster }
    }

    /// Hosts with these names and nothing else: the first is a server, the others are agents.
    pub(crate) fn hosts(names: &[&str]) -> Vec<Host> {
        let host = |(index, name): (usize, &&str)| Host {
            name: (*name).to_owned(),
            location: Location { file: "cluster.yaml".to_owned(), line: index + 1, column: 1, snippet: None },
            role: if index == 0 { Role::Server } else { Role::Agent },
            has_registry: index == 0,
            connection: Connection::Ssh(Ssh {
                host: (*name).to_owned(),
                user: None,
                port: None,
                identity_file: None,
                jump: None,
                host_keys: Vec::new(),
                sudo_password: None,
            }),
            address: None,
            interface: None,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            gpu: Gpu::Auto,
            nfs: Vec::new(),
        };
        names.iter().enumerate().map(host).collect()
    }
}
