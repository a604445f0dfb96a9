//! Where a node is on the segment on which a virtual address moves.

use std::net::IpAddr;

use crate::error::{Error, Result, codes};
use crate::node::facts::{Interface, Network};
use crate::node::preflight::mend::ROUTE_INTERFACE;
use crate::node::settings::Settings;

/// By which interface a node is on it, and its own address there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The interface.
    pub interface: String,
    /// The address of the node: never the virtual one.
    pub address: IpAddr,
}

impl Segment {
    /// Finds it; nothing if this node holds no address by itself. `known` is the address of the node, if that is known;
    /// `has_held` says that this node may have the virtual address already, and rightly.
    ///
    /// # Errors
    /// [`codes::VIRTUAL_ADDRESS`] if the machine has the address otherwise, or is not on the segment.
    pub fn of(
        settings: &Settings,
        network: &Network,
        known: Option<IpAddr>,
        has_held: bool,
    ) -> Result<Option<Segment>> {
        let Some(setting) = &settings.virtual_address else { return Ok(None) };
        let Some(address) = setting.address() else { return Ok(None) };
        let holder = network.interfaces.iter().find(|interface| has(interface, address));
        if let (Some(holder), false) = (holder, has_held) {
            return Err(is_own(address, &holder.name));
        }
        let Some((_, vrrp)) = setting.vrrp() else { return Ok(None) };
        let known = settings.address.or(known);
        let named = vrrp.interface.as_deref().or(settings.interface.as_deref());
        let interface = match named {
            Some(name) => network.interfaces.iter().find(|interface| interface.name == name),
            None => likely(network, known),
        };
        let interface = interface.ok_or_else(|| nowhere(address, named))?;
        let is_fitting = |own: &IpAddr| own.is_ipv4() == address.is_ipv4() && *own != address;
        let own = interface.addresses.iter().filter(|subnet| !subnet.is_link_local());
        let own: Vec<IpAddr> = own.map(|subnet| subnet.address).filter(is_fitting).collect();
        let own = known.filter(|known| own.contains(known)).or_else(|| own.first().copied());
        let own = own.ok_or_else(|| without_address(address, &interface.name))?;
        Ok(Some(Segment { interface: interface.name.clone(), address: own }))
    }
}

/// The interface that has the address of the node, else that of the default route.
fn likely(network: &Network, known: Option<IpAddr>) -> Option<&Interface> {
    let by_name = |name: &str| network.interfaces.iter().find(|interface| interface.name == name);
    match known {
        Some(known) => network.interfaces.iter().find(|interface| has(interface, known)),
        None => {
            let routes = network.default_routes().filter(|route| route.interface != ROUTE_INTERFACE);
            routes.min_by_key(|route| route.metric).and_then(|route| by_name(&route.interface))
        }
    }
}

fn has(interface: &Interface, address: IpAddr) -> bool {
    interface.addresses.iter().any(|subnet| subnet.address == address)
}

fn is_own(address: IpAddr, interface: &str) -> Error {
    let message =
        format!("{address} is to be the virtual address, and this machine has it already, on {interface}");
    Error::new(codes::VIRTUAL_ADDRESS, message).with_help(
        "choose an address that no machine has; or take it away from this one: whoever holds the virtual address \
         gets it from Airlock",
    )
}

fn nowhere(address: IpAddr, interface: Option<&str>) -> Error {
    let message = match interface {
        Some(name) => {
            format!("this machine has no interface {name}, which is to get the virtual address {address}")
        }
        None => format!("it is not known which interface is to get the virtual address {address}"),
    };
    Error::new(codes::VIRTUAL_ADDRESS, message).with_help(
        "name one that `ip -brief address` lists: `interface` in `vrrp` of the virtual address, or `--interface` \
         for the whole node",
    )
}

fn without_address(address: IpAddr, interface: &str) -> Error {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let message = format!(
        "{interface} is to get the virtual address {address}, and has no {family} address of its own"
    );
    Error::new(codes::VIRTUAL_ADDRESS, message)
        .with_help("give the interface an address, or name another one: `interface` in `vrrp`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::availability::tests::keepalived;
    use crate::node::facts::{Route, Subnet};

    fn interface(name: &str, addresses: &[&str]) -> Interface {
        let subnet = |address: &&str| Subnet { address: address.parse().unwrap(), prefix: 24 };
        Interface {
            name: name.to_owned(),
            addresses: addresses.iter().map(subnet).collect(),
            ..Interface::default()
        }
    }

    fn network(interfaces: Vec<Interface>) -> Network {
        let route = Route {
            destination: Subnet { address: "0.0.0.0".parse().unwrap(), prefix: 0 },
            gateway: None,
            interface: "eth0".to_owned(),
            metric: 0,
        };
        Network { interfaces, routes: vec![route], ..Network::default() }
    }

    fn settings() -> Settings {
        Settings { virtual_address: Some(keepalived()), ..Settings::default() }
    }

    fn found(settings: &Settings, network: &Network, known: Option<&str>) -> Result<(String, String)> {
        let known = known.map(|address| address.parse().unwrap());
        let segment = Segment::of(settings, network, known, true)?.unwrap();
        Ok((segment.interface, segment.address.to_string()))
    }

    #[test]
    fn the_interface_is_the_one_that_is_named_else_that_of_the_node() {
        let network = network(vec![
            interface("eth0", &["10.1.0.1"]),
            interface("eth1", &["10.0.0.100", "fe80::1", "10.0.0.1", "10.0.0.7"]),
        ]);
        let pair = |interface: &str, address: &str| (interface.to_owned(), address.to_owned());
        assert_eq!(found(&settings(), &network, None).unwrap(), pair("eth0", "10.1.0.1"));
        assert_eq!(found(&settings(), &network, Some("10.0.0.7")).unwrap(), pair("eth1", "10.0.0.7"));
        let named = Settings { interface: Some("eth1".to_owned()), ..settings() };
        assert_eq!(found(&named, &network, None).unwrap(), pair("eth1", "10.0.0.1"), "not the virtual one");
        let error = found(&Settings { interface: Some("eth7".to_owned()), ..settings() }, &network, None);
        assert!(error.unwrap_err().message().contains("no interface eth7"));
        assert_eq!(Segment::of(&Settings::default(), &network, None, false).unwrap(), None);
    }

    #[test]
    fn a_machine_that_has_the_address_by_itself_is_told() {
        let network = network(vec![interface("eth0", &["10.0.0.1", "10.0.0.100"])]);
        let error = Segment::of(&settings(), &network, None, false).unwrap_err();
        assert_eq!(error.code(), codes::VIRTUAL_ADDRESS);
        assert!(error.message().ends_with("has it already, on eth0"), "{error}");
        assert!(Segment::of(&settings(), &network, None, true).unwrap().is_some());
    }
}
