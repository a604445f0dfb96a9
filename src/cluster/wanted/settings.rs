//! The settings of one host, as `airlock install --settings` takes them.

use super::{Wanted, url};
use crate::cluster::address;
use crate::cluster::inventory::{self, Host, Inventory, Role};
use crate::cluster::survey::look::Identity;
use crate::node::availability::API_PORT;
use crate::node::nfs::NfsMount;
use crate::node::settings::{self, Registry, Settings};

/// The settings of a host. `before` is what it is already.
pub(super) fn settings(
    inventory: &Inventory,
    host: &Host,
    wanted: &Wanted,
    before: Option<&Identity>,
) -> Option<Settings> {
    let cluster = &inventory.cluster;
    let address = wanted.address(&host.name)?;
    let join = match host.role {
        Role::Balancer => None,
        // It stays what it is: a member that others may have let in.
        _ if host.name == wanted.entry.host => {
            before.filter(|_| wanted.entry.is_member).and_then(|identity| identity.joined.clone())
        }
        _ => Some(join(inventory, host, wanted, before)?),
    };
    Some(Settings {
        role: role(host.role),
        join,
        name: Some(host.name.clone()),
        address: Some(address),
        interface: host.interface.clone(),
        labels: host.labels.clone(),
        taints: host.taints.clone(),
        virtual_address: address::of(inventory, host, |host| wanted.address(&host.name)).ok()?,
        nfs: host.nfs.iter().map(mount).collect(),
        server_names: cluster.server_names.clone(),
        disable: cluster.disable.clone(),
        http_port: cluster.http_port,
        https_port: cluster.https_port,
        cluster_cidr: cluster.cluster_cidr,
        service_cidr: cluster.service_cidr,
        data_directory: cluster.data_directory.clone(),
        registry: registry(inventory, host, wanted),
        share_images: inventory.shares_images(),
        gpu: host.gpu,
        packages: cluster.packages,
        target: cluster.target.clone(),
        ..Settings::default()
    })
}

/// Servers join a server: only its datastore can let them in. Everybody else joins the address in front of them, which
/// is there however any one of them is.
fn join(inventory: &Inventory, host: &Host, wanted: &Wanted, before: Option<&Identity>) -> Option<String> {
    let entry = url(wanted.address(&wanted.entry.host)?, API_PORT);
    let joined = before.and_then(|identity| identity.joined.clone());
    match (address::endpoint(inventory), host.role) {
        // Another member let it in; that one counts for its first start alone.
        (_, Role::Server) => Some(joined.unwrap_or(entry)),
        (Some(front), _) => Some(front),
        (None, _) => {
            let mut servers =
                inventory.of_role(Role::Server).filter_map(|server| wanted.address(&server.name));
            let is_ours = |joined: &String| servers.any(|address| url(address, API_PORT) == *joined);
            Some(joined.filter(is_ours).unwrap_or(entry))
        }
    }
}

fn role(role: Role) -> settings::Role {
    match role {
        Role::Server => settings::Role::Server,
        Role::Agent => settings::Role::Agent,
        Role::Balancer => settings::Role::Balancer,
    }
}

fn mount(mount: &inventory::NfsMount) -> NfsMount {
    let inventory::NfsMount { source, path, options } = mount.clone();
    NfsMount { source, path, options }
}

fn registry(inventory: &Inventory, host: &Host, wanted: &Wanted) -> Registry {
    if let Some(endpoint) = &inventory.cluster.site_registry {
        let pull_auth = inventory.cluster.site_registry_pull_auth;
        return Registry::External { endpoint: endpoint.clone(), pull_auth };
    }
    let others = wanted.registries(inventory).into_iter().filter(|(name, _)| *name != host.name);
    let endpoints = others.map(|(_, url)| url).collect();
    match host.has_registry {
        true => Registry::Own { port: inventory.cluster.registry_port, in_place: false, endpoints },
        false => Registry::Peers { endpoints },
    }
}
