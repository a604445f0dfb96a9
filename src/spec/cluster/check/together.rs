//! What values say together: hosts that are the same, a number of servers, addresses and networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::host::Placed;
use super::settings::is_taken;
use crate::cluster::inventory::{Cluster, Connection, Role, VirtualAddressMode};
use crate::error::{Error, codes};
use crate::node::settings::Cidr;
use crate::spec::check::{Check, refused};
use crate::spec::cluster::{Warning, raw};
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Everything that takes more than one value to see.
pub(super) fn check(
    check: &mut Check<'_>,
    located: &Located<raw::Cluster>,
    hosts: &[Placed],
    cluster: &Cluster,
    warnings: &mut Vec<Warning>,
) {
    for problem in twice(check.source, hosts) {
        check.keep::<()>(Err(problem));
    }
    let problems = [
        no_server(check.source, located, hosts),
        no_first_registry(check.source, hosts, cluster),
        balancers_without_address(check.source, hosts, cluster),
        two_here(check.source, hosts),
        balancing_port(check.source, located, hosts, cluster),
    ];
    for problem in problems.into_iter().flatten().chain(networks(check.source, located, hosts, cluster)) {
        check.keep::<()>(Err(problem));
    }
    warnings.extend(even_number(hosts, cluster));
}

/// Hosts of the same name, of the same address, or behind the same door.
fn twice(source: &Source<'_>, hosts: &[Placed]) -> Vec<Error> {
    let mut seen: BTreeMap<String, &Placed> = BTreeMap::new();
    let mut problems = Vec::new();
    for placed in hosts {
        let host = &placed.host;
        let door = match &host.connection {
            Connection::Ssh(ssh) => Some(format!(
                "{} port {} {:?}",
                ssh.host.to_ascii_lowercase(),
                ssh.port.unwrap_or(22),
                ssh.jump
            )),
            Connection::Local { .. } => None,
        };
        let marks = [
            Some((format!("name {}", host.name), "name")),
            door.map(|door| (format!("door {door}"), "address and port of SSH")),
            host.address.map(|address| (format!("address {address}"), "`address`")),
        ];
        // Who has the same name is the same in everything else too; that is said once.
        let same = marks.into_iter().flatten().find_map(|(mark, what)| match seen.get(&mark) {
            Some(first) => Some((*first, what)),
            None => seen.insert(mark, placed).and(None),
        });
        if let Some((first, what)) = same {
            problems.push(the_same(source, first, placed, what));
        }
    }
    problems
}

fn the_same(source: &Source<'_>, first: &Placed, second: &Placed, what: &str) -> Error {
    let line = first.host.location.line;
    let (message, help) = match first.host.name == second.host.name {
        true => (
            format!("the host `{}` stands twice, first on line {line}", second.host.name),
            format!("delete this one or the one on line {line}; a server runs pods too"),
        ),
        false => (
            format!("`{}` has the same {what} as `{}` on line {line}", second.host.name, first.host.name),
            "give each host its own; two names for one machine make two nodes that fight each other"
                .to_owned(),
        ),
    };
    source.error(codes::INVENTORY_TWICE, message, &second.span, "the same again").with_help(help)
}

fn no_server(source: &Source<'_>, located: &Located<raw::Cluster>, hosts: &[Placed]) -> Option<Error> {
    if hosts.iter().any(|placed| placed.host.role == Role::Server) {
        return None;
    }
    let span = located.value.servers.as_ref().map_or(&located.span, |servers| &servers.span);
    let help = match source.is_yaml {
        true => "name at least one host under `servers:`; the first founds the cluster",
        false => {
            "put at least one host into the group `[master]` or `[server]`; one in `[driver]` founds the cluster"
        }
    };
    let message = "the inventory has no server, and a cluster needs one";
    Some(source.error(codes::INVENTORY_NO_SERVER, message, span, "").with_help(help))
}

/// The first server gets the bundle, and the others pull from it.
fn no_first_registry(source: &Source<'_>, hosts: &[Placed], cluster: &Cluster) -> Option<Error> {
    let first = hosts.iter().find(|placed| placed.host.role == Role::Server)?;
    if first.host.has_registry || cluster.site_registry.is_some() {
        return None;
    }
    let message = format!("`{}` is the first server and has no registry", first.host.name);
    let help = "the bundle is sent to the first server, and the other nodes pull from it: delete `registry: false`, or \
                name a `siteRegistry`";
    Some(refused(source, &first.span, message, help))
}

