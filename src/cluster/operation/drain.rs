//! Pods leave a node: those of daemon sets stay, those that would lose data or never come back are asked about.

mod pod;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

pub use self::pod::{Pod, of_node};
use super::{Action, Consent, Invocation, Part, Place, Plan, Stage, cordon, distinct};
use crate::cluster::observe::Node;
use crate::error::{Error, Result, codes};
use crate::quote::escape;

/// How pods leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manner {
    /// Whether what pods keep in an `emptyDir` may be lost.
    pub delete_emptydir_data: bool,
    /// Whether pods may go that nobody makes again.
    pub force: bool,
    /// How long it may take for one node.
    pub timeout: Duration,
}

/// How long a node may take unless something else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// The end of the command may come a little after its own timeout.
const GRACE: Duration = Duration::from_secs(60);

impl Default for Manner {
    fn default() -> Manner {
        Manner { delete_emptydir_data: false, force: false, timeout: TIMEOUT }
    }
}

/// Lets the pods of nodes leave, one node after the other, and keeps new ones away. `pods` are those of all nodes.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`]; [`codes::DRAIN_REFUSED`] with the pods that nobody has agreed to lose.
pub fn plan(members: &[Node], pods: &[Pod], nodes: &[String], manner: &Manner) -> Result<Plan> {
    let mut plan = Plan::new("drain");
    for node in distinct(nodes) {
        let member = cordon::known(members, node)?;
        let actions: Vec<Action> = action(member, pods, manner)?.into_iter().collect();
        if member.ready.is_err() && !actions.is_empty() {
            plan.notes.push(format!(
                "{node} is not ready: its pods are told to go, and may never say that they have"
            ));
        }
        plan = plan.with(Stage::essential(Part::new(node, actions)));
    }
    if !plan.is_empty() {
        plan.consent = Consent::Agreement;
    }
    Ok(plan)
}

/// What it takes to empty a node; nothing if it is empty and new pods stay away.
///
/// # Errors
/// [`codes::DRAIN_REFUSED`].
pub fn action(member: &Node, pods: &[Pod], manner: &Manner) -> Result<Option<Action>> {
    let node = &member.name;
    let leaving: Vec<&Pod> = of_node(pods, node).filter(|pod| pod.leaves()).collect();
    if leaving.is_empty() && member.is_cordoned {
        return Ok(None);
    }
    let with_data = leaving.iter().filter(|pod| pod.has_empty_dir);
    let alone = leaving.iter().filter(|pod| pod.is_alone);
    if !manner.delete_emptydir_data {
        let what = format!("pods of {node} keep data in an emptyDir, which goes with them");
        ask(&what, with_data, "if it may be lost: `--delete-emptydir-data`")?;
    }
    if !manner.force {
        let what = format!("nobody makes pods of {node} again when they are gone");
        ask(&what, alone, "if they may go for good: `--force`")?;
    }
    let title = match leaving.len() {
        0 => format!("drain {node}, which has no pods to lose"),
        1 => format!("drain {node}: 1 pod"),
        count => format!("drain {node}: {count} pods"),
    };
    Ok(Some(Action::run(title, Place::Server, invocation(node, manner))))
}

fn invocation(node: &str, manner: &Manner) -> Invocation {
    let timeout = format!("--timeout={}s", manner.timeout.as_secs());
    let mut words = vec!["drain".to_owned(), node.to_owned(), "--ignore-daemonsets".to_owned(), timeout];
    if manner.delete_emptydir_data {
        words.push("--delete-emptydir-data".to_owned());
    }
    if manner.force {
        words.push("--force".to_owned());
    }
    Invocation::kubectl(words).within(manner.timeout + GRACE)
}

fn ask<'a>(what: &str, pods: impl Iterator<Item = &'a &'a Pod>, help: &str) -> Result<()> {
    let names: Vec<String> = pods.map(|pod| pod.full_name()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let error = Error::new(codes::DRAIN_REFUSED, what).with_help(help);
    Err(names.into_iter().fold(error, Error::with_detail))
}

