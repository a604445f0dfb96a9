//! The address by which other nodes reach a host.

use std::net::IpAddr;

use crate::cluster::inventory::{Connection, Host};
use crate::error::{Error, Result, codes};
use crate::node::facts::{Interface, Network};
use crate::node::preflight::mend::ROUTE_INTERFACE;

/// What the inventory says; else the address of the interface that it names, the one that we reach it by if it is its
/// own, that of the default route, its only one.
///
/// # Errors
/// [`codes::NODE_SETTINGS`] if it has none, or several and nothing tells which.
pub fn address(host: &Host, network: &Network) -> Result<IpAddr> {
    if let Some(address) = host.address {
        return Ok(address);
    }
    if let Some(name) = &host.interface {
        let interface = network.interfaces.iter().find(|interface| interface.name == *name);
        return interface
            .and_then(|interface| first(&of(interface)))
            .ok_or_else(|| no_address(host, name, network));
    }
    let all: Vec<IpAddr> = usable(network).flat_map(of).collect();
    let reached = match &host.connection {
        Connection::Ssh(ssh) => ssh.host.parse::<IpAddr>().ok().filter(|address| all.contains(address)),
        Connection::Local { .. } => None,
    };
    let routed = || {
        let route = network.default_routes().filter(|route| route.interface != ROUTE_INTERFACE);
        let route = route.min_by_key(|route| route.metric)?;
        first(&of(usable(network).find(|interface| interface.name == route.interface)?))
    };
    let only = || {
        let four: Vec<&IpAddr> = all.iter().filter(|address| address.is_ipv4()).collect();
        match (&four[..], &all[..]) {
            ([address], _) => Some(**address),
            ([], [address]) => Some(*address),
            _ => None,
        }
    };
    reached.or_else(routed).or_else(only).ok_or_else(|| unclear(host, &all))
}

/// `https://ADDRESS:PORT`.
pub fn url(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("https://{address}:{port}"),
        IpAddr::V6(address) => format!("https://[{address}]:{port}"),
    }
}

fn usable(network: &Network) -> impl Iterator<Item = &Interface> {
    network.interfaces.iter().filter(|one| !one.is_of_pods() && one.name != ROUTE_INTERFACE)
}

fn of(interface: &Interface) -> Vec<IpAddr> {
    let subnets = interface.addresses.iter().filter(|subnet| !subnet.is_link_local());
    subnets.map(|subnet| subnet.address).collect()
}

/// IPv4 before IPv6.
fn first(addresses: &[IpAddr]) -> Option<IpAddr> {
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

fn no_address(host: &Host, interface: &str, network: &Network) -> Error {
    let there: Vec<&str> = usable(network).map(|interface| interface.name.as_str()).collect();
    let message = format!("{} has no interface `{interface}` with an address", host.name);
    Error::new(codes::NODE_SETTINGS, message)
        .with_detail(format!("it has: {}", crate::quote::escape(&there.join(", "))))
        .with_help(format!("name another `interface` for {} in the inventory", host.name))
}

fn unclear(host: &Host, all: &[IpAddr]) -> Error {
    let list: Vec<String> = all.iter().map(IpAddr::to_string).collect();
    let message = match all {
        [] => format!("{} has no address by which other nodes could reach it", host.name),
        _ => format!(
            "{} has several addresses by which other nodes may reach it: {}",
            host.name,
            list.join(", ")
        ),
    };
    Error::new(codes::NODE_SETTINGS, message)
        .with_help(format!("name its `address` or its `interface` in the inventory, for {}", host.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::tests::hosts;
    use crate::node::facts::{Route, Subnet};

    fn network(interfaces: &[(&str, &[&str])], route: Option<&str>) -> Network {
        let subnet = |address: &&str| Subnet { address: address.parse().unwrap(), prefix: 24 };
        let interface = |(name, addresses): &(&str, &[&str])| Interface {
            name: (*name).to_owned(),
            addresses: addresses.iter().map(subnet).collect(),
            ..Interface::default()
        };
        let route = route.map(|name| Route {
            destination: Subnet { address: "0.0.0.0".parse().unwrap(), prefix: 0 },
            gateway: None,
            interface: name.to_owned(),
            metric: 100,
        });
        Network {
            interfaces: interfaces.iter().map(interface).collect(),
            routes: route.into_iter().collect(),
            ..Network::default()
        }
    }

    #[test]
    fn what_is_said_counts_before_what_is_found() {
        let mut host = hosts(&["a"]).remove(0);
        let rack = network(&[("eth0", &["10.0.2.15", "fd00::1"]), ("eth1", &["192.168.0.7"])], Some("eth0"));
        let found = |host: &Host| address(host, &rack).unwrap().to_string();
        assert_eq!(found(&host), "10.0.2.15", "that of the default route");
        let Connection::Ssh(ssh) = &mut host.connection else { panic!() };
        ssh.host = "127.0.0.1".to_owned();
        assert_eq!(found(&host), "10.0.2.15", "we go through a tunnel");
        let Connection::Ssh(ssh) = &mut host.connection else { panic!() };
        ssh.host = "192.168.0.7".to_owned();
        assert_eq!(found(&host), "192.168.0.7", "the one that we use");
        host.interface = Some("eth0".to_owned());
        assert_eq!(found(&host), "10.0.2.15");
        host.address = Some("10.9.9.9".parse().unwrap());
        assert_eq!(found(&host), "10.9.9.9");
    }

    #[test]
    fn where_nothing_tells_the_inventory_has_to() {
        let mut host = hosts(&["a"]).remove(0);
        let own = |interfaces| network(interfaces, Some(ROUTE_INTERFACE));
        let one = own(&[
            (ROUTE_INTERFACE, &["203.0.113.254"]),
            ("eth0", &["fe80::1", "10.0.0.1"]),
            ("cni0", &["10.42.0.1"]),
        ]);
        assert_eq!(address(&host, &one).unwrap().to_string(), "10.0.0.1");
        let error = address(&host, &own(&[("eth0", &["10.0.0.1"]), ("eth1", &["10.0.1.1"])])).unwrap_err();
        assert!(error.message().ends_with("it: 10.0.0.1, 10.0.1.1"), "{error}");
        host.interface = Some("eth9".to_owned());
        let error = address(&host, &one).unwrap_err();
        assert!(error.details()[0].contains("eth0"), "{error:?}");
    }

    #[test]
    fn urls_of_both_families() {
        assert_eq!(url("10.0.0.1".parse().unwrap(), 6443), "https://10.0.0.1:6443");
        assert_eq!(url("fd00::1".parse().unwrap(), 5443), "https://[fd00::1]:5443");
    }
}
