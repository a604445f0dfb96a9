//! Labels and taints of nodes, as the inventory or the command line wants them.
//!
//! A change is made twice: in the cluster, where it counts at once, and in the settings of the node, because k3s gives a
//! node the labels of its configuration again at every start (`k3s.md` 3.1). The second restarts k3s, so it is done to one
//! server after the other; containers run on meanwhile. Labels that a node may not give itself, such as
//! `node-role.kubernetes.io/worker`, are made in the cluster only.

mod wish;

use std::collections::BTreeMap;

pub use self::wish::{Wish, parse};
use super::condition::Condition;
use super::node::{Answers, reason};
use super::{Action, Invocation, OutOfReach, Part, Place, Plan, Stage, cordon};
use crate::cluster::inventory::{Inventory, Role};
use crate::cluster::observe::Node;
use crate::error::Result;
use crate::node::settings::{Settings, check_label};

/// What is known before labels are set.
pub struct Observed<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The nodes of the cluster.
    pub members: &'a [Node],
    /// The settings that the hosts keep.
    pub kept: &'a Answers<Option<Settings>>,
}

/// What the inventory wants of all nodes in the cluster: its labels and taints, and none of those that it had wanted
/// before.
pub fn from_inventory(observed: &Observed<'_>) -> BTreeMap<String, Wish> {
    let hosts = observed.inventory.hosts.iter();
    let known = hosts.filter(|host| observed.members.iter().any(|member| member.name == host.name));
    let wish = |host: &crate::cluster::inventory::Host| {
        let before =
            observed.kept.get(&host.name).and_then(|kept| kept.as_ref().ok()).and_then(Option::as_ref);
        (host.name.clone(), Wish::of_host(host, before))
    };
    known.map(wish).collect()
}

/// Brings about what is wished of each node.
///
/// # Errors
/// [`NOT_A_MEMBER`](crate::error::codes::NOT_A_MEMBER).
pub fn plan(observed: &Observed<'_>, wishes: &BTreeMap<String, Wish>) -> Result<Plan> {
    let mut plan = Plan::new("label");
    let (mut at_once, mut agents, mut servers) = (Vec::new(), Vec::new(), Vec::new());
    for (node, wish) in wishes {
        let member = cordon::known(observed.members, node)?;
        at_once.push(Part::new(node, in_cluster(member, wish)));
        if let Some(why) = reason(observed.kept, node) {
            let why = format!("{why}: k3s there would bring the old labels back when it starts");
            plan.out_of_reach.push(OutOfReach { host: node.clone(), why });
        }
        let is_server = observed.inventory.host(node).is_some_and(|host| host.role == Role::Server);
        let mut actions = on_host(observed.kept, node, wish);
        if is_server && !actions.is_empty() {
            // k3s restarts: etcd must not lose its quorum by it.
            actions.insert(0, Action::wait(Place::Server, Condition::others_well(node)));
        }
        let part = Part::new(node, actions);
        if is_server { &mut servers } else { &mut agents }.push(part);
    }
    let concurrency = observed.inventory.cluster.concurrency;
    plan =
        plan.with(Stage::side_by_side(at_once, concurrency)).with(Stage::side_by_side(agents, concurrency));
    plan = servers.into_iter().fold(plan, |plan, part| plan.with(Stage::essential(part)));
    Ok(plan)
}

/// What counts at once.
fn in_cluster(member: &Node, wish: &Wish) -> Vec<Action> {
    let node = &member.name;
    let labels: Vec<String> = wish
        .labels
        .iter()
        .filter(|(key, value)| member.labels.get(*key) != value.as_ref())
        .map(|(key, value)| {
            value.as_ref().map_or_else(|| format!("{key}-"), |value| format!("{key}={value}"))
        })
        .collect();
    let taints: Vec<String> = wish.taints.iter().filter_map(|taint| taint.change(&member.taints)).collect();
    let action = |verb: &str, words: Vec<String>| {
        let title = format!("{verb} {node}: {}", words.join(" "));
        let invocation = [verb, "node", node].into_iter().map(str::to_owned).chain(words);
        let invocation = Invocation::kubectl(invocation.chain(["--overwrite".to_owned()]));
        Action::run(title, Place::Server, invocation)
    };
    let both = [("label", labels), ("taint", taints)];
    both.into_iter().filter(|(_, words)| !words.is_empty()).map(|(verb, words)| action(verb, words)).collect()
}

/// What keeps them.
fn on_host(kept: &Answers<Option<Settings>>, node: &str, wish: &Wish) -> Vec<Action> {
    let Some(Ok(Some(before))) = kept.get(node) else { return Vec::new() };
    let after = kept_with(before, wish);
    if after == *before {
        return Vec::new();
    }
    // Types with text keys always serialise.
    let text = serde_json::to_string_pretty(&after).unwrap_or_default();
    let invocation =
        Invocation::airlock(["install", "--settings", "{settings}", "--yes"]).with_file("settings", text);
    vec![
        Action::run(format!("keep the labels of {node}; k3s restarts"), Place::host(node), invocation),
        Action::wait(Place::Server, Condition::ready(node)),
    ]
}