/// What `kubectl drain` has said where pods may not go, or have not gone in time.
pub fn refusal(lines: &[String]) -> Option<Error> {
    let evicted: BTreeSet<String> = lines
        .iter()
        .filter(|line| line.contains("disruption budget"))
        .filter_map(|line| pod_of(line))
        .collect();
    let told = |error: Error, pods: BTreeSet<String>| pods.into_iter().fold(error, Error::with_detail);
    if !evicted.is_empty() {
        let message = "pods may not leave the node: the disruption budget of each allows none to go";
        let error = Error::new(codes::DRAIN_REFUSED, message).with_help(
            "`sudo k3s kubectl get pdb --all-namespaces` shows the budgets: let more copies run, or bring back \
             those that are not ready; then run the same command again, with a longer `--timeout` if need be",
        );
        return Some(told(error, evicted));
    }
    let is_late = lines.iter().any(|line| line.contains("global timeout reached"));
    is_late.then(|| {
        let waiting = lines.iter().filter_map(|line| pod_of(line)).collect();
        let error = Error::new(codes::DRAIN_REFUSED, "pods have not left the node in time").with_help(
            "they may need longer to end: run the same command again with a longer `--timeout`; the node takes no \
             new ones meanwhile",
        );
        told(error, waiting)
    })
}

/// The pod in `error when evicting pods/"web-1" -n "default" …`.
fn pod_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("pods/\"")?;
    let (name, rest) = rest.split_once('"')?;
    let namespace = rest.split_once("-n \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
    Some(escape(&format!("{}/{name}", namespace.unwrap_or("default"))).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::agent;

    fn pod(name: &str) -> Pod {
        Pod {
            name: name.to_owned(),
            namespace: "default".to_owned(),
            node: "a1".to_owned(),
            ..Pod::default()
        }
    }

    fn commands(pods: &[Pod], member: Node, manner: &Manner) -> Result<Vec<String>> {
        let plan = plan(&[member], pods, &["a1".to_owned()], manner)?;
        Ok(plan.actions().filter_map(Action::command).collect())
    }

    #[test]
    fn an_empty_node_that_takes_nothing_new_is_drained() {
        let drained = Node { is_cordoned: true, ..agent("a1") };
        let stays = Pod { is_of_daemon_set: true, has_empty_dir: true, ..pod("dns") };
        let manner = Manner::default();
        assert!(commands(&[stays], drained.clone(), &manner).unwrap().is_empty());
        let line = "sudo k3s kubectl drain a1 --ignore-daemonsets --timeout=300s";
        assert_eq!(commands(&[], agent("a1"), &manner).unwrap(), [line]);
        assert_eq!(commands(&[pod("web")], drained, &manner).unwrap(), [line]);
    }

    #[test]
    fn what_would_be_lost_is_asked_about() {
        let pods = [Pod { has_empty_dir: true, ..pod("db") }, Pod { is_alone: true, ..pod("job") }];
        let error = commands(&pods, agent("a1"), &Manner::default()).unwrap_err();
        assert_eq!((error.code(), error.details()), (codes::DRAIN_REFUSED, &["default/db".to_owned()][..]));
        let manner = Manner { delete_emptydir_data: true, ..Manner::default() };
        let error = commands(&pods, agent("a1"), &manner).unwrap_err();
        assert!(error.help().unwrap().contains("--force") && error.details() == ["default/job"]);
        let manner = Manner { force: true, ..manner };
        let [line] = commands(&pods, agent("a1"), &manner).unwrap().try_into().unwrap();
        assert!(line.ends_with("--delete-emptydir-data --force"), "{line}");
    }

    #[test]
    fn refusals_name_the_pods() {
        let line = |name: &str| {
            format!(
                "error when evicting pods/\"{name}\" -n \"shop\" (will retry after 5s): Cannot evict pod as it would \
                 violate the pod's disruption budget."
            )
        };
        let error = refusal(&[line("web-1"), line("web-1"), line("web-2\u{1b}")]).unwrap();
        assert_eq!(error.details(), ["shop/web-1", "shop/web-2\\u{1b}"]);
        let late = "error: unable to drain node \"a1\" due to error: error when waiting for pod \"x\" to terminate: \
                    global timeout reached: 5m0s";
        assert_eq!(refusal(&[late.to_owned()]).unwrap().message(), "pods have not left the node in time");
        assert!(refusal(&["error: nodes \"a1\" not found".to_owned()]).is_none());
    }
}
