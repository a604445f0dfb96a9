//! Connections that do not work: which hosts have to stay out, so that all others reach each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Finding, Severity, Survey};
use crate::cluster::inventory::{Host, Inventory};
use crate::cluster::matrix::{Link, remedy};
use crate::cluster::wanted::Wanted;

/// Most connections that are listed for a host.
const LISTED: usize = 6;

/// One finding for each host that stays out, and one for each that some connection to does not work besides.
pub(super) fn findings(inventory: &Inventory, survey: &Survey, wanted: &Wanted) -> Vec<Finding> {
    let (blocking, warning): (Vec<&Link>, Vec<&Link>) =
        survey.links.iter().partition(|link| link.severity == Severity::Block);
    let mut findings = Vec::new();
    let mut left = blocking;
    while let Some(host) = worst(inventory, survey, wanted, &left) {
        let (of_it, others): (Vec<&Link>, Vec<&Link>) =
            left.into_iter().partition(|link| link.from == host.name || link.to == host.name);
        let is_node = survey.look(&host.name).is_some_and(|look| look.status.is_member());
        let severity = if is_node { Severity::Warn } else { Severity::Block };
        findings.push(finding(&host.name, severity, &of_it, survey, wanted));
        left = others;
    }
    let mut by_target: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in warning {
        by_target.entry(&link.to).or_default().push(link);
    }
    findings.extend(
        by_target.into_iter().map(|(host, links)| finding(host, Severity::Warn, &links, survey, wanted)),
    );
    findings
}

/// The host with the most broken connections. Nodes stay, and so does the server that the others join; of equals the
/// last of the inventory goes.
fn worst<'a>(
    inventory: &'a Inventory,
    survey: &Survey,
    wanted: &Wanted,
    links: &[&Link],
) -> Option<&'a Host> {
    let count =
        |host: &Host| links.iter().filter(|link| link.from == host.name || link.to == host.name).count();
    let may_go = |host: &Host| {
        let is_node = survey.look(&host.name).is_some_and(|look| look.status.is_member());
        !is_node && host.name != wanted.entry.host
    };
    let broken = inventory.hosts.iter().enumerate().filter(|(_, host)| count(host) > 0);
    broken.max_by_key(|(index, host)| (may_go(host), count(host), *index)).map(|(_, host)| host)
}

fn finding(host: &str, severity: Severity, links: &[&Link], survey: &Survey, wanted: &Wanted) -> Finding {
    let texts: Vec<String> = links.iter().take(LISTED).map(|link| link.text()).collect();
    let more = match links.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let text = format!("connections do not work: {}{more}", texts.join(", "));
    Finding::of("ports", severity, Some(host), text, help(links, survey, wanted))
}

/// The lines that open the ports, on every host that is not reached.
fn help(links: &[&Link], survey: &Survey, wanted: &Wanted) -> String {
    let targets: BTreeSet<&str> = links.iter().map(|link| link.to.as_str()).collect();
    let line = |target: &str| {
        let of_it = || links.iter().filter(|link| link.to == target);
        let from: BTreeSet<IpAddr> = of_it().filter_map(|link| wanted.address(&link.from)).collect();
        let from: Vec<IpAddr> = from.into_iter().collect();
        let firewall =
            survey.look(target).map(|look| look.facts.network.firewall.clone()).unwrap_or_default();
        remedy(target, &from, &of_it().map(|link| link.port).collect(), firewall.ufw, firewall.firewalld)
    };
    targets.into_iter().map(line).collect::<Vec<_>>().join("; ")
}
