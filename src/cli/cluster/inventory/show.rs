//! `airlock cluster inventory show`: the hosts and what is wanted of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::cli::cluster::{InventoryOptions, read_inventory};
use crate::cli::session::Session;
use crate::cluster::inventory::{
    Cluster, Connection, Host, NfsMount, Role, VirtualAddress, VirtualAddressMode,
};
use crate::error::Result;
use crate::node::settings::{Gpu, Taint};
use crate::ui::table::{Align, Table};

/// Show the hosts of an inventory and what is wanted of them, without secrets
///
/// Nothing is connected to. Whatever the inventory leaves open is shown as it will be.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ShowArgs {
    #[command(flatten)]
    inventory: InventoryOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster inventory show
  airlock cluster inventory show -i hosts.ini --limit agents
  airlock cluster inventory show --json | jq -r '.hosts[] | select(.gpu == \"yes\").name'";

/// An inventory as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    hosts: Vec<ShownHost>,
    virtual_address: Option<ShownAddress>,
    /// Whether the inventory has a token; it is not shown.
    has_token: bool,
    server_names: Vec<String>,
    disable: Vec<String>,
    http_port: u16,
    https_port: u16,
    registry_port: u16,
    site_registry: Option<String>,
    cluster_cidr: String,
    service_cidr: String,
    data_directory: String,
    share_images: Option<bool>,
    packages: bool,
    target: Option<String>,
    concurrency: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownHost {
    name: String,
    role: &'static str,
    /// `None` for the machine itself.
    ssh: Option<ShownSsh>,
    has_sudo_password: bool,
    address: Option<IpAddr>,
    interface: Option<String>,
    has_registry: bool,
    gpu: Gpu,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    nfs: Vec<ShownMount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSsh {
    host: String,
    user: Option<String>,
    port: Option<u16>,
    identity_file: Option<String>,
    jump: Option<String>,
    host_keys: Vec<String>,
}

#[derive(Serialize)]
struct ShownMount {
    source: String,
    path: String,
    options: String,
}

#[derive(Serialize)]
struct ShownAddress {
    host: String,
    mode: &'static str,
}

pub(super) fn run(arguments: ShowArgs, session: &Session) -> Result<()> {
    let read = read_inventory(&arguments.inventory.inventory, session)?;
    let hosts = arguments.inventory.selected(&read.inventory)?;
    let shown = Shown::of(&hosts, &read.inventory.cluster);
    session.print(&shown, render)
}

impl Shown {
    fn of(hosts: &[&Host], cluster: &Cluster) -> Shown {
        let cluster = cluster.clone();
        Shown {
            hosts: hosts.iter().map(|host| ShownHost::of(host)).collect(),
            virtual_address: cluster.virtual_address.as_ref().map(ShownAddress::of),
            has_token: cluster.token.is_some(),
            server_names: cluster.server_names,
            disable: cluster.disable,
            http_port: cluster.http_port,
            https_port: cluster.https_port,
            registry_port: cluster.registry_port,
            site_registry: cluster.site_registry,
            cluster_cidr: cluster.cluster_cidr.to_string(),
            service_cidr: cluster.service_cidr.to_string(),
            data_directory: cluster.data_directory,
            share_images: cluster.share_images,
            packages: cluster.packages,
            target: cluster.target,
            concurrency: cluster.concurrency,
        }
    }
}

impl ShownHost {
    fn of(host: &Host) -> ShownHost {
        let ssh = match &host.connection {
            Connection::Local { .. } => None,
            Connection::Ssh(ssh) => Some(ShownSsh {
                host: ssh.host.clone(),
                user: ssh.user.clone(),
                port: ssh.port,
                identity_file: ssh.identity_file.as_ref().map(|path| path.to_string_lossy().into_owned()),
                jump: ssh.jump.clone(),
                host_keys: ssh.host_keys.clone(),
            }),
        };
        let mount = |mount: &NfsMount| ShownMount {
            source: mount.source.clone(),
            path: mount.path.clone(),
            options: mount.options.clone(),
        };
        ShownHost {
            name: host.name.clone(),
            role: role(host.role),
            ssh,
            has_sudo_password: host.connection.sudo_password().is_some(),
            address: host.address,
            interface: host.interface.clone(),
            has_registry: host.has_registry,
            gpu: host.gpu,
            labels: host.labels.clone(),
            taints: host.taints.clone(),
            nfs: host.nfs.iter().map(mount).collect(),
        }
    }
}

impl ShownAddress {
    fn of(address: &VirtualAddress) -> ShownAddress {
        let mode = match address.mode {
            VirtualAddressMode::Keepalived(_) => "keepalived",
            VirtualAddressMode::Haproxy { .. } => "haproxy",
            VirtualAddressMode::KubeVip { .. } => "kube-vip",
            VirtualAddressMode::External { .. } => "external",
        };
        ShownAddress { host: address.host.clone(), mode }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Agent => "agent",
        Role::Balancer => "balancer",
    }
}

fn render(shown: &Shown) -> String {
    let mut table = Table::new([
        ("HOST", Align::Left),
        ("ROLE", Align::Left),
        ("REACHED BY", Align::Left),
        ("NODE ADDRESS", Align::Left),
        ("GPU", Align::Left),
        ("REGISTRY", Align::Left),
        ("LABELS, TAINTS, MOUNTS", Align::Left),
    ]);
    for host in &shown.hosts {
        let gpu = match host.gpu {
            Gpu::Auto => "auto",
            Gpu::Yes => "yes",
            Gpu::No => "no",
        };
        let registry = if host.has_registry { "own" } else { "-" };
        table.row([&host.name, host.role, &reached(host), &node_address(host), gpu, registry, &more(host)]);
    }
    format!("{}\n{}", table.render(), settings(shown).render())
}

fn reached(host: &ShownHost) -> String {
    let Some(ssh) = &host.ssh else { return "this machine".to_owned() };
    let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let name = if ssh.host.contains(':') { format!("[{}]", ssh.host) } else { ssh.host.clone() };
    let port = ssh.port.map(|port| format!(":{port}")).unwrap_or_default();
    let jump = ssh.jump.as_ref().map(|jump| format!(" by {jump}")).unwrap_or_default();
    format!("{user}{name}{port}{jump}")
}

fn node_address(host: &ShownHost) -> String {
    match (host.address, &host.interface) {
        (Some(address), _) => address.to_string(),
        (None, Some(interface)) => format!("of {interface}"),
        (None, None) => "of the default route".to_owned(),
    }
}

fn more(host: &ShownHost) -> String {
    let labels = host.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let taints = host.taints.iter().map(|taint| taint.as_str().to_owned());
    let mounts = host.nfs.iter().map(|mount| format!("{} on {}", mount.source, mount.path));
    let words: Vec<String> = labels.chain(taints).chain(mounts).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn settings(shown: &Shown) -> Table {
    let or_usual = |value: &Option<String>, usual: &str| value.clone().unwrap_or_else(|| usual.to_owned());
    let list = |words: &[String]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    let address = shown.virtual_address.as_ref().map(|address| format!("{}, {}", address.host, address.mode));
    let token = if shown.has_token { "given, not shown" } else { "made by the first server" };
    let shares = match shown.share_images {
        None => "in clusters of more than two",
        Some(true) => "yes",
        Some(false) => "no",
    };
    let mut table = Table::new([("CLUSTER", Align::Left), ("", Align::Left)]);
    for (what, value) in [
        ("virtual address", or_usual(&address, "none")),
        ("token", token.to_owned()),
        ("names of servers", list(&shown.server_names)),
        ("left out of k3s", list(&shown.disable)),
        ("ingress", format!("HTTP on {}, HTTPS on {}", shown.http_port, shown.https_port)),
        (
            "registry",
            or_usual(&shown.site_registry, &format!("of the nodes, on port {}", shown.registry_port)),
        ),
        ("pods", shown.cluster_cidr.clone()),
        ("services", shown.service_cidr.clone()),
        ("data", shown.data_directory.clone()),
        ("nodes share images", shares.to_owned()),
        (
            "packages",
            if shown.packages { or_usual(&shown.target, "of the bundle") } else { "none".to_owned() },
        ),
        ("at the same time", format!("{} commands", shown.concurrency)),
    ] {
        table.row([what, &value]);
    }
    table
}