fn balancers_without_address(source: &Source<'_>, hosts: &[Placed], cluster: &Cluster) -> Option<Error> {
    let balancer = hosts.iter().find(|placed| placed.host.role == Role::Balancer)?;
    if cluster.virtual_address.is_some() {
        return None;
    }
    let message = format!("`{}` is a balancer, and there is no virtual address for it", balancer.host.name);
    let help = match source.is_yaml {
        true => "add `virtualAddress: ADDRESS`, one that no machine has yet, or delete the balancers",
        false => "set `vip=ADDRESS` in `[all:vars]`, one that no machine has yet, or delete the balancers",
    };
    Some(refused(source, &balancer.span, message, help))
}

/// Only one host is the machine itself.
fn two_here(source: &Source<'_>, hosts: &[Placed]) -> Option<Error> {
    let mut here = hosts.iter().filter(|placed| matches!(placed.host.connection, Connection::Local { .. }));
    let (first, second) = (here.next()?, here.next()?);
    let line = first.host.location.line;
    let message = format!(
        "`{}` is the machine itself, and so is `{}` on line {line}",
        second.host.name, first.host.name
    );
    let help = "write for all but one of them how SSH reaches them";
    Some(source.error(codes::INVENTORY_TWICE, message, &second.span, "").with_help(help))
}

/// On servers haproxy and its status page have to leave the ports alone that k3s, the ingress and the registry have.
fn balancing_port(
    source: &Source<'_>,
    located: &Located<raw::Cluster>,
    hosts: &[Placed],
    cluster: &Cluster,
) -> Option<Error> {
    let entry = located.value.virtual_address.as_ref()?;
    let VirtualAddressMode::Haproxy { port, status_port, .. } = cluster.virtual_address.as_ref()?.mode else {
        return None;
    };
    if hosts.iter().any(|placed| placed.host.role == Role::Balancer) {
        return None;
    }
    let used = [cluster.http_port, cluster.https_port, cluster.registry_port];
    let is_used = |port: &u16| used.contains(port) || is_taken(*port);
    let port = [port, status_port].into_iter().find(is_used)?;
    let message =
        format!("haproxy is to listen on port {port} of the servers, which is used for something else");
    let help = "choose another `port` or `statusPort` of the virtual address, or have balancers of their own";
    Some(refused(source, &entry.span, message, help))
}

/// The address by which other nodes reach a host, as far as the file tells it.
fn node_address(placed: &Placed) -> Option<IpAddr> {
    let host = &placed.host;
    let of_ssh = match &host.connection {
        // With an interface the node may have another address there.
        Connection::Ssh(ssh) if host.interface.is_none() && ssh.jump.is_none() => ssh.host.parse().ok(),
        _ => None,
    };
    host.address.or(of_ssh).filter(|address: &IpAddr| !address.is_loopback())
}

/// Addresses that cannot be where they are.
fn networks(
    source: &Source<'_>,
    located: &Located<raw::Cluster>,
    hosts: &[Placed],
    cluster: &Cluster,
) -> Vec<Error> {
    let mut problems = Vec::new();
    let addresses: Vec<(IpAddr, &Placed)> =
        hosts.iter().filter_map(|placed| Some((node_address(placed)?, placed))).collect();
    for (address, placed) in addresses.iter().filter(|(_, placed)| placed.host.role != Role::Balancer) {
        for (what, key, cidr) in
            [("pods", "clusterCidr", cluster.cluster_cidr), ("services", "serviceCidr", cluster.service_cidr)]
        {
            problems
                .extend(cidr.contains(*address).then(|| within(source, placed, *address, what, key, cidr)));
        }
    }
    problems.extend(two_families(source, &addresses, cluster));
    problems.extend(virtual_address(source, located, &addresses, cluster));
    problems
}

fn within(source: &Source<'_>, placed: &Placed, address: IpAddr, what: &str, key: &str, cidr: Cidr) -> Error {
    let name = &placed.host.name;
    let message =
        format!("the node `{name}` has the address {address}, which is in {cidr}, the network of the {what}");
    let key = if source.is_yaml { format!("{key}: ") } else { format!("{}=", key.replace("Cidr", "_cidr")) };
    let help = format!("choose a network that the site does not use, for example `{key}172.20.0.0/16`");
    source.error(codes::INVENTORY_NETWORK, message, &placed.span, "").with_help(help)
}

