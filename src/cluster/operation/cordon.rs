//! New pods stay away from nodes, or come back.

use super::{Action, Invocation, Part, Place, Plan, Stage, distinct, find};
use crate::cluster::observe::Node;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Keeps new pods away from nodes (`cordon`), or lets them come again.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`].
pub fn plan(members: &[Node], nodes: &[String], cordon: bool) -> Result<Plan> {
    let verb = if cordon { "cordon" } else { "uncordon" };
    let mut parts = Vec::new();
    for node in distinct(nodes) {
        let member = known(members, node)?;
        let action = Action::run(format!("{verb} {node}"), Place::Server, Invocation::kubectl([verb, node]));
        parts.push(Part::new(node, (member.is_cordoned != cordon).then_some(action).into_iter().collect()));
    }
    Ok(Plan::new(verb).with(Stage::side_by_side(parts, 1)))
}

/// The node of this name.
///
/// # Errors
/// [`codes::NOT_A_MEMBER`] with those that there are.
pub fn known<'a>(members: &'a [Node], node: &str) -> Result<&'a Node> {
    find(members, node).ok_or_else(|| {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        Error::new(codes::NOT_A_MEMBER, format!("the cluster has no node `{}`", quote(node)))
            .with_detail(format!("it has {}", names.join(", ")))
            .with_help("name one of them; a host that is to join: `airlock cluster add HOST`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, server};

    #[test]
    fn only_what_differs_is_done() {
        let members = [agent("a1"), Node { is_cordoned: true, ..agent("a2") }, server("s1")];
        let nodes = ["a1", "a2", "a1"].map(str::to_owned);
        let commands = |plan: Plan| plan.actions().filter_map(Action::command).collect::<Vec<_>>();
        assert_eq!(commands(plan(&members, &nodes, true).unwrap()), ["sudo k3s kubectl cordon a1"]);
        assert_eq!(commands(plan(&members, &nodes, false).unwrap()), ["sudo k3s kubectl uncordon a2"]);
        let error = plan(&members, &["a9".to_owned()], true).unwrap_err();
        assert_eq!(
            (error.code(), error.details()),
            (codes::NOT_A_MEMBER, &["it has a1, a2, s1".to_owned()][..])
        );
    }
}
