//! What is wrong with a node, and what helps: pure, from what was seen to a decision with its reasons.

use serde::Serialize;

use crate::cluster::inventory::Role;
use crate::cluster::observe::{self, Node};
use crate::cluster::operation::condition::LEFT;
use crate::cluster::operation::etcd::Held;
use crate::cluster::operation::node::Status;
use crate::cluster::operation::voters::Voters;
use crate::error::Result;
use crate::node::recovery::Look;

/// What k3s says where the cluster has another password for the node.
const PASSWORD: &str = "Node password rejected";
/// What k3s says where etcd does not take its member any more.
const LOST_MEMBER: [&str; 4] = [
    "is not a member of the etcd cluster",
    "duplicate node name found",
    "tombstone file has been detected",
    "no bootstrap data found in datastore",
];

/// What was seen of a node.
#[derive(Debug)]
pub struct Patient<'a> {
    /// What it should be.
    pub role: Role,
    /// What it says about its k3s and its data, or why it says nothing.
    pub look: Result<&'a Look, String>,
    /// How it is besides, if it says so.
    pub status: Option<&'a Status>,
    /// Certificates of its k3s that are not valid any more.
    pub expired: Vec<String>,
    /// The nodes of the cluster; nothing if no server answers.
    pub nodes: Option<&'a [Node]>,
    /// Its name.
    pub name: &'a str,
    /// How many servers there should be …
    pub servers: usize,
    /// … and how many of them can be reached and have data of etcd, this one included.
    pub with_data: usize,
    /// The latest snapshot on any server that can be reached.
    pub snapshot: Option<Held>,
}

/// What helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Nothing has to be done.
    Well,
    /// Nothing can be done from here.
    OutOfReach,
    /// k3s is started.
    Start,
    /// Programs, units, files and images are put right, and k3s is started.
    Reinstall,
    /// Certificates are made anew.
    RenewCertificates,
    /// The cluster forgets the password of the node.
    ForgetPassword,
    /// Its member of etcd goes, and it joins anew.
    ReplaceMember,
    /// The quorum is lost for good: this server goes on alone with its data, and the others join it anew.
    ResetEtcd,
    /// Nobody has good data: a snapshot is restored.
    RestoreSnapshot(Box<Held>),
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// What helps.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<String>,
}

/// Decides.
///
/// # Errors
/// [`QUORUM`](crate::error::codes::QUORUM) and [`LAST_SERVER`](crate::error::codes::LAST_SERVER) if the member of etcd
/// would have to be replaced and the others could not go on meanwhile.
pub fn decide(patient: &Patient<'_>) -> Result<Diagnosis> {
    let look = match &patient.look {
        Ok(look) if look.is_node => *look,
        Ok(_) => return Ok(because(Decision::OutOfReach, "airlock has installed nothing on it")),
        Err(why) => return Ok(because(Decision::OutOfReach, why)),
    };
    if !patient.expired.is_empty() {
        let reason = format!("certificates are not valid any more: {}", patient.expired.join(", "));
        return Ok(because(Decision::RenewCertificates, &reason));
    }
    match patient.nodes {
        None => Ok(without_cluster(patient, look)),
        Some(nodes) => in_cluster(patient, look, nodes),
    }
}