fn kept_with(before: &Settings, wish: &Wish) -> Settings {
    let mut after = before.clone();
    for (key, value) in &wish.labels {
        match value {
            Some(value) if check_label(key, value).is_ok() => {
                after.labels.insert(key.clone(), value.clone());
            }
            Some(_) => {}
            None => drop(after.labels.remove(key)),
        }
    }
    for taint in &wish.taints {
        taint.apply(&mut after.taints);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, server};
    use crate::cluster::operation::site::tests::inventory;
    use crate::error::{Error, codes};

    fn labelled(member: Node, labels: &[(&str, &str)]) -> Node {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Node { labels, ..member }
    }

    fn commands(plan: &Plan) -> Vec<String> {
        plan.actions().filter_map(Action::command).collect()
    }

    #[test]
    fn what_the_inventory_no_longer_wants_goes_and_the_second_time_nothing_is_done() {
        let mut inventory = inventory(1, 1);
        inventory.hosts[1].labels.insert("rack".to_owned(), "b".to_owned());
        inventory.hosts[1].taints.push("gpu=yes:NoSchedule".parse().unwrap());
        let before =
            Settings::parse(br#"{"labels": {"rack": "a", "old": "1"}, "taints": ["x:NoExecute"]}"#).unwrap();
        let kept: Answers<Option<Settings>> =
            [("a1".to_owned(), Ok(Some(before.clone()))), ("s1".to_owned(), Ok(Some(Settings::default())))]
                .into();
        let had = labelled(agent("a1"), &[("rack", "a"), ("old", "1"), ("kubernetes.io/os", "linux")]);
        let had = Node { taints: vec!["x:NoExecute".to_owned()], ..had };
        let members = [had, server("s1")];
        let observed = Observed { inventory: &inventory, members: &members, kept: &kept };
        let wishes = from_inventory(&observed);
        assert_eq!(
            commands(&plan(&observed, &wishes).unwrap()),
            [
                "sudo k3s kubectl label node a1 old- rack=b --overwrite",
                "sudo k3s kubectl taint node a1 x:NoExecute- gpu=yes:NoSchedule --overwrite",
                "sudo airlock install --settings '{settings}' --yes",
            ]
        );
        let after = Ok(Some(kept_with(&before, &wishes["a1"])));
        let kept: Answers<Option<Settings>> =
            [("a1".to_owned(), after), ("s1".to_owned(), Ok(Some(Settings::default())))].into();
        let has = labelled(agent("a1"), &[("rack", "b"), ("kubernetes.io/os", "linux")]);
        let members = [Node { taints: vec!["gpu=yes:NoSchedule".to_owned()], ..has }, server("s1")];
        let observed = Observed { inventory: &inventory, members: &members, kept: &kept };
        assert!(plan(&observed, &from_inventory(&observed)).unwrap().is_empty());
    }

    #[test]
    fn a_server_restarts_when_all_others_are_well() {
        let inventory = inventory(2, 0);
        let kept: Answers<Option<Settings>> =
            ["s1", "s2"].map(|name| (name.to_owned(), Ok(Some(Settings::default())))).into();
        let members = [server("s1"), server("s2")];
        let observed = Observed { inventory: &inventory, members: &members, kept: &kept };
        let wish = || parse(&["a=b".to_owned()]).unwrap();
        let plan = plan(&observed, &[("s1".to_owned(), wish()), ("s2".to_owned(), wish())].into()).unwrap();
        let titles: Vec<&str> = plan.actions().map(|action| action.title.as_str()).skip(2).collect();
        let of = |name: &str, other: &str| {
            [
                format!("wait until all servers but {name} are well"),
                format!("keep the labels of {name}; k3s restarts"),
                format!("wait until {name} is {other}"),
            ]
        };
        assert_eq!(titles, [of("s1", "ready"), of("s2", "ready")].concat());
    }

    #[test]
    fn what_a_node_may_not_give_itself_is_made_in_the_cluster_only() {
        let inventory = inventory(1, 1);
        let kept: Answers<Option<Settings>> = [("a1".to_owned(), Ok(Some(Settings::default())))].into();
        let members = [agent("a1")];
        let observed = Observed { inventory: &inventory, members: &members, kept: &kept };
        let wish = parse(&["node-role.kubernetes.io/worker=true".to_owned()]).unwrap();
        let plan = plan(&observed, &[("a1".to_owned(), wish)].into()).unwrap();
        assert_eq!(
            commands(&plan),
            ["sudo k3s kubectl label node a1 node-role.kubernetes.io/worker=true --overwrite"]
        );
    }

    #[test]
    fn a_host_that_is_silent_is_named() {
        let inventory = inventory(1, 1);
        let silent = Error::new(codes::REMOTE_ANSWER, "a1 is silent");
        let kept: Answers<Option<Settings>> = [("a1".to_owned(), Err(silent))].into();
        let members = [agent("a1")];
        let observed = Observed { inventory: &inventory, members: &members, kept: &kept };
        let plan = plan(&observed, &[("a1".to_owned(), parse(&["a=b".to_owned()]).unwrap())].into()).unwrap();
        assert_eq!((commands(&plan).len(), plan.out_of_reach[0].host.as_str()), (1, "a1"));
    }
}
