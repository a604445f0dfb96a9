//! Snapshots of etcd, and the way back from one, or from a quorum that is lost for good.
//!
//! A restore stops every server, gives one of them the data (`gpu-and-ha.md` 2.5), starts it, and lets the others join
//! anew, one after the other, with empty hands: their data are put aside, not deleted. Agents find the servers by
//! themselves.

use std::net::IpAddr;

use serde::Serialize;

use super::condition::Condition;
use super::node::{Answers, reason};
use super::{Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage, find};
use crate::cluster::inventory::{Connection, Host, Inventory, Role};
use crate::cluster::observe::{self, Node};
use crate::error::{Error, Result, codes};
use crate::node::recovery::{Look, SNAPSHOTS, Snapshot};
use crate::quote::quote;

/// The port at which servers take others in.
const SUPERVISOR: u16 = 6443;

/// A snapshot on the disk of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The server.
    pub server: String,
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
}

/// Whose data the cluster gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Those of a snapshot.
    Snapshot(Held),
    /// Those that this server has: nothing is lost but what it had not heard of.
    Server(String),
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

/// Takes a snapshot now, on a server that answers.
///
/// # Errors
/// [`codes::NO_ETCD`] if the cluster has none.
pub fn save(nodes: &[Node], name: &str) -> Result<Plan> {
    let server = nodes.iter().find(|node| node.part == observe::Part::Voter && node.ready.is_ok());
    let server = server.ok_or_else(no_etcd)?;
    let words = ["etcd-snapshot", "save", "--name", name];
    let invocation = Invocation::k3s(words).within(super::LONG);
    let action = Action::run("take a snapshot of etcd", Place::host(&server.name), invocation);
    Ok(Plan::new("etcd snapshot").with(Stage::essential(Part::new(&server.name, vec![action]))))
}

/// Deletes snapshots, wherever they lie; those that are gone already are gone.
pub fn delete(looks: &Answers<Look>, names: &[String]) -> Plan {
    let mut plan = Plan::new("etcd snapshot delete");
    for held in snapshots(looks).into_iter().filter(|held| names.contains(&held.snapshot.name)) {
        let name = &held.snapshot.name;
        let mut words = vec!["etcd-snapshot".to_owned(), "delete".to_owned()];
        if held.snapshot.path.starts_with(SNAPSHOTS) {
            words.push(format!("--etcd-snapshot-dir={SNAPSHOTS}"));
        }
        words.push(name.clone());
        let invocation = Invocation::k3s(words);
        let action = Action::run(format!("delete {name}"), Place::host(&held.server), invocation);
        plan = plan.with(Stage::side_by_side(vec![Part::new(&held.server, vec![action])], 1));
    }
    if !plan.is_empty() {
        plan.consent = Consent::Agreement;
    }
    plan
}

/// Gives the cluster the data of `source`. `looks` are what the servers have said about themselves, `nodes` those of the
/// cluster, if a server answers. A cluster that has these data already keeps them: servers that have not joined since do.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`], [`codes::NO_ETCD`] if the server of the source cannot be it.
pub fn restore(
    inventory: &Inventory,
    looks: &Answers<Look>,
    nodes: Option<&[Node]>,
    source: &Source,
) -> Result<Plan> {
    let (name, path) = match source {
        Source::Snapshot(held) => (&held.server, Some(held.snapshot.path.as_str())),
        Source::Server(server) => (server, None),
    };
    let (host, first) = chosen(inventory, looks, name)?;
    if path.is_none() && !first.has_etcd {
        return Err(no_etcd());
    }
    let others: Vec<(&Host, &Look)> =
        servers(inventory, looks).filter(|(other, _)| other.name != host.name).collect();
    let has_data = first.restored.as_deref() == Some(path.unwrap_or_default()) && first.runs();
    match nodes.filter(|_| has_data) {
        Some(nodes) => Ok(going_on(inventory, looks, nodes, (host, first))),
        None => Ok(from_the_beginning(inventory, looks, source, path, (host, first), &others)),
    }
}

