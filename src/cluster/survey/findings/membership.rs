//! What hosts are nodes of already, and who is at work on them.

use super::{Finding, Severity, Survey};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::survey::Look;
use crate::error::codes;
use crate::node::settings;
use crate::quote::quote;

/// Hosts that belong to something else, are something else, or are being changed.
pub(super) fn findings(inventory: &Inventory, survey: &Survey) -> Vec<Finding> {
    let looks = || inventory.hosts.iter().filter_map(|host| Some((host, survey.look(&host.name)?)));
    let mut findings: Vec<Finding> = founders(looks()).into_iter().collect();
    findings.extend(looks().filter_map(|(host, look)| role(host, look)));
    findings.extend(looks().filter_map(|(host, look)| busy(host, look)));
    findings
}

/// Two servers that have each founded a cluster will never be one.
fn founders<'a>(looks: impl Iterator<Item = (&'a Host, &'a Look)>) -> Option<Finding> {
    let founders: Vec<&str> = looks
        .filter(|(_, look)| {
            let identity = look.status.identity.as_ref();
            let has_founded = |identity: &crate::cluster::survey::look::Identity| {
                identity.role == settings::Role::Server && identity.joined.is_none()
            };
            look.status.is_member() && identity.is_some_and(has_founded)
        })
        .map(|(host, _)| host.name.as_str())
        .collect();
    let [first, second, ..] = founders[..] else { return None };
    let text = format!("{first} and {second} have each founded a cluster of their own");
    let help = "decide which one stays: take the other out of the inventory, or make it anew, `sudo airlock node reset` on it".to_owned();
    Some(Finding::of("two-clusters", Severity::Block, None, text, help).with_code(codes::CLUSTERS_DIFFER))
}

fn role(host: &Host, look: &Look) -> Option<Finding> {
    let identity = look.status.identity.as_ref().filter(|_| look.status.is_member())?;
    let wanted = match host.role {
        Role::Server => settings::Role::Server,
        Role::Agent => settings::Role::Agent,
        Role::Balancer => settings::Role::Balancer,
    };
    let text =
        format!("{} is {} already, and the inventory wants {}", host.name, word(identity.role), word(wanted));
    let help = format!("change the inventory; or `airlock cluster remove {0}` and deploy again", host.name);
    (identity.role != wanted).then(|| {
        Finding::of("role", Severity::Block, Some(&host.name), text, help).with_code(codes::NODE_CHANGE)
    })
}

fn word(role: settings::Role) -> &'static str {
    match role {
        settings::Role::Server => "a server",
        settings::Role::Agent => "an agent",
        settings::Role::Balancer => "a balancer",
    }
}

fn busy(host: &Host, look: &Look) -> Option<Finding> {
    let holder = look.status.running.as_ref()?;
    let text = format!(
        "`airlock {}` (process {}, since {}) is changing {}",
        quote(&holder.command),
        holder.pid,
        quote(&holder.since),
        host.name
    );
    let help = "wait until it has ended: another `airlock cluster` may be at work".to_owned();
    Some(Finding::of("busy", Severity::Block, Some(&host.name), text, help).with_code(codes::NODE_BUSY))
}
