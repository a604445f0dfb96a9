//! The virtual address: one that no machine has, in a network of all that are to share it.

use std::net::IpAddr;

use super::{Finding, Severity, Survey};
use crate::cluster::address;
use crate::cluster::inventory::{Host, Inventory, VirtualAddressMode};
use crate::cluster::wanted::Wanted;
use crate::error::codes;
use crate::node::facts::{Interface, Subnet};
use crate::quote::quote;

const ID: &str = "virtual-address";

/// Why it cannot be that of the cluster.
pub(super) fn findings(inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Vec<Finding> {
    let Some((address, holders)) = address::shared(inventory) else { return Vec::new() };
    let found = [
        of_a_host(address, inventory, survey, wanted),
        of_a_stranger(address, survey),
        far_away(address, &holders, inventory, survey, wanted),
    ];
    found.into_iter().flatten().collect()
}

/// An address that a host has which is no node of ours cannot be the one in front of the servers. What an interrupted
/// installation has left may hold it rightly; its next one tells.
fn of_a_host(address: IpAddr, inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Option<Finding> {
    let has_it = |host: &&Host| {
        let look = survey.look(&host.name);
        let own = wanted.address(&host.name) == Some(address);
        own || look.is_some_and(|look| {
            !look.status.is_node && look.facts.network.addresses().any(|subnet| subnet.address == address)
        })
    };
    let host = inventory.hosts.iter().find(has_it)?;
    let text = format!("the virtual address {address} is an address of {} already", host.name);
    let help = "choose one that no machine has".to_owned();
    Some(Finding::of(ID, Severity::Block, None, text, help))
}

/// Two machines with one address take the connections of each other, and who gets them changes by the minute.
fn of_a_stranger(address: IpAddr, survey: &Survey) -> Option<Finding> {
    let stranger = survey.stranger.as_ref()?;
    let text = format!(
        "another machine has the virtual address {address}: {} answers {} for it",
        quote(&stranger.hardware),
        stranger.asked_by
    );
    let help = format!(
        "choose an address that nobody has; or find that machine by its hardware address, `ip neigh show {address}` on \
         {}, and give it another one",
        stranger.asked_by
    );
    Some(Finding::of(ID, Severity::Block, None, text, help).with_code(codes::VIRTUAL_ADDRESS_TAKEN))
}

/// In no network of the interface that is to get it nobody on the segment asks for it. Who names an interface and a
/// prefix means another network on the same wire.
fn far_away(
    address: IpAddr,
    holders: &[&Host],
    inventory: &Inventory,
    survey: &Survey,
    wanted: &Wanted,
) -> Option<Finding> {
    let mode = &inventory.cluster.virtual_address.as_ref()?.mode;
    let (named, prefix) = match mode {
        VirtualAddressMode::Keepalived(vrrp) | VirtualAddressMode::Haproxy { vrrp, .. } => {
            (vrrp.interface.as_deref(), vrrp.prefix)
        }
        VirtualAddressMode::KubeVip { interface } => (interface.as_deref(), None),
        VirtualAddressMode::External { .. } => return None,
    };
    if named.is_some() && prefix.is_some() {
        return None;
    }
    let (host, interface) = holders.iter().find_map(|host| {
        let interface = interface(host, named.or(host.interface.as_deref()), survey, wanted)?;
        (!is_near(address, interface)).then_some((host, interface))
    })?;
    let networks: Vec<String> = interface.addresses.iter().map(Subnet::to_string).collect();
    let text = format!(
        "the virtual address {address} is in no network of {} on {}, which has {}",
        quote(&interface.name),
        host.name,
        networks.join(", ")
    );
    let help = "choose a free address in the network of the hosts that hold it; or name the `interface` that gets it"
        .to_owned();
    Some(Finding::of(ID, Severity::Block, None, text, help).with_code(codes::VIRTUAL_ADDRESS))
}

/// The interface of a host that gets the address: the one of this name, else that of its own address.
fn interface<'a>(
    host: &Host,
    named: Option<&str>,
    survey: &'a Survey,
    wanted: &Wanted,
) -> Option<&'a Interface> {
    let own = wanted.address(&host.name);
    let is_it = |interface: &&Interface| match named {
        Some(name) => interface.name == name,
        None => interface.addresses.iter().any(|subnet| Some(subnet.address) == own),
    };
    survey.look(&host.name)?.facts.network.interfaces.iter().find(is_it)
}

/// Whether the address is in a network of an interface, apart from one that came with it.
fn is_near(address: IpAddr, interface: &Interface) -> bool {
    let alone = Subnet { address, prefix: if address.is_ipv4() { 32 } else { 128 } };
    interface.addresses.iter().any(|network| network.address != address && network.overlaps(&alone))
}
