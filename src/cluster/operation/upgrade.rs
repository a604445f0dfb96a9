//! A newer bundle on all nodes: a snapshot first, then the servers one after the other, then the agents.
//!
//! The first server gets the bundle and goes first; if it does not come up well, it goes back to the bundle that it had,
//! and nothing else was touched. Every node has to be ready with the version of the bundle before the next one begins
//! (`k3s.md` 4.8). Nodes that are there already are left alone, so a run that was interrupted goes on.

mod version;

use std::collections::BTreeMap;

pub use self::version::Version;
use super::condition::Condition;
use super::node::{Answers, Status, reason};
use super::voters::Voters;
use super::{
    Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage, Work, find, has_etcd, is_server,
    troubles_of_others,
};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::observe::Node;
use crate::cluster::order::Terms;
use crate::error::{Error, Result, codes};
use crate::node::settings::Settings;
use crate::quote::escape;

/// The bundle to which the cluster goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `NAME-VERSION`.
    pub name: String,
    /// Digest of its manifest.
    pub manifest: String,
    /// Its k3s, as nodes tell it: `v1.35.0+k3s1`.
    pub k3s: String,
    /// Why nodes believe it.
    pub terms: Terms,
    /// Agents that come to it before the next ones begin.
    pub batch: usize,
}

/// What is known before an upgrade.
pub struct Observed<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The nodes of the cluster.
    pub nodes: &'a [Node],
    /// How the hosts are.
    pub hosts: &'a Answers<Status>,
    /// What the hosts keep as their settings.
    pub kept: &'a BTreeMap<String, Settings>,
}

/// Brings all nodes to a bundle.
///
/// # Errors
/// [`codes::UPGRADE_OLDER`], [`codes::UPGRADE_PATH`]; [`codes::QUORUM`] if a server could not be restarted without the
/// cluster standing still; [`codes::NOT_A_MEMBER`] if no server of the inventory is in the cluster.
pub fn plan(observed: &Observed<'_>, target: &Target) -> Result<Plan> {
    version::check(observed.nodes, &target.k3s)?;
    let mut plan = Plan::new("upgrade");
    let present: Vec<&Host> = observed
        .inventory
        .hosts
        .iter()
        .filter(|host| host.role != Role::Balancer && find(observed.nodes, &host.name).is_some())
        .collect();
    for host in &present {
        if let Some(why) = reason(observed.hosts, &host.name) {
            plan.out_of_reach.push(stays(host, &why));
        }
    }
    let mut due: Vec<&Host> = present.iter().copied().filter(|host| is_due(observed, host, target)).collect();
    if let Some(server) = left_behind(observed, &due, target) {
        let waits =
            format!("agents are never newer than a server, and {} stays at {}", server.name, server.version);
        let waiting = due.extract_if(.., |host| host.role == Role::Agent);
        plan.out_of_reach.extend(waiting.map(|host| stays(host, &waits)));
    }
    if due.is_empty() {
        return Ok(plan);
    }
    let servers: Vec<&Host> = present.iter().copied().filter(|host| host.role == Role::Server).collect();
    let first = servers.iter().find(|host| matches!(observed.hosts.get(&host.name), Some(Ok(_))));
    let first = first.ok_or_else(no_server)?;
    let leads = is_due(observed, first, target);
    let others = following_servers(observed, &due, first);
    check_health(observed, if leads { Some(first) } else { others.first().copied() })?;
    plan = plan.with(Stage::essential(Part::new(&first.name, beginning(observed, first, target, leads))));
    if leads {
        plan = plan.with(Stage::essential(leading(observed, first, target)));
    }
    for host in others {
        plan = plan.with(Stage::essential(following(observed, host, first, target)));
    }
    let agents: Vec<&&Host> = due.iter().filter(|host| host.role == Role::Agent).collect();
    for batch in agents.chunks(target.batch.max(1)) {
        let parts = batch.iter().map(|host| following(observed, host, first, target)).collect();
        plan = plan.with(Stage::side_by_side(parts, observed.inventory.cluster.concurrency));
    }
    plan.consent = Consent::Agreement;
    let strangers = observed.nodes.iter().filter(|node| observed.inventory.host(&node.name).is_none());
    plan.notes
        .extend(strangers.map(|node| format!("{} is not in the inventory, and stays as it is", node.name)));
    plan.notes.push(format!("{} with k3s {}", escape(&target.name), escape(&target.k3s)));
    Ok(plan)
}

fn stays(host: &Host, why: &str) -> OutOfReach {
    OutOfReach { host: host.name.clone(), why: format!("{why}; it stays as it is") }
}

/// A server that will not have the version of the bundle, because it cannot be reached or is not in the inventory.
fn left_behind<'a>(observed: &Observed<'a>, due: &[&Host], target: &Target) -> Option<&'a Node> {
    let is_due = |node: &Node| due.iter().any(|host| host.name == node.name);
    observed.nodes.iter().find(|node| is_server(node) && node.version != target.k3s && !is_due(node))
}