/// All stop, the first one gets the data, the others join it.
fn from_the_beginning(
    inventory: &Inventory,
    looks: &Answers<Look>,
    source: &Source,
    path: Option<&str>,
    (host, first): (&Host, &Look),
    others: &[(&Host, &Look)],
) -> Plan {
    let running = others
        .iter()
        .copied()
        .chain([(host, first)])
        .filter(|(_, look)| look.active != "inactive" || look.is_enabled);
    let stop =
        |(host, _): (&Host, &Look)| Part::new(&host.name, vec![recover(&host.name, "stop k3s", &["stop"])]);
    let (parts, at_once) = (running.map(stop).collect(), inventory.cluster.concurrency);
    let mut plan = Plan::new("etcd restore")
        .with(Stage { parts, at_once, essential: true })
        .with(Stage::essential(Part::new(&host.name, beginning_anew(&host.name, path))));
    for (other, look) in others {
        let actions = joining_anew(inventory, other, look, host, first);
        plan = plan.with(Stage::essential(Part::new(&other.name, actions)));
    }
    plan.out_of_reach = out_of_reach(inventory, looks);
    plan.notes.push(loss(source));
    plan.consent = typed(inventory);
    plan
}

/// The first one has the data and runs; those that have not joined it since do.
fn going_on(
    inventory: &Inventory,
    looks: &Answers<Look>,
    nodes: &[Node],
    (host, first): (&Host, &Look),
) -> Plan {
    let mut plan = Plan::new("etcd restore");
    let votes = |look: &Look, node: &Node| {
        node.part == observe::Part::Voter && node.ready.is_ok() && node.member() == look.member.as_deref()
    };
    let has_joined = |other: &Host, look: &Look| {
        look.runs() && find(nodes, &other.name).is_some_and(|node| votes(look, node))
    };
    for (other, look) in servers(inventory, looks) {
        if other.name == host.name || has_joined(other, look) {
            continue;
        }
        // What was made since is a member of the cluster as it is now.
        let is_member = look.member_since.zip(first.restored_at).is_some_and(|(since, at)| since > at);
        let actions = match is_member {
            true => vec![recover(&other.name, "start k3s", &["start"]), votes_again(other, None)],
            false => joining_anew(inventory, other, look, host, first),
        };
        plan = plan.with(Stage::essential(Part::new(&other.name, actions)));
    }
    plan.out_of_reach = out_of_reach(inventory, looks);
    let since = first.restored_at.map_or_else(String::new, |at| format!(" since {at:.0}"));
    plan.notes.push(format!(
        "{} has these data{since}, and they are left as they are; to go back to them once more: `--again`",
        host.name
    ));
    if !plan.is_empty() {
        plan.consent = typed(inventory);
    }
    plan
}

/// What gives up data asks for the name of the first server.
fn typed(inventory: &Inventory) -> Consent {
    let first = inventory.of_role(Role::Server).next();
    Consent::Typed(first.map_or_else(String::new, |host| host.name.clone()))
}

fn out_of_reach(inventory: &Inventory, looks: &Answers<Look>) -> Vec<OutOfReach> {
    let told = |server: &Host| {
        let why = reason(looks, &server.name)?;
        let why = format!(
            "{why}; keep it off until then, and let it join anew: `airlock cluster repair {0}`",
            server.name
        );
        Some(OutOfReach { host: server.name.clone(), why })
    };
    inventory.of_role(Role::Server).filter_map(told).collect()
}