/// Nodes and pods speak one family of addresses.
fn two_families(source: &Source<'_>, addresses: &[(IpAddr, &Placed)], cluster: &Cluster) -> Option<Error> {
    let pods = cluster.cluster_cidr.subnet().address.is_ipv4();
    let services = cluster.service_cidr.subnet().address.is_ipv4();
    let nodes = || addresses.iter().filter(|(_, placed)| placed.host.role != Role::Balancer);
    let (address, placed) = nodes().find(|(address, _)| address.is_ipv4() != pods || pods != services)?;
    let family = |is_ipv4: bool| if is_ipv4 { "IPv4" } else { "IPv6" };
    let message = format!(
        "`{}` has the {} address {address}, but the networks are {} for pods and {} for services",
        placed.host.name,
        family(address.is_ipv4()),
        family(pods),
        family(services)
    );
    let help = "use one family for all: set `clusterCidr` and `serviceCidr` to networks of the family of the nodes, such \
                as `fd00:42::/56` and `fd00:43::/112`, or write each node's `address` of the family of the networks";
    Some(source.error(codes::INVENTORY_NETWORK, message, &placed.span, "").with_help(help))
}

/// The virtual address is one that no node has, near the nodes, and outside the networks of the cluster.
fn virtual_address(
    source: &Source<'_>,
    located: &Located<raw::Cluster>,
    addresses: &[(IpAddr, &Placed)],
    cluster: &Cluster,
) -> Option<Error> {
    let entry = located.value.virtual_address.as_ref()?;
    let wanted = cluster.virtual_address.as_ref()?;
    let address: IpAddr = wanted.host.parse().ok()?;
    let span = match &entry.value {
        TextOr::Map(fields) => fields.host.as_ref().map_or(&entry.span, |host| &host.span),
        TextOr::Text(_) => &entry.span,
    };
    let error = |message: String, help: &str| {
        Some(source.error(codes::INVENTORY_NETWORK, message, span, "").with_help(help))
    };
    let is_external = matches!(wanted.mode, VirtualAddressMode::External { .. });
    if let Some((_, placed)) = addresses.iter().find(|(other, _)| *other == address).filter(|_| !is_external)
    {
        let line = placed.host.location.line;
        let message =
            format!("the virtual address {address} is that of `{}` on line {line}", placed.host.name);
        return error(message, "choose an address that no machine has: it moves from one to another");
    }
    for (what, cidr) in [("pods", cluster.cluster_cidr), ("services", cluster.service_cidr)] {
        if cidr.contains(address) {
            let message = format!("the virtual address {address} is in {cidr}, the network of the {what}");
            return error(message, "choose a free address in the network of the nodes");
        }
    }
    let prefix = match &wanted.mode {
        // On an interface of its own it may be in another network than the nodes.
        VirtualAddressMode::Keepalived(vrrp) | VirtualAddressMode::Haproxy { vrrp, .. } => {
            vrrp.prefix.filter(|_| vrrp.interface.is_none())?
        }
        VirtualAddressMode::KubeVip { .. } | VirtualAddressMode::External { .. } => return None,
    };
    let holds = |role: Role| addresses.iter().any(|(_, placed)| placed.host.role == role);
    let role = if holds(Role::Balancer) { Role::Balancer } else { Role::Server };
    let mut holders = addresses.iter().filter(|(_, placed)| placed.host.role == role);
    let (far, placed) = holders.find(|(other, _)| !same_network(address, *other, prefix))?;
    let message = format!(
        "the virtual address {address}/{prefix} is not in the network of `{}`, which has {far}",
        placed.host.name
    );
    error(
        message,
        "the hosts that hold it have to be in its network: choose another address, or correct the prefix",
    )
}

fn same_network(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(prefix)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// What an even number of servers means for etcd, which needs more than half of them.
fn even_number(hosts: &[Placed], cluster: &Cluster) -> Option<Warning> {
    let servers: Vec<&Placed> = hosts.iter().filter(|placed| placed.host.role == Role::Server).collect();
    let count = servers.len();
    let last = servers.last().filter(|_| count > 1 && count.is_multiple_of(2))?;
    let survives = count - (count / 2 + 1);
    let mut message = format!(
        "{count} servers are no safer than {}: etcd needs {} of {count}, so it survives the loss of {survives}, as {} do",
        count - 1,
        count / 2 + 1,
        count - 1
    );
    if count == 2 {
        message = "2 servers are less safe than 1: etcd needs both of them, so the loss of either stops the cluster".to_owned();
        if cluster.virtual_address.is_none() {
            message += "; and without a virtual address nodes join only while the first one runs";
        }
    }
    Some(Warning {
        message,
        help: format!("have an odd number of servers: make `{}` an agent, or add one more", last.host.name),
        location: last.host.location.clone(),
    })
}