/// The servers behind the first one. Who is not well comes before those that work, or they would restart without it.
fn following_servers<'a>(observed: &Observed<'_>, due: &[&'a Host], first: &Host) -> Vec<&'a Host> {
    let is_server = |host: &&Host| host.role == Role::Server && host.name != first.name;
    let mut servers: Vec<&Host> = due.iter().copied().filter(is_server).collect();
    servers.sort_by_key(|host| find(observed.nodes, &host.name).is_some_and(Node::is_well));
    servers
}

/// Whether a host that answers has another bundle, or another k3s.
fn is_due(observed: &Observed<'_>, host: &Host, target: &Target) -> bool {
    let Some(Ok(status)) = observed.hosts.get(&host.name) else { return false };
    let has_bundle = status.bundle().is_some_and(|bundle| bundle.manifest == target.manifest);
    let runs =
        find(observed.nodes, &host.name).is_some_and(|node| node.version == target.k3s && node.ready.is_ok());
    !(has_bundle && runs)
}

/// A snapshot, and the bundle on its way.
fn beginning(observed: &Observed<'_>, first: &Host, target: &Target, leads: bool) -> Vec<Action> {
    let mut actions = Vec::new();
    if leads && observed.nodes.iter().any(has_etcd) {
        let name: String = format!("before-{}", target.k3s).replace('+', "-");
        let invocation =
            Invocation::k3s(["etcd-snapshot", "save", "--name", name.as_str()]).within(super::LONG);
        actions.push(Action::run("take a snapshot of etcd", Place::host(&first.name), invocation));
    }
    let title = format!("send {} to {}", escape(&target.name), first.name);
    actions.push(Action { title, place: Place::host(&first.name), work: Work::Deliver });
    actions
}

fn leading(observed: &Observed<'_>, first: &Host, target: &Target) -> Part {
    let install = |bundle: &str| Invocation::airlock(["install", "--yes", "--bundle", bundle]);
    let place = || Place::host(&first.name);
    let mut actions = vec![Action::wait(Place::Server, Condition::others_well(&first.name))];
    actions.push(Action::run(
        format!("install {}", escape(&target.name)),
        place(),
        install(&target.manifest).under(&target.terms),
    ));
    actions.extend(health(observed, &first.name, &target.k3s));
    let mut part = Part::new(&first.name, actions);
    let before =
        observed.hosts.get(&first.name).and_then(|status| status.as_ref().ok()).and_then(Status::bundle);
    if let Some(before) = before.filter(|before| before.manifest != target.manifest) {
        // It was installed to its end if only the cluster found fault with it, and then counts as older.
        let serial = before.serial.to_string();
        let back = install(&before.manifest).with_words(["--allow-downgrade", &serial]);
        let title = format!("go back to the bundle with serial {}", before.serial);
        part.way_back = vec![
            Action::run(title, place(), back),
            Action::wait(Place::Server, Condition::ready(&first.name)),
        ];
    }
    part
}

/// The others take the bundle from the first server, whatever they were installed from.
fn following(observed: &Observed<'_>, host: &Host, first: &Host, target: &Target) -> Part {
    let install = Invocation::airlock(["install", "--yes"]).under(&target.terms);
    let from = origin(observed, first);
    let invocation = match (observed.kept.get(&host.name), from) {
        (Some(kept), Some(url)) if kept.bundle.as_deref() != Some(&url) => {
            let settings = Settings { bundle: Some(url), ..kept.clone() };
            // Types with text keys always serialise.
            let text = serde_json::to_string_pretty(&settings).unwrap_or_default();
            install.with_words(["--settings", "{settings}"]).with_file("settings", text)
        }
        _ => install,
    };
    let title = format!("install {}", escape(&target.name));
    let gate = Action::wait(Place::Server, Condition::others_well(&host.name));
    let mut actions: Vec<Action> = (host.role == Role::Server).then_some(gate).into_iter().collect();
    actions.push(Action::run(title, Place::host(&host.name), invocation));
    actions.extend(health(observed, &host.name, &target.k3s));
    Part::new(&host.name, actions)
}

/// Where the first server serves its bundle; nothing if it has no registry of its own.
fn origin(observed: &Observed<'_>, first: &Host) -> Option<String> {
    use crate::node::settings::Registry;
    let Registry::Own { port, .. } = observed.kept.get(&first.name)?.registry.clone() else { return None };
    let address = find(observed.nodes, &first.name)?.address?;
    Some(super::url(address, port))
}

fn health(observed: &Observed<'_>, node: &str, version: &str) -> Vec<Action> {
    let ready = Condition::Ready { node: node.to_owned(), version: Some(version.to_owned()) };
    let mut actions = vec![Action::wait(Place::Server, ready)];
    if find(observed.nodes, node).is_some_and(has_etcd) {
        actions.push(Action::wait(Place::Server, Condition::Votes { node: node.to_owned() }));
    }
    actions
}

/// No server is restarted while the others could not go on without it, or a learner is catching up. `next` is the server
/// that is upgraded first.
fn check_health(observed: &Observed<'_>, next: Option<&Host>) -> Result<()> {
    let Some(next) = next else { return Ok(()) };
    let troubles: Vec<String> = troubles_of_others(observed.nodes, &next.name).collect();
    if troubles.is_empty() && Voters::of(observed.nodes).has_quorum() {
        return Ok(());
    }
    let message =
        format!("not all servers are well: while {} restarts, the cluster may stand still", next.name);
    let error = Error::new(codes::QUORUM, message)
        .with_help("bring them back first: `airlock cluster repair SERVER`; then run the same command again");
    Err(troubles.into_iter().fold(error, Error::with_detail))
}

fn no_server() -> Error {
    Error::new(codes::NOT_A_MEMBER, "no server of the inventory is in the cluster and can be reached")
        .with_help("`airlock cluster ping` says which can be; `airlock cluster status` what the cluster has")
}

#[cfg(test)]
mod tests;