fn chosen<'a>(
    inventory: &'a Inventory,
    looks: &'a Answers<Look>,
    name: &str,
) -> Result<(&'a Host, &'a Look)> {
    servers(inventory, looks).find(|(host, _)| host.name == name).ok_or_else(|| {
        let why =
            reason(looks, name).unwrap_or_else(|| "it is no server that airlock has installed".to_owned());
        Error::new(codes::NOT_A_MEMBER, format!("{} cannot begin the cluster anew: {why}", quote(name)))
            .with_help("choose another server: `--server HOST`")
    })
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

fn loss(source: &Source) -> String {
    match source {
        Source::Snapshot(held) => format!(
            "everything that was changed in the cluster since {:.0} is lost: the data are those of {}",
            held.snapshot.at, held.snapshot.name
        ),
        Source::Server(server) => {
            format!("the cluster goes on with the data of {server}; what only others had is lost")
        }
    }
}

/// A step of [`crate::node::recovery`] on a host.
pub(super) fn recover(host: &str, title: &str, words: &[&str]) -> Action {
    let invocation = Invocation::airlock(["node", "recover"].into_iter().chain(words.iter().copied()));
    Action::run(format!("{title} on {host}"), Place::host(host), invocation)
}

fn beginning_anew(server: &str, path: Option<&str>) -> Vec<Action> {
    let reset = match path {
        Some(path) => recover(server, "restore etcd", &["reset", "--snapshot", path]),
        None => recover(server, "make etcd of one member", &["reset"]),
    };
    vec![
        reset,
        recover(server, "start k3s", &["start"]),
        Action::wait(Place::Server, Condition::ready(server)),
    ]
}

fn joining_anew(inventory: &Inventory, other: &Host, look: &Look, first: &Host, its: &Look) -> Vec<Action> {
    let name = &other.name;
    let mut actions = Vec::new();
    if look.has_etcd {
        let aside = match &look.member {
            Some(member) => recover(name, "put the old data aside", &["aside", "--member", member]),
            None => recover(name, "put the old data aside", &["aside"]),
        };
        actions.push(aside);
    }
    actions.push(join(inventory, other, look, first, its));
    actions.push(votes_again(other, look.member.as_deref()));
    actions
}

fn votes_again(host: &Host, was: Option<&str>) -> Action {
    let node = host.name.clone();
    Action::wait(
        Place::Server,
        match was {
            Some(was) => Condition::Rejoined { node, was: was.to_owned() },
            None => Condition::Votes { node },
        },
    )
}

/// Starts k3s so that it joins the first server: one that would found a cluster of its own, or ask somebody who is not
/// there, is told whom to ask.
fn join(inventory: &Inventory, other: &Host, look: &Look, first: &Host, its: &Look) -> Action {
    let url = address(first, its).map(|address| super::url(address, SUPERVISOR));
    let knows_it = look.join.as_deref().is_some_and(|join| {
        let is_virtual = |host: &str| join == format!("https://{host}:{SUPERVISOR}");
        Some(join.trim_end_matches('/')) == url.as_deref()
            || inventory.cluster.virtual_address.as_ref().is_some_and(|address| is_virtual(&address.host))
    });
    match url.filter(|_| !knows_it) {
        Some(url) => {
            let invocation = Invocation::airlock(["install", "--yes", "--join", url.as_str()]);
            Action::run(
                format!("let {} join {}", other.name, first.name),
                Place::host(&other.name),
                invocation,
            )
        }
        None => recover(&other.name, "start k3s", &["start"]),
    }
}

fn address(host: &Host, look: &Look) -> Option<IpAddr> {
    let of_connection = || match &host.connection {
        Connection::Ssh(ssh) => ssh.host.parse().ok(),
        Connection::Local { .. } => None,
    };
    look.address.or(host.address).or_else(of_connection)
}

/// How many servers can be reached and have data of etcd.
pub fn with_data(inventory: &Inventory, looks: &Answers<Look>) -> usize {
    servers(inventory, looks).filter(|(_, look)| look.has_etcd).count()
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
    well.and_then(|node| node.address).map(|address| super::url(address, SUPERVISOR))
}

fn no_etcd() -> Error {
    Error::new(codes::NO_ETCD, "no server has data of etcd that could be used")
        .with_help("restore a snapshot: `airlock cluster etcd restore FILE`")
}

#[cfg(test)]
pub(crate) mod tests;
