//! The settings of one host, as `airlock install --settings` takes them.

use super::{Wanted, url};
use crate::cluster::inventory::{Cluster, Host, Inventory, Role, VirtualAddress, VirtualAddressMode};
use crate::cluster::survey::look::Identity;
use crate::node::settings::{self, Registry, Settings};

/// Port of the control plane.
const API: u16 = 6443;

/// The settings of a host. `before` is what it is already.
pub(super) fn settings(
    inventory: &Inventory,
    host: &Host,
    wanted: &Wanted,
    before: Option<&Identity>,
) -> Option<Settings> {
    let cluster = &inventory.cluster;
    let address = wanted.address(&host.name)?;
    let join = match host.name == wanted.entry.host {
        // It stays what it is: a member that others may have let in.
        true => before.filter(|_| wanted.entry.is_member).and_then(|identity| identity.joined.clone()),
        false => Some(join(inventory, host, wanted, before)?),
    };
    Some(Settings {
        role: role(host.role),
        join,
        name: Some(host.name.clone()),
        address: Some(address),
        interface: host.interface.clone(),
        labels: host.labels.clone(),
        taints: host.taints.clone(),
        server_names: server_names(cluster),
        disable: cluster.disable.clone(),
        http_port: cluster.http_port,
        https_port: cluster.https_port,
        cluster_cidr: cluster.cluster_cidr,
        service_cidr: cluster.service_cidr,
        data_directory: cluster.data_directory.clone(),
        registry: registry(inventory, host, wanted),
        share_images: cluster.share_images.unwrap_or(members(inventory) > 2),
        gpu: host.gpu,
        packages: cluster.packages,
        target: cluster.target.clone(),
        ..Settings::default()
    })
}

/// How many hosts run pods.
fn members(inventory: &Inventory) -> usize {
    inventory.hosts.iter().filter(|host| host.role != Role::Balancer).count()
}

/// Servers join a server: only its datastore can let them in. Everybody else joins the address in front of them, which
/// is there however any one of them is.
fn join(inventory: &Inventory, host: &Host, wanted: &Wanted, before: Option<&Identity>) -> Option<String> {
    let entry = url(wanted.address(&wanted.entry.host)?, API);
    let joined = before.and_then(|identity| identity.joined.clone());
    match (&inventory.cluster.virtual_address, host.role) {
        // Another member let it in; that one counts for its first start alone.
        (_, Role::Server) => Some(joined.unwrap_or(entry)),
        (Some(address), _) => Some(front(address)),
        (None, _) => {
            let mut servers =
                inventory.of_role(Role::Server).filter_map(|server| wanted.address(&server.name));
            let is_ours = |joined: &String| servers.any(|address| url(address, API) == *joined);
            Some(joined.filter(is_ours).unwrap_or(entry))
        }
    }
}

/// Where the control plane is behind an address in front of the servers.
fn front(address: &VirtualAddress) -> String {
    let port = match address.mode {
        VirtualAddressMode::Haproxy { port, .. } | VirtualAddressMode::External { port } => port,
        VirtualAddressMode::Keepalived(_) | VirtualAddressMode::KubeVip { .. } => API,
    };
    match address.host.parse() {
        Ok(address) => url(address, port),
        Err(_) => format!("https://{}:{port}", address.host),
    }
}

fn server_names(cluster: &Cluster) -> Vec<String> {
    let mut names = cluster.server_names.clone();
    names.extend(cluster.virtual_address.iter().map(|address| address.host.clone()));
    names.sort();
    names.dedup();
    names
}

fn role(role: Role) -> settings::Role {
    match role {
        Role::Server => settings::Role::Server,
        Role::Agent => settings::Role::Agent,
        Role::Balancer => settings::Role::Agent,
    }
}

fn registry(inventory: &Inventory, host: &Host, wanted: &Wanted) -> Registry {
    if let Some(endpoint) = &inventory.cluster.site_registry {
        return Registry::External { endpoint: endpoint.clone(), pull_auth: false };
    }
    let others = wanted.registries(inventory).into_iter().filter(|(name, _)| *name != host.name);
    let endpoints = others.map(|(_, url)| url).collect();
    match host.has_registry {
        true => Registry::Own { port: inventory.cluster.registry_port, in_place: false, endpoints },
        false => Registry::Peers { endpoints },
    }
}
