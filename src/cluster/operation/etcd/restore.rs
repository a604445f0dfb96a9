//! The way back from a snapshot, or from a quorum that is lost for good.
//!
//! A restore stops every server, gives one of them the data (`gpu-and-ha.md` 2.5), starts it, and lets the others join
//! anew, one after the other, with empty hands: their data are put aside, not deleted. Agents find the servers by
//! themselves.

use super::{Held, no_etcd, recover, servers};
use crate::cluster::address::endpoint;
use crate::cluster::inventory::{Connection, Host, Inventory, Role};
use crate::cluster::observe::{self, Node};
use crate::cluster::operation::condition::Condition;
use crate::cluster::operation::node::{Answers, reason};
use crate::cluster::operation::{
    Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage, find, is_server, url,
};
use crate::error::{Error, Result, codes};
use crate::node::availability::API_PORT;
use crate::node::recovery::Look;
use crate::quote::{escape, quote};

/// Whose data the cluster gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Those of a snapshot.
    Snapshot(Held),
    /// Those that this server has: nothing is lost but what it had not heard of.
    Server(String),
}

/// The server that begins, or one of those that join it.
#[derive(Clone, Copy)]
struct Server<'a> {
    host: &'a Host,
    look: &'a Look,
}

/// What is known before a restore.
#[derive(Clone, Copy)]
pub struct Observed<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// What the servers have said about themselves.
    pub looks: &'a Answers<Look>,
    /// The nodes of the cluster, if a server answers.
    pub nodes: Option<&'a [Node]>,
}

/// Gives the cluster the data of `source`. A cluster that has these data already keeps them, and servers that have not
/// joined since do; unless it is to go back to them once more, `again`.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`], [`codes::NO_ETCD`] if the server of the source cannot be it; [`codes::NOT_REACHED`] if a server
/// would run on with the old data; [`codes::REPAIR_IMPOSSIBLE`] if nobody could join the first one.
pub fn restore(observed: &Observed<'_>, source: &Source, again: bool) -> Result<Plan> {
    let (name, path) = match source {
        Source::Snapshot(held) => (&held.server, Some(held.snapshot.path.as_str())),
        Source::Server(server) => (server, None),
    };
    let first = chosen(observed, name)?;
    if path.is_none() && !first.look.has_etcd {
        return Err(no_etcd());
    }
    let others: Vec<Server<'_>> = all(observed).filter(|other| other.host.name != first.host.name).collect();
    let has_data = first.look.restored.as_deref() == Some(path.unwrap_or_default()) && first.look.runs();
    // One that is alone with its data and does not answer has just been started.
    let is_alone = !others.iter().any(|other| other.has_joined_since(&first));
    match (has_data && !again, observed.nodes) {
        (true, Some(nodes)) => going_on(observed, nodes, &first, &others),
        (true, None) if is_alone => going_on(observed, &[], &first, &others),
        _ => from_the_beginning(observed, source, path, &first, &others),
    }
}

/// All stop, the first one gets the data, the others join it.
fn from_the_beginning(
    observed: &Observed<'_>,
    source: &Source,
    path: Option<&str>,
    first: &Server<'_>,
    others: &[Server<'_>],
) -> Result<Plan> {
    nobody_runs_on(observed)?;
    let is_running = |server: &&Server<'_>| server.look.active != "inactive" || server.look.is_enabled;
    let stop = |server: &Server<'_>| {
        let name = &server.host.name;
        Part::new(name, vec![recover(name, "stop k3s", &["stop"])])
    };
    let parts = others.iter().chain([first]).filter(is_running).map(stop).collect();
    let name = &first.host.name;
    let mut plan = Plan::new("etcd restore")
        .with(Stage { parts, at_once: observed.inventory.cluster.concurrency, essential: true })
        .with(Stage::essential(Part::new(name, beginning_anew(name, path))));
    for other in others {
        let actions = other.joining_anew(observed.inventory, first)?;
        plan = plan.with(Stage::essential(Part::new(&other.host.name, actions)));
    }
    plan.out_of_reach = out_of_reach(observed);
    plan.notes.push(loss(source));
    plan.consent = typed(observed.inventory);
    Ok(plan)
}

