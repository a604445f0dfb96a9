//! Nodes leave the cluster, and their hosts become what they were.
//!
//! The order is that of `k3s.md` 4.4: pods leave first; k3s is kept from starting again before etcd lets the member of a
//! server go, or it would join anew at once; it is stopped before the node is deleted; the password goes with the node, so
//! that a host of that name can join later.
//!
//! Whoever is not in the inventory any more leaves the cluster all the same, but its host cannot be reached. What stays
//! there, and the command that ends it, is told before and after.

use super::condition::{Condition, LEAVE, password};
use super::drain::{self, Manner, Pod};
use super::node::{Answers, Status, reason};
use super::reset::{self, Kept};
use super::voters::{Voters, last_server};
use super::{
    Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage, distinct, find, has_etcd, is_server,
};
use crate::cluster::inventory::{Inventory, Role};
use crate::cluster::observe::Node;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// What is known before nodes leave.
pub struct Observed<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The nodes of the cluster.
    pub members: &'a [Node],
    /// All pods.
    pub pods: &'a [Pod],
    /// What the hosts that are to leave have said about themselves.
    pub hosts: &'a Answers<Status>,
}

/// How nodes leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaving {
    /// How their pods do; nothing if they are left to die with the node.
    pub drain: Option<Manner>,
    /// What is kept on the hosts.
    pub kept: Kept,
}

/// Lets nodes leave: agents side by side, servers one after the other.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`]; [`codes::LAST_SERVER`]; [`codes::QUORUM`] if etcd would not bear it;
/// [`codes::DRAIN_REFUSED`].
pub fn plan(observed: &Observed<'_>, nodes: &[String], leaving: &Leaving) -> Result<Plan> {
    let mut plan = Plan::new("remove");
    let mut voters = Voters::of(observed.members);
    let mut agents = Vec::new();
    let mut servers = Vec::new();
    // In the order in which they were named, since a dead server must go before one that works.
    for node in distinct(nodes) {
        check_known(observed, node)?;
        let is_server = was_server(observed, node);
        if is_server {
            check_not_last(observed, node, nodes)?;
            check_in_reach(observed, node)?;
            voters = voters.after(node)?;
        }
        let part = Part::new(node, actions(observed, node, leaving)?);
        if is_server { &mut servers } else { &mut agents }.push(part);
        plan.out_of_reach.extend(out_of_reach(observed, node));
        plan.by_hand.extend(by_hand(observed, node, leaving.kept));
    }
    plan = plan.with(Stage::side_by_side(agents, observed.inventory.cluster.concurrency));
    plan = servers.into_iter().fold(plan, |plan, part| plan.with(Stage::essential(part)));
    let is_news = Voters::of(observed.members) != voters && !observed.inventory.has_even_servers();
    plan.notes.extend(voters.warning().filter(|_| is_news));
    if !plan.is_empty() {
        plan.consent = Consent::Agreement;
    }
    if !plan.is_empty() && nodes.iter().any(|node| observed.inventory.host(node).is_some()) {
        plan.by_hand
            .push("take them out of the inventory too, or the next deploy lets them join again".to_owned());
    }
    Ok(plan)
}

/// The steps by which the cluster forgets a node, whatever has become of its host.
pub(super) fn forgetting(node: &str) -> Vec<Action> {
    let place = || Place::server_but(node);
    let secret = password(node);
    let secret = ["delete", "secret", secret.as_str(), "--namespace", "kube-system", "--ignore-not-found"];
    // The node goes last: as long as the cluster knows it, a removal that was broken off goes on.
    vec![
        Action::run(format!("delete the password of {node}"), place(), Invocation::kubectl(secret)),
        Action::run(
            format!("delete the node {node}"),
            place(),
            Invocation::kubectl(["delete", "node", node, "--ignore-not-found"]),
        ),
        Action::wait(place(), Condition::Forgotten { node: node.to_owned() }),
    ]
}

/// The steps by which etcd lets the member of a node go.
pub(super) fn leaving_etcd(node: &str) -> Vec<Action> {
    let annotation = format!("{LEAVE}=true");
    let words = ["annotate", "node", node, annotation.as_str(), "--overwrite"];
    vec![
        Action::run(
            format!("ask etcd to let {node} go"),
            Place::server_but(node),
            Invocation::kubectl(words),
        ),
        Action::wait(Place::server_but(node), Condition::LeftEtcd { node: node.to_owned() }),
    ]
}

