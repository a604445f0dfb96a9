//! The whole cluster ends: agents first, then the servers, the first one last.

use super::node::{Answers, Status, reason};
use super::{Action, Consent, Invocation, OutOfReach, Part, Place, Plan, Stage};
use crate::cluster::inventory::{Host, Inventory, Role};

/// What is kept on the hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The data of the cluster, and the identity of each node in it.
    pub data: bool,
    /// The blobs of the registries.
    pub store: bool,
}

/// Makes every host what it was before. `answers` are what each has said about itself.
pub fn plan(inventory: &Inventory, answers: &Answers<Status>, kept: Kept) -> Plan {
    let mut plan = Plan::new("reset");
    let part = |host: &Host| {
        let is_node = matches!(answers.get(&host.name), Some(Ok(status)) if status.is_node);
        Part::new(&host.name, if is_node { vec![action(&host.name, kept)] } else { Vec::new() })
    };
    let concurrency = inventory.cluster.concurrency;
    let mut servers: Vec<&Host> = inventory.of_role(Role::Server).collect();
    let first = if servers.is_empty() { None } else { Some(servers.remove(0)) };
    let others = inventory.hosts.iter().filter(|host| host.role != Role::Server);
    plan = plan
        .with(Stage::side_by_side(others.map(part).collect(), concurrency))
        .with(Stage::side_by_side(servers.into_iter().map(part).collect(), concurrency))
        .with(Stage::side_by_side(first.map(part).into_iter().collect(), 1));
    for host in &inventory.hosts {
        if let Some(why) = reason(answers, &host.name) {
            let why = format!("{why}; it stays as it is: `sudo airlock node reset` there");
            plan.out_of_reach.push(OutOfReach { host: host.name.clone(), why });
        }
    }
    if let (Some(first), false) = (first, plan.is_empty()) {
        if !kept.data {
            plan.notes.push("the cluster goes with everything that is stored in it".to_owned());
        }
        plan.consent = Consent::Typed(first.name.clone());
    }
    plan
}

/// The reset of a host.
pub(super) fn action(host: &str, kept: Kept) -> Action {
    let flags = [("--keep-data", kept.data), ("--keep-store", kept.store)];
    let chosen = flags.iter().filter(|(_, is_chosen)| *is_chosen).map(|(flag, _)| *flag);
    let invocation = Invocation::airlock(["node", "reset", "--yes"].into_iter().chain(chosen));
    Action::run(format!("reset {host}"), Place::host(host), invocation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::site::tests::inventory;
    use crate::error::{Error, codes};

    #[test]
    fn the_first_server_goes_last_and_what_is_no_node_stays() {
        let inventory = inventory(2, 3);
        let mut answers: Answers<Status> = ["s1", "s2", "a1"]
            .map(|name| (name.to_owned(), Ok(Status { is_node: true, ..Status::default() })))
            .into();
        answers.insert("a2".to_owned(), Ok(Status::default()));
        answers.insert("a3".to_owned(), Err(Error::new(codes::REMOTE_ANSWER, "a3 is silent")));
        let ends = plan(&inventory, &answers, Kept { data: true, store: false });
        let places: Vec<&Place> = ends.actions().map(|action| &action.place).collect();
        assert_eq!(places, [&Place::host("a1"), &Place::host("s2"), &Place::host("s1")]);
        assert_eq!(
            ends.actions().next().unwrap().command().unwrap(),
            "sudo airlock node reset --yes --keep-data"
        );
        assert_eq!((ends.consent, ends.out_of_reach.len()), (Consent::Typed("s1".to_owned()), 1));
        assert!(plan(&inventory, &Answers::new(), Kept::default()).is_empty());
    }
}
