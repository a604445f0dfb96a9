//! The address in front of the servers: from the inventory to what each node has to know about it. Pure.

use std::net::IpAddr;

use super::inventory::{Host, Inventory, Role, VirtualAddress, VirtualAddressMode, Vrrp};
use crate::error::{Error, Result, codes};
use crate::node::availability;
use crate::node::availability::{API_PORT, Balancer, NodeVirtualAddress};
use crate::quote::quote;

/// The priority of the first node that shares the address; each one behind it in the file has one less.
const FIRST_PRIORITY: u8 = 200;

/// The setting of a host; nothing for agents, and where the inventory has no such address. `address_of` knows the
/// addresses of hosts in their network.
///
/// # Errors
/// [`codes::VIRTUAL_ADDRESS`] if the inventory gives a name where an address is needed, or the address of a node that
/// shares it is not known.
pub fn of(
    inventory: &Inventory,
    host: &Host,
    address_of: impl Fn(&Host) -> Option<IpAddr>,
) -> Result<Option<NodeVirtualAddress>> {
    let Some(virtual_address) = &inventory.cluster.virtual_address else { return Ok(None) };
    if host.role == Role::Agent {
        return Ok(None);
    }
    let holders = holders(inventory);
    let is_holder = holders.iter().any(|holder| holder.name == host.name);
    let known = |host: &Host| address_of(host).ok_or_else(|| unknown(host));
    Ok(Some(match &virtual_address.mode {
        VirtualAddressMode::KubeVip { interface } => {
            NodeVirtualAddress::KubeVip { address: parsed(virtual_address)?, interface: interface.clone() }
        }
        VirtualAddressMode::Keepalived(vrrp) if is_holder => NodeVirtualAddress::Keepalived {
            address: parsed(virtual_address)?,
            vrrp: sharing(virtual_address, vrrp, host, &holders, &known)?,
        },
        VirtualAddressMode::Haproxy { vrrp, port, status_port } if is_holder => NodeVirtualAddress::Haproxy {
            address: parsed(virtual_address)?,
            vrrp: sharing(virtual_address, vrrp, host, &holders, &known)?,
            balancer: Balancer {
                port: *port,
                status_port: *status_port,
                servers: inventory.of_role(Role::Server).map(known).collect::<Result<_>>()?,
            },
        },
        // Others hold it; certificates name it all the same.
        _ => NodeVirtualAddress::External { host: virtual_address.host.clone() },
    }))
}

/// Where nodes join and `kubectl` asks, if there is an address in front of the servers: `https://HOST:PORT`.
pub fn endpoint(inventory: &Inventory) -> Option<String> {
    let VirtualAddress { host, mode } = inventory.cluster.virtual_address.as_ref()?;
    let port = match mode {
        VirtualAddressMode::Keepalived(_) | VirtualAddressMode::KubeVip { .. } => API_PORT,
        VirtualAddressMode::Haproxy { port, .. } | VirtualAddressMode::External { port } => *port,
    };
    Some(match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("https://[{address}]:{port}"),
        _ => format!("https://{host}:{port}"),
    })
}

/// Hosts that share the address among them by keepalived, in the order of the file: balancers if there are any, else
/// servers.
pub fn holders(inventory: &Inventory) -> Vec<&Host> {
    let mode = inventory.cluster.virtual_address.as_ref().map(|address| &address.mode);
    let balancers: Vec<&Host> = inventory.of_role(Role::Balancer).collect();
    match mode {
        Some(VirtualAddressMode::Haproxy { .. }) if !balancers.is_empty() => balancers,
        Some(VirtualAddressMode::Haproxy { .. } | VirtualAddressMode::Keepalived(_)) => {
            inventory.of_role(Role::Server).collect()
        }
        Some(VirtualAddressMode::KubeVip { .. } | VirtualAddressMode::External { .. }) | None => Vec::new(),
    }
}

/// The address that hosts of ours are to share, and those hosts; nothing where it is somebody else's.
pub fn shared(inventory: &Inventory) -> Option<(IpAddr, Vec<&Host>)> {
    let VirtualAddress { host, mode } = inventory.cluster.virtual_address.as_ref()?;
    let holders = match mode {
        VirtualAddressMode::External { .. } => return None,
        VirtualAddressMode::KubeVip { .. } => inventory.of_role(Role::Server).collect(),
        VirtualAddressMode::Keepalived(_) | VirtualAddressMode::Haproxy { .. } => holders(inventory),
    };
    Some((host.parse().ok()?, holders))
}

fn sharing(
    virtual_address: &VirtualAddress,
    vrrp: &Vrrp,
    host: &Host,
    holders: &[&Host],
    known: &dyn Fn(&Host) -> Result<IpAddr>,
) -> Result<availability::Vrrp> {
    let place = holders.iter().position(|holder| holder.name == host.name).unwrap_or_default();
    let others = holders.iter().filter(|holder| holder.name != host.name);
    let mut peers: Vec<IpAddr> = others.map(|holder| known(holder)).collect::<Result<_>>()?;
    // On an interface of its own the address may be of another family than those of the nodes.
    if vrrp.interface.is_some() {
        let is_ipv4 = parsed(virtual_address)?.is_ipv4();
        peers.retain(|peer| peer.is_ipv4() == is_ipv4);
    }
    Ok(availability::Vrrp {
        interface: vrrp.interface.clone(),
        prefix: vrrp.prefix,
        router_id: vrrp.router_id,
        priority: FIRST_PRIORITY.saturating_sub(u8::try_from(place).unwrap_or(u8::MAX)).max(1),
        peers,
    })
}

