//! Snapshots of etcd: taken, found, deleted; and the way back from one, [`restore()`].

mod restore;

use jiff::Timestamp;
use serde::Serialize;

pub use self::restore::{Observed, Source, restore};
use super::node::{Answers, reason};
use super::{Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::observe::{self, Node};
use crate::error::{Error, Result, codes};
use crate::node::availability::API_PORT;
use crate::node::recovery::{Look, SNAPSHOTS, Snapshot};
use crate::quote::quote;

/// A snapshot on the disk of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The server.
    pub server: String,
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
}

/// The snapshots of all servers that answer, the latest first.
pub fn snapshots(looks: &Answers<Look>) -> Vec<Held> {
    let mut all = Vec::new();
    for (server, look) in looks {
        let held = |snapshot: &Snapshot| Held { server: server.clone(), snapshot: snapshot.clone() };
        all.extend(look.iter().flat_map(|look| &look.snapshots).map(held));
    }
    all.sort_by_key(|held| std::cmp::Reverse(held.snapshot.at));
    all
}

/// The snapshot of this name.
///
/// # Errors
/// [`codes::SNAPSHOT_UNKNOWN`].
pub fn named(looks: &Answers<Look>, name: &str) -> Result<Held> {
    snapshots(looks).into_iter().find(|held| held.snapshot.name == name).ok_or_else(|| {
        let message = format!("no server that answers has a snapshot `{}`", quote(name));
        Error::new(codes::SNAPSHOT_UNKNOWN, message)
            .with_help("`airlock cluster etcd snapshot list` names those that there are")
    })
}

/// The snapshot to go back to where nobody has data: the latest that k3s has made. Of one that was brought it is only
/// known when that was.
pub fn latest(looks: &Answers<Look>) -> Option<Held> {
    let mut all = snapshots(looks);
    all.sort_by_key(is_brought);
    all.into_iter().next()
}

fn is_brought(held: &Held) -> bool {
    held.snapshot.path.starts_with(SNAPSHOTS)
}

/// Takes a snapshot now, on the server that has told these nodes.
///
/// # Errors
/// [`codes::NO_ETCD`] if the cluster has none.
pub fn save(server: &str, nodes: &[Node], name: &str) -> Result<Plan> {
    if !nodes.iter().any(|node| node.part == observe::Part::Voter) {
        return Err(no_etcd());
    }
    let words = ["etcd-snapshot", "save", "--name", name];
    let invocation = Invocation::k3s(words).within(super::LONG);
    let action = Action::run("take a snapshot of etcd", Place::host(server), invocation);
    Ok(Plan::new("etcd snapshot").with(Stage::essential(Part::new(server, vec![action]))))
}

/// Deletes snapshots, wherever they lie; those that are gone already are gone. Of one that nobody has, it is not known
/// as long as a server is silent.
pub fn delete(looks: &Answers<Look>, names: &[String]) -> Plan {
    let mut plan = Plan::new("etcd snapshot delete");
    let known = snapshots(looks);
    for held in known.iter().filter(|held| names.contains(&held.snapshot.name)) {
        let name = &held.snapshot.name;
        let mut words = vec!["etcd-snapshot".to_owned(), "delete".to_owned()];
        if is_brought(held) {
            words.push(format!("--etcd-snapshot-dir={SNAPSHOTS}"));
        }
        words.push(name.clone());
        let action = Action::run(format!("delete {name}"), Place::host(&held.server), Invocation::k3s(words));
        plan = plan.with(Stage::side_by_side(vec![Part::new(&held.server, vec![action])], 1));
    }
    if !plan.is_empty() {
        plan.consent = Consent::Agreement;
    }
    if names.iter().any(|name| !known.iter().any(|held| held.snapshot.name == *name)) {
        let silent = looks.keys().filter_map(|server| Some((server, reason(looks, server)?)));
        plan.out_of_reach = silent
            .map(|(server, why)| OutOfReach { host: server.clone(), why: format!("{why}; it may have them") })
            .collect();
    }
    plan
}

/// The servers that are nodes and have answered.
pub(super) fn servers<'a>(
    inventory: &'a Inventory,
    looks: &'a Answers<Look>,
) -> impl Iterator<Item = (&'a Host, &'a Look)> {
    inventory.of_role(Role::Server).filter_map(|host| match looks.get(&host.name) {
        Some(Ok(look)) if look.is_node => Some((host, look)),
        _ => None,
    })
}

/// A step of [`crate::node::recovery`] on a host.
pub(super) fn recover(host: &str, title: &str, words: &[&str]) -> Action {
    let invocation = Invocation::airlock(["node", "recover"].into_iter().chain(words.iter().copied()));
    Action::run(format!("{title} on {host}"), Place::host(host), invocation)
}

/// The servers that can be reached and have data of etcd.
pub fn with_data(inventory: &Inventory, looks: &Answers<Look>) -> Vec<String> {
    servers(inventory, looks).filter(|(_, look)| look.has_etcd).map(|(host, _)| host.name.clone()).collect()
}

/// When the cluster was last made anew from the data of another server than this one, which runs.
pub fn made_anew(looks: &Answers<Look>, but: &str) -> Option<Timestamp> {
    let others = looks.iter().filter(|(server, _)| *server != but).filter_map(|(_, look)| look.as_ref().ok());
    others.filter(|look| look.runs()).filter_map(|look| look.restored_at).max()
}

/// Nodes that the restored data know and that are not there: they are to be removed.
pub fn stale(inventory: &Inventory, nodes: &[Node]) -> Vec<String> {
    let is_stale = |node: &&Node| inventory.host(&node.name).is_none();
    nodes.iter().filter(is_stale).map(|node| node.name.clone()).collect()
}

/// The address at which another server than this one takes it in again.
pub(super) fn another(nodes: &[Node], but: &str) -> Option<String> {
    let well =
        nodes.iter().find(|node| node.name != but && node.part == observe::Part::Voter && node.ready.is_ok());
    well.and_then(|node| node.address).map(|address| super::url(address, API_PORT))
}

fn no_etcd() -> Error {
    Error::new(codes::NO_ETCD, "no server has data of etcd that could be used")
        .with_help("restore a snapshot: `airlock cluster etcd restore FILE`")
}

#[cfg(test)]
pub(crate) mod tests;
