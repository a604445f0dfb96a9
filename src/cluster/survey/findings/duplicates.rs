//! Machines that were copied: the same name, identity or address twice. The first of them, or the one that is a node
//! already, is believed.

use std::collections::BTreeMap;

use super::{Finding, Severity, Survey};
use crate::cluster::inventory::Inventory;
use crate::cluster::survey::Look;
use crate::cluster::wanted::Wanted;
use crate::error::codes;
use crate::quote::quote;

/// Hosts that have something that another one has.
pub(super) fn findings(inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Vec<Finding> {
    let name = |look: &Look| look.facts.network.hostname.as_ref().map(|name| name.to_ascii_lowercase());
    let mut findings = twice(inventory, survey, name, |host, value, other| {
        let text = format!("{host} has the host name `{}`, as {other} has", quote(value));
        Finding::of(
            "host-name",
            Severity::Block,
            Some(host),
            text,
            format!("on {host}: `hostnamectl hostname {host}`"),
        )
    });
    let identity = |look: &Look| look.facts.machine.machine_id.clone();
    findings.extend(twice(inventory, survey, identity, |host, _, other| {
        let text = format!("{host} has the same /etc/machine-id as {other}: one was copied from the other");
        let help = format!("on {host}: `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup`, and restart it");
        Finding::of("machine-id", Severity::Block, Some(host), text, help)
    }));
    findings.extend(addresses(inventory, survey, wanted));
    findings
}

/// Two with one value, among hosts that could be looked at.
fn twice(
    inventory: &Inventory,
    survey: &Survey,
    value: impl Fn(&Look) -> Option<String>,
    finding: impl Fn(&str, &str, &str) -> Finding,
) -> Vec<Finding> {
    let mut looks: Vec<(&str, &Look)> = inventory
        .hosts
        .iter()
        .filter_map(|host| Some((host.name.as_str(), survey.look(&host.name)?)))
        .collect();
    // A node keeps what it has.
    looks.sort_by_key(|(_, look)| !look.status.is_member());
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for (host, look) in looks {
        let Some(value) = value(look) else { continue };
        match seen.get(&value) {
            Some(other) if look.status.is_member() => {
                let finding = finding(host, &value, other);
                findings.push(Finding { severity: Severity::Warn, ..finding });
            }
            Some(other) => findings.push(finding(host, &value, other)),
            None => drop(seen.insert(value, host)),
        }
    }
    findings
}

/// Addresses that are not known, and those that two hosts have.
fn addresses(inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Vec<Finding> {
    let mut findings: Vec<Finding> = wanted
        .addresses
        .iter()
        .filter_map(|(host, address)| {
            let trouble = address.as_ref().err()?;
            let help = trouble.help.clone().unwrap_or_default();
            let finding = Finding::of("address", Severity::Block, Some(host), trouble.message.clone(), help);
            Some(finding.with_code(codes::NODE_SETTINGS))
        })
        .collect();
    let mut seen = BTreeMap::new();
    for host in inventory.hosts.iter().filter(|host| survey.look(&host.name).is_some()) {
        let Some(address) = wanted.address(&host.name) else { continue };
        if let Some(other) = seen.insert(address, &host.name) {
            let text = format!("{} would be reached by {address}, as {other} is", host.name);
            let help =
                format!("name the `address` or `interface` of {} by which the others reach it", host.name);
            findings.push(Finding::of("address", Severity::Block, Some(&host.name), text, help));
        }
    }
    findings
}
