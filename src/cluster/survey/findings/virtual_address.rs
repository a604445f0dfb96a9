//! The virtual address: one that no machine has, in a network of all that are to share it.

use std::net::IpAddr;

use super::{Finding, Severity, Survey};
use crate::cluster::address;
use crate::cluster::inventory::{Host, Inventory, VirtualAddressMode};
use crate::cluster::wanted::Wanted;
use crate::error::codes;
use crate::node::facts::Subnet;
use crate::quote::quote;

const ID: &str = "virtual-address";

/// Why it cannot be that of the cluster.
pub(super) fn findings(inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Vec<Finding> {
    let Some((address, holders)) = address::shared(inventory) else { return Vec::new() };
    let found = [
        of_a_host(address, inventory, survey, wanted),
        of_a_stranger(address, survey),
        far_away(address, &holders, inventory, survey),
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

/// In no network of a host that is to hold it nobody on the segment asks for it. Who names an interface and a prefix
/// means another network on the same wire.
fn far_away(address: IpAddr, holders: &[&Host], inventory: &Inventory, survey: &Survey) -> Option<Finding> {
    let mode = &inventory.cluster.virtual_address.as_ref()?.mode;
    if let VirtualAddressMode::Keepalived(vrrp) | VirtualAddressMode::Haproxy { vrrp, .. } = mode
        && vrrp.interface.is_some()
        && vrrp.prefix.is_some()
    {
        return None;
    }
    let own = Subnet { address, prefix: if address.is_ipv4() { 32 } else { 128 } };
    let (host, networks) = holders.iter().find_map(|host| {
        let networks: Vec<&Subnet> = survey.look(&host.name)?.facts.network.addresses().collect();
        let is_near = networks.iter().any(|network| network.address != address && network.overlaps(&own));
        (!is_near).then_some((host, networks))
    })?;
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let text = format!(
        "the virtual address {address} is in no network of {}, which has {}",
        host.name,
        networks.join(", ")
    );
    let help = "choose a free address in the network of the hosts that hold it".to_owned();
    Some(Finding::of(ID, Severity::Block, None, text, help).with_code(codes::VIRTUAL_ADDRESS))
}
