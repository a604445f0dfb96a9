//! What is found out about a machine before it is installed.

use std::net::IpAddr;

use crate::error::{Error, Result, codes};
use crate::node::availability::NodeVirtualAddress;
use crate::node::facts::Network;
use crate::node::k3s::config::Surroundings;
use crate::node::machine::Machine;
use crate::node::preflight::mend::ROUTE_INTERFACE;
use crate::node::settings::Settings;
use crate::quote::quote;

/// Where name servers are listed, in the order in which k3s looks.
const LISTS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Looks for what the configuration of k3s depends on.
///
/// # Errors
/// [`codes::NODE_FILE`]; those of [`address`].
pub fn surroundings(settings: &Settings, machine: &Machine, network: &Network) -> Result<Surroundings> {
    let address = address(settings, network)?;
    for list in LISTS {
        if machine.read_text(list)?.is_some_and(|text| has_usable_server(&text)) {
            return Ok(Surroundings { without_name_server: false, address });
        }
    }
    Ok(Surroundings { without_name_server: true, address })
}

/// The address of a node that has no default route but ours: k3s would take the one of that route, which nobody
/// reaches. Nothing where k3s finds the right one, or the operator has named it.
///
/// # Errors
/// [`codes::NODE_SETTINGS`] if there are several.
pub fn address(settings: &Settings, network: &Network) -> Result<Option<IpAddr>> {
    let has_route = network.default_routes().any(|route| route.interface != ROUTE_INTERFACE);
    if has_route || settings.address.is_some() {
        return Ok(None);
    }
    let is_meant =
        |name: &str| settings.interface.as_deref().map_or(name != ROUTE_INTERFACE, |meant| name == meant);
    let interfaces =
        network.interfaces.iter().filter(|interface| !interface.is_of_pods() && is_meant(&interface.name));
    let addresses =
        interfaces.flat_map(|interface| &interface.addresses).filter(|subnet| !subnet.is_link_local());
    // The virtual address may be here at the moment; it is nobody's own.
    let virtual_address = settings.virtual_address.as_ref().and_then(NodeVirtualAddress::address);
    let addresses = addresses.map(|subnet| subnet.address).filter(|own| Some(*own) != virtual_address);
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = addresses.partition(|address| address.is_ipv4());
    let candidates = if four.is_empty() { six } else { four };
    match candidates[..] {
        [] => Ok(None),
        [address] => Ok(Some(address)),
        _ => {
            let list: Vec<String> = candidates.iter().map(IpAddr::to_string).collect();
            let message = format!(
                "this machine has no default route, and several addresses by which other nodes may reach it: {}",
                list.join(", ")
            );
            Err(Error::new(codes::NODE_SETTINGS, message)
                .with_help("name the one that is meant: `--address ADDRESS`"))
        }
    }
}

/// Whether a pod could reach one of the name servers (resolv.conf(5)); one on this host itself it could not.
fn has_usable_server(text: &str) -> bool {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse::<IpAddr>().ok()
    });
    let is_usable = |address: IpAddr| {
        let is_link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !is_link_local
    };
    servers.into_iter().any(is_usable)
}

/// The name of the node in the cluster: the one that was given, or that of the host in small letters, as k3s
/// takes it.
///
/// # Errors
/// [`codes::NODE_SETTINGS`] if the name of the host cannot be that of a node.
pub fn node_name(settings: &Settings, host: &str) -> Result<String> {
    if let Some(name) = &settings.name {
        return Ok(name.clone());
    }
    let name = host.trim().to_ascii_lowercase();
    let named = Settings { name: Some(name.clone()), ..settings.clone() };
    let is_usual = matches!(name.as_str(), "localhost" | "");
    if is_usual || named.check().is_err() {
        let message = format!("the name of this host, `{}`, cannot be that of a node", quote(host.trim()));
        return Err(Error::new(codes::NODE_SETTINGS, message).with_help(
            "give the node a name, `--node-name NAME`, or the host: `hostnamectl hostname NAME`",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::facts::{Interface, Route, Subnet};

    #[test]
    fn name_servers_of_this_host_alone_do_not_count() {
        assert!(has_usable_server("# x\nsearch lab\nnameserver 127.0.0.53\nnameserver 10.0.0.1\n"));
        assert!(has_usable_server("nameserver fd00::1"));
        for text in
            ["", "nameserver 127.0.0.53", "nameserver ::1", "#nameserver 10.0.0.1", "nameserver fe80::1%eth0"]
        {
            assert!(!has_usable_server(text), "{text}");
        }
    }

    #[test]
    fn a_node_without_a_route_has_its_only_address() {
        let interface = |name: &str, addresses: &[&str]| {
            let subnet = |address: &&str| Subnet { address: address.parse().unwrap(), prefix: 24 };
            let addresses = addresses.iter().map(subnet).collect();
            Interface { name: name.to_owned(), addresses, ..Interface::default() }
        };
        let route = |interface: &str| Route {
            destination: Subnet { address: "0.0.0.0".parse().unwrap(), prefix: 0 },
            gateway: None,
            interface: interface.to_owned(),
            metric: 1000,
        };
        let network = |interfaces: Vec<Interface>, routes: Vec<Route>| Network {
            interfaces,
            routes,
            ..Network::default()
        };
        let ours = || interface(ROUTE_INTERFACE, &["203.0.113.254"]);
        let rack = || interface("eth0", &["fe80::1", "fd00::1", "10.0.0.1"]);
        let settings = Settings::default();
        let found =
            |network: &Network| address(&settings, network).unwrap().map(|address| address.to_string());
        let alone = network(vec![ours(), rack()], vec![route(ROUTE_INTERFACE)]);
        assert_eq!(found(&alone).as_deref(), Some("10.0.0.1"));
        assert_eq!(found(&network(vec![rack()], vec![])).as_deref(), Some("10.0.0.1"));
        assert_eq!(found(&network(vec![rack()], vec![route("eth0")])), None);
        let two = network(vec![rack(), interface("eth1", &["10.1.0.1"])], vec![]);
        let error = address(&settings, &two).unwrap_err();
        assert!(error.message().ends_with(": 10.0.0.1, 10.1.0.1"), "{error}");
        let meant = Settings { interface: Some("eth1".to_owned()), ..Settings::default() };
        assert_eq!(address(&meant, &two).unwrap(), Some("10.1.0.1".parse().unwrap()));
        let named = Settings { address: Some("10.9.0.1".parse().unwrap()), ..Settings::default() };
        assert_eq!(address(&named, &two).unwrap(), None);
    }

    #[test]
    fn a_node_is_called_like_its_host_where_that_can_be() {
        let settings = Settings::default();
        assert_eq!(node_name(&settings, "GPU1.lab\n").unwrap(), "gpu1.lab");
        for bad in ["localhost", "", "gpu_1", "-x"] {
            let error = node_name(&settings, bad).unwrap_err();
            assert!(error.help().unwrap().contains("--node-name"), "{bad}");
        }
        let named = Settings { name: Some("a".to_owned()), ..settings };
        assert_eq!(node_name(&named, "gpu_1").unwrap(), "a");
    }
}