fn actions(observed: &Observed<'_>, node: &str, leaving: &Leaving) -> Result<Vec<Action>> {
    let member = find(observed.members, node);
    let is_reachable = matches!(observed.hosts.get(node), Some(Ok(_)));
    let is_node = matches!(observed.hosts.get(node), Some(Ok(status)) if status.is_node);
    let recover = |title: &str, word: &str| {
        let invocation = Invocation::airlock(["node", "recover", word]);
        Action::run(format!("{title} on {node}"), Place::host(node), invocation)
    };
    let mut actions = Vec::new();
    if let Some(member) = member {
        if let Some(manner) = leaving.drain.as_ref().filter(|_| member.ready.is_ok()) {
            actions.extend(drain::action(member, observed.pods, manner)?);
        }
        if has_etcd(member) {
            if is_reachable && is_node {
                actions.push(recover("keep k3s from starting again", "disarm"));
            }
            actions.extend(leaving_etcd(node));
        }
        if is_reachable && is_node {
            actions.push(recover("stop k3s", "stop"));
        }
        actions.extend(forgetting(node));
    }
    if is_node {
        actions.push(reset::action(node, leaving.kept));
    }
    Ok(actions)
}

fn was_server(observed: &Observed<'_>, node: &str) -> bool {
    match (find(observed.members, node), observed.inventory.host(node)) {
        (Some(member), _) => is_server(member),
        (None, Some(host)) => host.role == Role::Server,
        (None, None) => false,
    }
}

fn check_known(observed: &Observed<'_>, node: &str) -> Result<()> {
    if find(observed.members, node).is_some() || observed.inventory.host(node).is_some() {
        return Ok(());
    }
    let members: Vec<&str> = observed.members.iter().map(|member| member.name.as_str()).collect();
    let hosts: Vec<&str> = observed.inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    let message = format!("`{}` is neither in the cluster nor in the inventory", quote(node));
    Err(Error::new(codes::NOT_A_MEMBER, message)
        .with_detail(format!("the cluster has {}", members.join(", ")))
        .with_detail(format!("the inventory has {}", hosts.join(", ")))
        .with_help("name one of them; a node that was removed before is in neither"))
}

/// A cluster without etcd has one server, and nobody asks etcd there.
fn check_not_last(observed: &Observed<'_>, node: &str, leaving: &[String]) -> Result<()> {
    let stays = |member: &&Node| is_server(member) && !leaving.contains(&member.name);
    match find(observed.members, node).is_some() && !observed.members.iter().any(|member| stays(&member)) {
        true => Err(last_server(node)),
        false => Ok(()),
    }
}

/// A server that runs joins again as soon as etcd has let it go, unless k3s there is kept from it.
fn check_in_reach(observed: &Observed<'_>, node: &str) -> Result<()> {
    let runs = find(observed.members, node).is_some_and(|member| has_etcd(member) && member.ready.is_ok());
    let (why, first) = match observed.inventory.host(node) {
        _ if !runs => return Ok(()),
        None => (
            "is not in the inventory".to_owned(),
            "write its line into the inventory again until it is removed",
        ),
        Some(_) => match reason(observed.hosts, node) {
            Some(why) => {
                (format!("cannot be reached ({why})"), "let it be reached, see `airlock cluster ping`")
            }
            None => return Ok(()),
        },
    };
    let message = format!("the server {node} runs, and {why}: etcd would let it go, and it would join again");
    Err(Error::new(codes::NOT_REACHED, message).with_help(format!(
        "{first}; if {node} is out of reach for good, switch it off, wait until `airlock cluster status` calls it not \
         ready, and run the same command again"
    )))
}

fn out_of_reach(observed: &Observed<'_>, node: &str) -> Option<OutOfReach> {
    observed.inventory.host(node)?;
    reason(observed.hosts, node).map(|why| OutOfReach {
        host: node.to_owned(),
        why: format!("{why}; keep it off, or run `sudo airlock node reset` on it before it comes back"),
    })
}

/// What stays on a host that is not in the inventory, and so cannot be reached.
fn by_hand(observed: &Observed<'_>, node: &str, kept: Kept) -> Option<String> {
    if observed.inventory.host(node).is_some() {
        return None;
    }
    let stays = match find(observed.members, node)?.ready {
        Ok(()) => "k3s, its containers and its data stay there, and it joins again when it restarts",
        Err(_) => "what is on it stays, and it joins again if it comes back: keep it off, or reset it",
    };
    let command = reset::action(node, kept).command().unwrap_or_default();
    Some(format!(
        "{node} is not in the inventory, so its host is not touched: {stays}; on {node}: `{command}`"
    ))
}

#[cfg(test)]
mod tests;