/// The first one has the data and runs; those that have not joined it since do.
fn going_on(
    observed: &Observed<'_>,
    nodes: &[Node],
    first: &Server<'_>,
    others: &[Server<'_>],
) -> Result<Plan> {
    let (mut plan, name) = (Plan::new("etcd restore"), &first.host.name);
    if nodes.is_empty() {
        let ready = Action::wait(Place::Server, Condition::ready(name));
        plan = plan.with(Stage::essential(Part::new(name, vec![ready])));
    }
    for other in others.iter().filter(|other| !other.is_voter(nodes)) {
        let name = &other.host.name;
        // What was made since is a member of the cluster as it is now.
        let actions = match other.has_joined_since(first) {
            true => vec![recover(name, "start k3s", &["start"]), votes_again(name, None)],
            false => other.joining_anew(observed.inventory, first)?,
        };
        plan = plan.with(Stage::essential(Part::new(name, actions)));
    }
    plan.out_of_reach = out_of_reach(observed);
    let since = first.look.restored_at.map_or_else(String::new, |at| format!(" since {at:.0}"));
    plan.notes.push(format!(
        "{name} has these data{since}, and they are left as they are; to go back to them once more: `--again`"
    ));
    if !plan.is_empty() {
        plan.consent = typed(observed.inventory);
    }
    Ok(plan)
}

/// What gives up data asks for the name of the first server.
fn typed(inventory: &Inventory) -> Consent {
    let first = inventory.of_role(Role::Server).next();
    Consent::Typed(first.map_or_else(String::new, |host| host.name.clone()))
}

/// A server that cannot be stopped, and runs, would be a second cluster beside the one that is made anew.
fn nobody_runs_on(observed: &Observed<'_>) -> Result<()> {
    let is_known = |node: &Node| all(observed).any(|server| server.host.name == node.name);
    let runs_on = |node: &&Node| is_server(node) && node.ready.is_ok() && !is_known(node);
    let Some(node) = observed.nodes.into_iter().flatten().find(runs_on) else { return Ok(()) };
    let name = escape(&node.name);
    let message = format!("{name} is a server that runs, and cannot be stopped from here");
    Err(Error::new(codes::NOT_REACHED, message)
        .with_detail("it would go on with the old data, as a second cluster")
        .with_help(format!(
            "see to it that it is in the inventory and can be reached, `airlock cluster ping {name}`; or switch it off, \
             and wait until `airlock cluster status` calls it not ready"
        )))
}

fn out_of_reach(observed: &Observed<'_>) -> Vec<OutOfReach> {
    let told = |server: &Host| {
        let why = reason(observed.looks, &server.name)?;
        let why = format!(
            "{why}; keep it off until then, and let it join anew: `airlock cluster repair {0}`",
            server.name
        );
        Some(OutOfReach { host: server.name.clone(), why })
    };
    observed.inventory.of_role(Role::Server).filter_map(told).collect()
}

/// The servers that are nodes and have answered.
fn all<'a>(observed: &Observed<'a>) -> impl Iterator<Item = Server<'a>> + use<'a> {
    servers(observed.inventory, observed.looks).map(|(host, look)| Server { host, look })
}

fn chosen<'a>(observed: &Observed<'a>, name: &str) -> Result<Server<'a>> {
    all(observed).find(|server| server.host.name == name).ok_or_else(|| {
        let why = reason(observed.looks, name)
            .unwrap_or_else(|| "it is no server that airlock has installed".to_owned());
        Error::new(codes::NOT_A_MEMBER, format!("{} cannot begin the cluster anew: {why}", quote(name)))
            .with_help("choose another server: `--server HOST`")
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

impl Server<'_> {
    /// Whether its member of etcd was made after the data of the first one had come back.
    fn has_joined_since(&self, first: &Server<'_>) -> bool {
        self.look.member_since.zip(first.look.restored_at).is_some_and(|(since, at)| since > at)
    }

    /// Whether it runs, and votes in the cluster as it is now.
    fn is_voter(&self, nodes: &[Node]) -> bool {
        let votes = |node: &Node| {
            node.part == observe::Part::Voter
                && node.ready.is_ok()
                && node.member() == self.look.member.as_deref()
        };
        self.look.runs() && find(nodes, &self.host.name).is_some_and(votes)
    }

    fn joining_anew(&self, inventory: &Inventory, first: &Server<'_>) -> Result<Vec<Action>> {
        let (name, member) = (&self.host.name, self.look.member.as_deref());
        let mut actions = Vec::new();
        if self.look.has_etcd {
            let named = member.map(|member| ["--member", member]);
            let words: Vec<&str> = ["aside"].into_iter().chain(named.into_iter().flatten()).collect();
            actions.push(recover(name, "put the old data aside", &words));
        }
        actions.push(self.join(inventory, first)?);
        actions.push(votes_again(name, member));
        Ok(actions)
    }

    /// Starts k3s so that it joins the first server: one that would found a cluster of its own, or ask somebody who is
    /// not there, is told whom to ask.
    fn join(&self, inventory: &Inventory, first: &Server<'_>) -> Result<Action> {
        let name = &self.host.name;
        let url = first.url();
        let joined = self.look.join.as_deref().map(|join| join.trim_end_matches('/'));
        let front = endpoint(inventory);
        if joined.is_some() && (joined == url.as_deref() || joined == front.as_deref()) {
            return Ok(recover(name, "start k3s", &["start"]));
        }
        let url = url.ok_or_else(|| without_address(name, &first.host.name))?;
        let invocation = Invocation::airlock(["install", "--yes", "--join", url.as_str()]);
        Ok(Action::run(format!("let {name} join {}", first.host.name), Place::host(name), invocation))
    }

    /// Where others join it.
    fn url(&self) -> Option<String> {
        let of_connection = || match &self.host.connection {
            Connection::Ssh(ssh) => ssh.host.parse().ok(),
            Connection::Local { .. } => None,
        };
        let address = self.look.address.or(self.host.address).or_else(of_connection);
        address.map(|address| url(address, API_PORT))
    }
}

fn votes_again(node: &str, was: Option<&str>) -> Action {
    let node = node.to_owned();
    let condition = match was {
        Some(was) => Condition::Rejoined { node, was: was.to_owned() },
        None => Condition::Votes { node },
    };
    Action::wait(Place::Server, condition)
}

fn without_address(other: &str, first: &str) -> Error {
    let message = format!("it is not known at which address {other} would join {first}");
    Error::new(codes::REPAIR_IMPOSSIBLE, message)
        .with_help(format!("write `address` of {first} into the inventory, and run the same command again"))
}