fn parsed(address: &VirtualAddress) -> Result<IpAddr> {
    address.host.parse().map_err(|_| {
        let message = format!("the virtual address is `{}`, and has to be an address", quote(&address.host));
        Error::new(codes::VIRTUAL_ADDRESS, message)
            .with_help("write an address that no machine has; only a load balancer of the site may be a name")
    })
}

fn unknown(host: &Host) -> Error {
    let message =
        format!("the address of {} is not known, which the others need for the virtual address", host.name);
    Error::new(codes::VIRTUAL_ADDRESS, message)
        .with_help(format!("write it into the inventory: `address` of {}", host.name))
        .with_location(host.location.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::Cluster;
    use crate::cluster::inventory::tests::hosts;
    use crate::node::settings;

    fn vrrp() -> Vrrp {
        Vrrp { prefix: Some(24), interface: None, router_id: None }
    }

    fn haproxy(port: u16) -> VirtualAddressMode {
        VirtualAddressMode::Haproxy { vrrp: vrrp(), port, status_port: 8404 }
    }

    /// Hosts with these roles, and addresses from 10.0.0.1 on.
    fn inventory(roles: &[Role], mode: VirtualAddressMode, host: &str) -> Inventory {
        let names = ["a", "b", "c", "d", "e"];
        let mut hosts = hosts(&names[..roles.len()]);
        for (index, (host, role)) in hosts.iter_mut().zip(roles).enumerate() {
            host.role = *role;
            host.address = Some(IpAddr::from([10, 0, 0, u8::try_from(index).unwrap() + 1]));
        }
        let cluster = Cluster {
            virtual_address: Some(VirtualAddress { host: host.to_owned(), mode }),
            ..Cluster::default()
        };
        Inventory { hosts, cluster }
    }

    fn settings(inventory: &Inventory) -> Vec<Option<NodeVirtualAddress>> {
        inventory.hosts.iter().map(|host| of(inventory, host, |host| host.address).unwrap()).collect()
    }

    #[test]
    fn servers_share_it_with_priorities_of_their_own() {
        let roles = [Role::Server, Role::Server, Role::Agent, Role::Server];
        let inventory = inventory(&roles, VirtualAddressMode::Keepalived(vrrp()), "10.0.0.100");
        let found = settings(&inventory);
        let seen: Vec<Option<(u8, Vec<String>)>> = found
            .iter()
            .map(|setting| {
                let (_, vrrp) = setting.as_ref()?.vrrp()?;
                Some((vrrp.priority, vrrp.peers.iter().map(IpAddr::to_string).collect()))
            })
            .collect();
        let peers = |all: [&str; 2]| all.map(str::to_owned).to_vec();
        assert_eq!(
            seen,
            [
                Some((200, peers(["10.0.0.2", "10.0.0.4"]))),
                Some((199, peers(["10.0.0.1", "10.0.0.4"]))),
                None,
                Some((198, peers(["10.0.0.1", "10.0.0.2"]))),
            ]
        );
        assert!(found.iter().flatten().all(|setting| setting.check(settings::Role::Server, None).is_ok()));
        assert_eq!(endpoint(&inventory).unwrap(), "https://10.0.0.100:6443");
    }

    #[test]
    fn peers_are_known_on_a_named_interface_too() {
        let named = Vrrp { interface: Some("eth0".to_owned()), ..vrrp() };
        let peers = |host: &str| {
            let mode = VirtualAddressMode::Keepalived(named.clone());
            let found = settings(&inventory(&[Role::Server, Role::Server], mode, host));
            found[0].as_ref().unwrap().vrrp().unwrap().1.peers.clone()
        };
        assert_eq!(peers("10.0.0.100"), ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert!(peers("fd00::100").is_empty(), "that is another network");
    }

    #[test]
    fn balancers_hold_it_where_there_are_any() {
        let roles = [Role::Server, Role::Server, Role::Balancer, Role::Balancer];
        let found = settings(&inventory(&roles, haproxy(6443), "10.0.0.100"));
        assert_eq!(found[0], Some(NodeVirtualAddress::External { host: "10.0.0.100".to_owned() }));
        let balancer = found[2].as_ref().unwrap();
        assert_eq!(balancer.check(settings::Role::Balancer, None), Ok(()));
        assert_eq!(balancer.balancer().unwrap().servers.len(), 2);
        assert_eq!(balancer.vrrp().unwrap().1.peers, ["10.0.0.4".parse::<IpAddr>().unwrap()]);
        let servers = inventory(&[Role::Server, Role::Server], haproxy(7443), "fd00::100");
        assert_eq!(endpoint(&servers).unwrap(), "https://[fd00::100]:7443");
        assert_eq!(holders(&servers).len(), 2);
    }

    #[test]
    fn a_load_balancer_of_the_site_is_only_named() {
        let inventory =
            inventory(&[Role::Server, Role::Agent], VirtualAddressMode::External { port: 443 }, "lb.lab");
        let external = NodeVirtualAddress::External { host: "lb.lab".to_owned() };
        assert_eq!(settings(&inventory), [Some(external), None]);
        assert_eq!(endpoint(&inventory).unwrap(), "https://lb.lab:443");
        assert!(holders(&inventory).is_empty());
    }

    #[test]
    fn what_is_not_known_is_told_with_its_place() {
        let mode = VirtualAddressMode::Keepalived(vrrp());
        let named = inventory(&[Role::Server], mode.clone(), "vip.lab");
        let error = of(&named, &named.hosts[0], |host| host.address).unwrap_err();
        assert!(error.message().contains("`vip.lab`"), "{error}");
        let two = inventory(&[Role::Server, Role::Server], mode, "10.0.0.100");
        let error = of(&two, &two.hosts[0], |_| None).unwrap_err();
        assert!(error.message().starts_with("the address of b is not known"), "{error}");
    }
}
