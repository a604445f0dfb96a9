//! What is wrong with a node, and what helps: pure, from what was seen to a decision with its reasons.

use jiff::Timestamp;
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
    /// … and which of them can be reached and have data of etcd, this one included.
    pub with_data: Vec<String>,
    /// When the cluster was made anew from the data of another server, if it was.
    pub made_anew: Option<Timestamp>,
    /// The snapshot to go back to, if nobody has data.
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
    let (quorum, with_data) = (patient.servers / 2 + 1, patient.with_data.len());
    let seen = format!("{with_data} of {} servers can be reached and have data", patient.servers);
    if with_data >= quorum {
        return with_enough_data(look, &format!("{seen}, which are enough"));
    }
    let lost = format!("{seen}, {quorum} are needed: the quorum is lost");
    if let ([other, ..], false) = (&patient.with_data[..], look.has_etcd) {
        let mut diagnosis = because(Decision::OutOfReach, &lost);
        diagnosis
            .reasons
            .push(format!("it has no data, and {other} does: `airlock cluster repair {other}` first"));
        return diagnosis;
    }
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

/// Enough servers have data: they have to start, and nobody's data have to be given up.
fn with_enough_data(look: &Look, seen: &str) -> Diagnosis {
    let has_lost_its_member = failure(look).is_some_and(|(says, _)| is_lost_member(says));
    if look.runs() || has_lost_its_member || !look.has_etcd {
        let reason = format!("{seen}: start k3s on the others first, `airlock cluster repair SERVER`");
        return because(Decision::OutOfReach, &reason);
    }
    because(Decision::Start, seen)
}

fn in_cluster(patient: &Patient<'_>, look: &Look, nodes: &[Node]) -> Result<Diagnosis> {
    let node = nodes.iter().find(|node| node.name == patient.name);
    let told = failure(look);
    if let Some((_, cause)) = told.filter(|(says, _)| says.contains(PASSWORD)) {
        return Ok(rejected(look, node, cause));
    }
    let cluster_has_etcd = nodes.iter().any(|node| node.part == observe::Part::Voter);
    if patient.role == Role::Server
        && cluster_has_etcd
        && let Some(reason) = lost_member(patient, look, node)
    {
        Voters::of(nodes).after(patient.name)?;
        return Ok(because(Decision::ReplaceMember, &reason));
    }
    Ok(by_its_state(patient, look, node, told))
}

/// The cluster has another password for the node: of the same host before, or of another host of that name, which is
/// not to be thrown out.
fn rejected(look: &Look, node: Option<&Node>, cause: &str) -> Diagnosis {
    let other = node.filter(|node| node.ready.is_ok()).and_then(|node| node.address.zip(look.address));
    match other.filter(|(address, own)| address != own) {
        Some((address, _)) => {
            let other =
                format!("another host has that name in the cluster, at {address}: rename one of them");
            Diagnosis { decision: Decision::OutOfReach, reasons: vec![cause.to_owned(), other] }
        }
        None => because(Decision::ForgetPassword, cause),
    }
}

/// Why the data of a server are not those of a member that the cluster has; nothing if they are.
fn lost_member(patient: &Patient<'_>, look: &Look, node: Option<&Node>) -> Option<String> {
    let reason = match node {
        _ if failure(look).is_some_and(|(says, _)| is_lost_member(says)) => failure(look)?.1,
        _ if !look.has_etcd => "its data of etcd are gone",
        None => "the cluster does not know it, and its data are of an earlier member",
        Some(node) if is_other_member(node, look) => {
            "the cluster knows another member of etcd than that of its data"
        }
        // With the others that were left behind it could go on as the cluster of before.
        Some(node) if node.ready.is_err() && is_left_behind(patient, look) => {
            "the cluster was made anew without it, and its data are older"
        }
        Some(_) => return None,
    };
    Some(reason.to_owned())
}

fn is_left_behind(patient: &Patient<'_>, look: &Look) -> bool {
    let since = look.member_since.max(look.restored_at);
    patient.made_anew.zip(since).is_some_and(|(made_anew, since)| since < made_anew)
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
    } else if !look.is_enabled {
        reasons.push("k3s runs there, and does not start with the machine".to_owned());
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
mod tests;