/// No server answers: there is no quorum now, or nothing runs at all.
fn without_cluster(patient: &Patient<'_>, look: &Look) -> Diagnosis {
    if patient.role != Role::Server {
        return because(Decision::OutOfReach, "no server of the cluster answers: repair a server first");
    }
    let quorum = patient.servers / 2 + 1;
    let seen = format!("{} of {} servers can be reached and have data", patient.with_data, patient.servers);
    let has_lost_its_member = failure(look).is_some_and(|(says, _)| is_lost_member(says));
    if patient.with_data >= quorum && look.has_etcd && !has_lost_its_member {
        let reason = format!("{seen}, which are enough");
        return match look.runs() {
            true => because(
                Decision::OutOfReach,
                &format!("{reason}: start k3s on the others, `airlock cluster repair SERVER`"),
            ),
            false => because(Decision::Start, &reason),
        };
    }
    let lost = format!("{seen}, {quorum} are needed: the quorum is lost");
    match (&patient.snapshot, look.has_etcd) {
        (_, true) => because(Decision::ResetEtcd, &lost),
        (Some(held), false) => {
            let mut diagnosis = because(Decision::RestoreSnapshot(Box::new(held.clone())), &lost);
            diagnosis.reasons.push(format!("it has no data; the latest snapshot is {}", held.snapshot.name));
            diagnosis
        }
        (None, false) => {
            let mut diagnosis = because(Decision::OutOfReach, &lost);
            diagnosis.reasons.push("it has no data, and no server that answers has a snapshot".to_owned());
            diagnosis
        }
    }
}

fn in_cluster(patient: &Patient<'_>, look: &Look, nodes: &[Node]) -> Result<Diagnosis> {
    let node = nodes.iter().find(|node| node.name == patient.name);
    let told = failure(look);
    if let Some((_, cause)) = told.filter(|(says, _)| says.contains(PASSWORD)) {
        return Ok(because(Decision::ForgetPassword, cause));
    }
    let cluster_has_etcd = nodes.iter().any(|node| node.part == observe::Part::Voter);
    if patient.role == Role::Server && cluster_has_etcd {
        let lost = match told.filter(|(says, _)| is_lost_member(says)) {
            Some((_, cause)) => Some(cause.to_owned()),
            None if !look.has_etcd => Some("its data of etcd are gone".to_owned()),
            None if node.is_none() => {
                Some("the cluster does not know it, and its data are of an earlier member".to_owned())
            }
            None => node
                .filter(|node| is_other_member(node, look))
                .map(|_| "the cluster knows another member of etcd than that of its data".to_owned()),
        };
        if let Some(reason) = lost {
            Voters::of(nodes).after(patient.name)?;
            return Ok(because(Decision::ReplaceMember, &reason));
        }
    }
    Ok(by_its_state(patient, look, node, told))
}

/// Whether etcd has let its member go, or it has founded a cluster of its own.
fn is_other_member(node: &Node, look: &Look) -> bool {
    let is_other = node.member().zip(look.member.as_deref()).is_some_and(|(known, own)| known != own);
    is_other || node.annotations.contains_key(LEFT)
}

fn by_its_state(
    patient: &Patient<'_>,
    look: &Look,
    node: Option<&Node>,
    told: Option<(&str, &str)>,
) -> Diagnosis {
    let mut reasons: Vec<String> = told.map(|(_, cause)| cause.to_owned()).into_iter().collect();
    if !look.runs() {
        reasons.push(format!("k3s does not run there: {}", look.active));
    }
    match node {
        None => reasons.push("the cluster does not know it".to_owned()),
        Some(node) => reasons.extend(node.trouble()),
    }
    reasons.extend(
        patient.status.iter().flat_map(|status| &status.problems).map(|problem| problem.text.clone()),
    );
    match reasons.is_empty() {
        true => because(Decision::Well, "it works as it should"),
        false => Diagnosis { decision: Decision::Reinstall, reasons },
    }
}

/// What the log says, and what it means.
fn failure(look: &Look) -> Option<(&str, &str)> {
    look.failure.as_ref().map(|failure| (failure.says.as_str(), failure.cause.as_str()))
}

fn is_lost_member(says: &str) -> bool {
    LOST_MEMBER.iter().any(|text| says.contains(text))
}

