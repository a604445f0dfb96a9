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
use super::{Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage, find, has_etcd, is_server};
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
    for node in nodes {
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
    if !runs || observed.inventory.host(node).is_some() {
        return Ok(());
    }
    let message = format!(
        "the server {node} runs, and is not in the inventory: etcd would let it go, and it would join again"
    );
    Err(Error::new(codes::NOT_REACHED, message).with_help(format!(
        "write its line into the inventory again until it is removed; if {node} is out of reach for good, switch it off, \
         wait until `airlock cluster status` calls it not ready, and run the same command again"
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
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, dead, line, server};
    use crate::cluster::operation::site::tests::inventory;

    fn nodes(names: &[&str]) -> Answers<Status> {
        let node = |name: &&str| ((*name).to_owned(), Ok(Status { is_node: true, ..Status::default() }));
        names.iter().map(node).collect()
    }

    fn planned(
        members: &[Node],
        hosts: &Answers<Status>,
        inventory: &Inventory,
        names: &[&str],
    ) -> Result<Plan> {
        let observed = Observed { inventory, members, pods: &[], hosts };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        plan(&observed, &names, &Leaving { drain: Some(Manner::default()), kept: Kept::default() })
    }

    fn lines(members: &[Node], hosts: &Answers<Status>, names: &[&str]) -> Result<Vec<String>> {
        let plan = planned(members, hosts, &inventory(3, 1), names)?;
        Ok(plan.actions().map(line).collect())
    }

    #[test]
    fn a_server_leaves_in_the_order_that_is_safe() {
        let members = [server("s1"), server("s2"), server("s3"), agent("a1")];
        insta::assert_snapshot!(lines(&members, &nodes(&["s3"]), &["s3"]).unwrap().join("\n"), @r"
        sudo k3s kubectl drain s3 --ignore-daemonsets --timeout=300s
        sudo airlock node recover disarm
        sudo k3s kubectl annotate node s3 etcd.k3s.cattle.io/remove=true --overwrite
        wait until etcd has let s3 go
        sudo airlock node recover stop
        sudo k3s kubectl delete secret s3.node-password.k3s --namespace kube-system --ignore-not-found
        sudo k3s kubectl delete node s3 --ignore-not-found
        wait until the cluster has forgotten s3
        sudo airlock node reset --yes
        ");
    }

    #[test]
    fn a_dead_agent_is_forgotten_and_named() {
        let members = [server("s1"), dead(agent("a1"))];
        let silent = Error::new(codes::REMOTE_ANSWER, "a1 does not answer");
        let hosts: Answers<Status> = [("a1".to_owned(), Err(silent))].into();
        let lines = lines(&members, &hosts, &["a1"]).unwrap();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("delete node a1"));
    }

    #[test]
    fn who_is_not_in_the_inventory_leaves_and_its_host_is_named() {
        let members = [server("s1"), agent("a1"), agent("a2")];
        let plan = planned(&members, &Answers::new(), &inventory(1, 1), &["a2"]).unwrap();
        insta::assert_snapshot!(plan.actions().map(line).collect::<Vec<_>>().join("\n"), @r"
        sudo k3s kubectl drain a2 --ignore-daemonsets --timeout=300s
        sudo k3s kubectl delete secret a2.node-password.k3s --namespace kube-system --ignore-not-found
        sudo k3s kubectl delete node a2 --ignore-not-found
        wait until the cluster has forgotten a2
        ");
        assert!(plan.out_of_reach.is_empty(), "nothing is left for the same command to do");
        insta::assert_snapshot!(plan.by_hand.join("\n"), @"a2 is not in the inventory, so its host is not touched: k3s, its containers and its data stay there, and it joins again when it restarts; on a2: `sudo airlock node reset --yes`");
    }

    #[test]
    fn a_server_that_is_not_in_the_inventory_leaves_if_it_cannot_join_again() {
        let of_two = inventory(2, 0);
        let running = [server("s1"), server("s2"), server("s3")];
        let error = planned(&running, &Answers::new(), &of_two, &["s3"]).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::NOT_REACHED, 8));
        let [s1, s2, s3] = running;
        let plan = planned(&[s1, s2, dead(s3)], &Answers::new(), &of_two, &["s3"]).unwrap();
        let lines: Vec<String> = plan.actions().map(line).collect();
        assert!(lines[0].contains(LEAVE) && lines.len() == 5, "{lines:?}");
        assert!(plan.by_hand[0].contains("keep it off"), "{:?}", plan.by_hand);
        assert!(plan.notes.is_empty(), "the inventory has an even number already, and was told so");
    }

    #[test]
    fn an_unknown_name_is_told_those_that_there_are() {
        let members = [server("s1"), agent("gpu7")];
        let error = planned(&members, &Answers::new(), &inventory(1, 1), &["gpu8"]).unwrap_err();
        assert_eq!(error.code(), codes::NOT_A_MEMBER);
        assert_eq!(error.details(), ["the cluster has s1, gpu7", "the inventory has s1, a1"]);
    }

    #[test]
    fn what_is_half_done_goes_on_and_what_is_done_is_done() {
        let members = [server("s1")];
        assert_eq!(lines(&members, &nodes(&["a1"]), &["a1"]).unwrap(), ["sudo airlock node reset --yes"]);
        let gone: Answers<Status> = [("a1".to_owned(), Ok(Status::default()))].into();
        assert!(lines(&members, &gone, &["a1"]).unwrap().is_empty());
    }

    #[test]
    fn etcd_keeps_its_quorum_and_the_cluster_its_last_server() {
        let three = [server("s1"), server("s2"), dead(server("s3"))];
        let hosts = nodes(&["s1", "s2", "s3"]);
        assert_eq!(lines(&three, &hosts, &["s2"]).unwrap_err().code(), codes::QUORUM);
        lines(&three, &hosts, &["s3"]).unwrap();
        // One after the other, and never two votes at once: after the dead one has gone, two are left.
        lines(&three, &hosts, &["s3", "s2"]).unwrap();
        assert_eq!(lines(&three, &hosts, &["s3", "s2", "s1"]).unwrap_err().code(), codes::LAST_SERVER);
        assert_eq!(lines(&three, &hosts, &["nobody"]).unwrap_err().code(), codes::NOT_A_MEMBER);
    }
}
