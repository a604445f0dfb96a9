//! A node is brought back: first what is wrong is decided, then done (`gpu-and-ha.md` 2.6).

mod decision;

pub use self::decision::{Decision, Diagnosis, Patient, decide};
use super::condition::{Condition, password};
pub use super::etcd::Observed;
use super::etcd::{self, Held, Source, another, recover};
use super::remove::{forgetting, leaving_etcd};
use super::{Action, Consent, Invocation, Part, Place, Plan, Stage, find, has_etcd};
use crate::cluster::inventory::Role;
use crate::error::{Error, Result, codes};

/// What brings the patient back, with the reasons as notes. The patient has said about itself what the servers have.
///
/// # Errors
/// [`codes::REPAIR_IMPOSSIBLE`] where nothing can be done from here; those of [`etcd::restore`].
pub fn plan(observed: &Observed<'_>, node: &str, diagnosis: &Diagnosis) -> Result<Plan> {
    let mut plan = match &diagnosis.decision {
        Decision::Well => Plan::new("repair"),
        Decision::OutOfReach => return Err(impossible(node, diagnosis)),
        Decision::ResetEtcd => etcd::restore(observed, &Source::Server(node.to_owned()), true)?,
        Decision::RestoreSnapshot(held) => {
            etcd::restore(observed, &Source::Snapshot(Held::clone(held)), true)?
        }
        decision => {
            let actions = actions(observed, node, decision)?;
            let mut plan = Plan::new("repair").with(Stage::essential(Part::new(node, actions)));
            plan.consent = Consent::Agreement;
            plan
        }
    };
    plan.operation = "repair";
    let mut notes: Vec<String> = diagnosis.reasons.iter().map(|reason| format!("{node}: {reason}")).collect();
    notes.append(&mut plan.notes);
    Ok(Plan { notes, ..plan })
}

fn actions(observed: &Observed<'_>, node: &str, decision: &Decision) -> Result<Vec<Action>> {
    let start = || recover(node, "start k3s", &["start"]);
    let mut actions = match decision {
        Decision::Start => return Ok(vec![start()]),
        Decision::RenewCertificates => {
            vec![recover(node, "put expired certificates out of the way", &["certificates"]), start()]
        }
        Decision::ForgetPassword => {
            let secret = password(node);
            let words =
                ["delete", "secret", secret.as_str(), "--namespace", "kube-system", "--ignore-not-found"];
            let title = format!("delete the password of {node}");
            vec![Action::run(title, Place::Server, Invocation::kubectl(words)), start()]
        }
        Decision::ReplaceMember => replacing(observed, node)?,
        _ => {
            let invocation = Invocation::airlock(["node", "repair", "--yes"]);
            vec![Action::run(format!("repair {node}"), Place::host(node), invocation), start()]
        }
    };
    actions.push(Action::wait(Place::Server, Condition::ready(node)));
    let is_server = observed.inventory.host(node).is_some_and(|host| host.role == Role::Server);
    if is_server && observed.nodes.is_some_and(|nodes| nodes.iter().any(has_etcd)) {
        actions.push(Action::wait(Place::Server, Condition::Votes { node: node.to_owned() }));
    }
    Ok(actions)
}

/// The member of etcd goes, and the server joins anew.
fn replacing(observed: &Observed<'_>, node: &str) -> Result<Vec<Action>> {
    let nodes = observed.nodes.unwrap_or_default();
    let url = another(nodes, node).ok_or_else(|| {
        Error::new(codes::REPAIR_IMPOSSIBLE, format!("no other server is well that {node} could join"))
            .with_help(
                "repair another server first, or restore a snapshot: `airlock cluster etcd restore NAME`",
            )
    })?;
    let name = format!("before-repair-{node}");
    let words = ["etcd-snapshot", "save", "--name", name.as_str()];
    let save = Invocation::k3s(words).within(super::LONG);
    let mut actions = vec![
        Action::run("take a snapshot of etcd", Place::server_but(node), save),
        recover(node, "keep k3s from starting again", &["disarm"]),
    ];
    if find(nodes, node).is_some() {
        actions.extend(leaving_etcd(node));
        actions.push(recover(node, "stop k3s", &["stop"]));
        actions.extend(forgetting(node));
    }
    let look = observed.looks.get(node).and_then(|look| look.as_ref().ok());
    let member = look.and_then(|look| look.member.clone());
    let aside = match &member {
        Some(member) => recover(node, "put the old data aside", &["aside", "--member", member]),
        None => recover(node, "put the old data aside", &["aside"]),
    };
    actions.extend(look.filter(|look| look.has_etcd).map(|_| aside));
    let join = Invocation::airlock(["install", "--yes", "--join", url.as_str()]);
    actions.push(Action::run(format!("let {node} join again"), Place::host(node), join));
    Ok(actions)
}