fn because(decision: Decision, reason: &str) -> Diagnosis {
    Diagnosis { decision, reasons: vec![reason.to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::etcd::tests::{running, stopped};
    use crate::cluster::operation::samples::{agent, dead, server};
    use crate::error::codes;
    use crate::node::recovery::Failure;

    fn failing(look: Look, says: &str) -> Look {
        let failure = Failure { says: says.to_owned(), cause: "told".to_owned(), fix: String::new() };
        Look { failure: Some(failure), active: "activating".to_owned(), ..look }
    }

    fn patient<'a>(name: &'a str, look: &'a Look, nodes: Option<&'a [Node]>) -> Patient<'a> {
        let role = if name.starts_with('s') { Role::Server } else { Role::Agent };
        Patient {
            role,
            look: Ok(look),
            status: None,
            expired: Vec::new(),
            nodes,
            name,
            servers: 3,
            with_data: 3,
            snapshot: None,
        }
    }

    fn decision(patient: &Patient<'_>) -> Decision {
        decide(patient).unwrap().decision
    }

    fn held() -> Held {
        Held { server: "s1".to_owned(), snapshot: running(1).snapshots.remove(0) }
    }

    #[test]
    fn in_a_cluster_that_answers() {
        let nodes = [agent("a1"), server("s1"), server("s2"), dead(server("s3"))];
        let nodes = Some(&nodes[..]);
        let up = running(3);
        let agent_up = Look { has_etcd: false, ..running(1) };
        assert_eq!(decision(&patient("a1", &agent_up, nodes)), Decision::Well);
        assert_eq!(decision(&patient("a1", &stopped(agent_up.clone()), nodes)), Decision::Reinstall);
        let rejected = failing(agent_up.clone(), "Node password rejected, duplicate hostname");
        assert_eq!(decision(&patient("a1", &rejected, nodes)), Decision::ForgetPassword);
        assert_eq!(decision(&patient("s3", &up, nodes)), Decision::Reinstall, "it is not ready");
        let gone = failing(up.clone(), "this server is not a member of the etcd cluster");
        assert_eq!(decision(&patient("s3", &gone, nodes)), Decision::ReplaceMember);
        let empty = stopped(Look { has_etcd: false, ..up.clone() });
        assert_eq!(decision(&patient("s3", &empty, nodes)), Decision::ReplaceMember);
        let noted = |name: &str, value: &str| {
            let annotations = [(format!("etcd.k3s.cattle.io/{name}"), value.to_owned())].into();
            [server("s1"), server("s2"), Node { annotations, ..server("s3") }]
        };
        let same = noted("node-name", "s3-0123abcd");
        assert_eq!(decision(&patient("s3", &up, Some(&same))), Decision::Well);
        for other in [noted("node-name", "s3-ffffffff"), noted("removed-node-name", "s3-0123abcd")] {
            assert_eq!(decision(&patient("s3", &up, Some(&other))), Decision::ReplaceMember);
        }
        let expired = Patient { expired: vec!["client-admin.crt".to_owned()], ..patient("s3", &up, nodes) };
        assert_eq!(decision(&expired), Decision::RenewCertificates);
        let silent = Patient { look: Err("no answer".to_owned()), ..patient("s3", &up, nodes) };
        assert_eq!(decision(&silent), Decision::OutOfReach);
    }

    #[test]
    fn a_member_is_not_replaced_where_the_others_need_it() {
        let nodes = [server("s1"), dead(server("s2")), dead(server("s3"))];
        let gone = failing(running(1), "this server is not a member of the etcd cluster");
        let error = decide(&patient("s1", &gone, Some(&nodes))).unwrap_err();
        assert_eq!(error.code(), codes::QUORUM);
    }

    #[test]
    fn where_no_server_answers() {
        let down = stopped(running(1));
        assert_eq!(
            decision(&patient("s1", &down, None)),
            Decision::Start,
            "enough of them only have to start"
        );
        let alone = Patient { with_data: 1, ..patient("s1", &down, None) };
        assert_eq!(decision(&alone), Decision::ResetEtcd);
        let empty = Look { has_etcd: false, ..down };
        let with = |snapshot| Patient { with_data: 0, snapshot, ..patient("s1", &empty, None) };
        assert_eq!(decision(&with(Some(held()))), Decision::RestoreSnapshot(Box::new(held())));
        assert_eq!(decision(&with(None)), Decision::OutOfReach);
        assert_eq!(decision(&patient("a1", &empty, None)), Decision::OutOfReach);
    }
}