fn impossible(node: &str, diagnosis: &Diagnosis) -> Error {
    let message = format!("{node} cannot be repaired from here");
    let error = Error::new(codes::REPAIR_IMPOSSIBLE, message).with_help(format!(
        "see to it that it runs and can be reached, `airlock cluster ping {node}`; if it is gone for good, \
         `airlock cluster remove {node}` and then `airlock cluster add` with its successor"
    ));
    diagnosis.reasons.iter().fold(error, |error, reason| error.with_detail(reason.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::observe::Node;
    use crate::cluster::operation::etcd::tests::{running, stopped};
    use crate::cluster::operation::node::Answers;
    use crate::cluster::operation::samples::{dead, line, server};
    use crate::cluster::operation::site::tests::inventory;
    use crate::node::recovery::Look;

    fn lines(decision: Decision) -> String {
        let inventory = inventory(3, 1);
        let nodes = [
            Node { address: Some("10.0.0.1".parse().unwrap()), ..server("s1") },
            server("s2"),
            dead(server("s3")),
        ];
        let looks: Answers<Look> = [(1, running(1)), (2, running(2)), (3, stopped(running(3)))]
            .map(|(number, look)| (format!("s{number}"), Ok(look)))
            .into();
        let observed = Observed { inventory: &inventory, nodes: Some(&nodes), looks: &looks };
        let diagnosis = Diagnosis { decision, reasons: vec!["a reason".to_owned()] };
        let plan = plan(&observed, "s3", &diagnosis).unwrap();
        assert_eq!((plan.operation, plan.notes[0].as_str()), ("repair", "s3: a reason"));
        plan.actions().map(|action| line(action) + "\n").collect()
    }

    #[test]
    fn a_lost_member_is_replaced_with_a_snapshot_first() {
        insta::assert_snapshot!(lines(Decision::ReplaceMember), @r"
        sudo k3s etcd-snapshot save --name before-repair-s3
        sudo airlock node recover disarm
        sudo k3s kubectl annotate node s3 etcd.k3s.cattle.io/remove=true --overwrite
        wait until etcd has let s3 go
        sudo airlock node recover stop
        sudo k3s kubectl delete secret s3.node-password.k3s --namespace kube-system --ignore-not-found
        sudo k3s kubectl delete node s3 --ignore-not-found
        wait until the cluster has forgotten s3
        sudo airlock node recover aside --member s3-0123abcd
        sudo airlock install --yes --join https://10.0.0.1:6443
        wait until s3 is ready
        wait until s3 votes in etcd
        ");
    }

    #[test]
    fn every_decision_has_its_commands() {
        insta::assert_snapshot!(lines(Decision::RenewCertificates), @r"
        sudo airlock node recover certificates
        sudo airlock node recover start
        wait until s3 is ready
        wait until s3 votes in etcd
        ");
        assert!(
            lines(Decision::ForgetPassword)
                .starts_with("sudo k3s kubectl delete secret s3.node-password.k3s")
        );
        assert!(lines(Decision::Reinstall).starts_with("sudo airlock node repair --yes\n"));
        assert_eq!(lines(Decision::Start), "sudo airlock node recover start\n");
        assert!(lines(Decision::ResetEtcd).contains("sudo airlock node recover reset\n"));
        assert_eq!(lines(Decision::Well), "");
    }
}
