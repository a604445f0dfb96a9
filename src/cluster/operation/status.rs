//! How the whole cluster is: its nodes as the cluster sees them and as their hosts see themselves, side by side.

mod findings;

use jiff::Timestamp;
use serde::Serialize;

pub use self::findings::Finding;
use super::node::{Answers, Installed, Status, reason};
use super::voters::Voters;
use super::{find, has_etcd, is_server};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::observe::{self, Gpus, Node};
use crate::cluster::remote::{Command, Remote};
use crate::error::Result;
use crate::node::recovery::Certificates;

/// What was seen of a cluster.
pub struct Observed<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The nodes of the cluster; why nobody could tell, otherwise.
    pub nodes: std::result::Result<&'a [Node], String>,
    /// How the hosts are.
    pub hosts: &'a Answers<Status>,
    /// The certificates of the hosts.
    pub certificates: &'a Answers<Certificates>,
    /// The time.
    pub now: Timestamp,
}

/// How a cluster is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Its nodes, in the order of the inventory, and then those that are not in it.
    pub nodes: Vec<NodeStatus>,
    /// Who votes in etcd; nothing where the cluster does not answer, or has none.
    pub etcd: Option<Etcd>,
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What may go wrong.
    pub warnings: Vec<Finding>,
}

/// How etcd is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Etcd {
    /// Who votes.
    #[serde(flatten)]
    pub voters: Voters,
    /// How many have to be well.
    pub quorum: usize,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// What it is: `server`, `agent`, `balancer`.
    pub role: &'static str,
    /// Whether the cluster has it; nothing where the cluster does not say.
    pub is_member: Option<bool>,
    /// Whether it is ready; nothing where the cluster does not say.
    pub ready: Option<bool>,
    /// Whether new pods stay away.
    pub is_cordoned: bool,
    /// Whether its member of etcd votes; nothing without one.
    pub votes: Option<bool>,
    /// Version of its k3s.
    pub version: Option<String>,
    /// Its GPUs of NVIDIA, if it has any.
    pub gpus: Option<Gpus>,
    /// The bundle that was installed last, `NAME-VERSION`.
    pub bundle: Option<String>,
    /// Its serial.
    pub serial: Option<u64>,
    /// Whether the registry answers that it pulls from.
    pub registry: Option<bool>,
    /// How many names of images that has.
    pub images: Option<usize>,
    /// Free space of the disk of its store, in bytes …
    pub free: Option<u64>,
    /// … and how large that is.
    pub total: Option<u64>,
    /// When the first certificate ends.
    pub certificates_until: Option<Timestamp>,
    /// Why its host says nothing.
    pub silent: Option<String>,
}

/// The certificates of a host whose k3s keeps its data in this directory.
///
/// # Errors
/// Those of [`Remote::run`] and of the command.
pub fn certificates(remote: &dyn Remote, data_directory: &str) -> Result<Certificates> {
    let words = ["certificate", "check", "--data-dir", data_directory, "--output", "json"];
    let answer = remote.run(Command::k3s(words), &mut |_| {})?;
    Certificates::parse(&answer.success()?.output)
}

impl ClusterStatus {
    /// Puts together what was seen, and judges it.
    pub fn of(observed: &Observed<'_>) -> ClusterStatus {
        let known = observed.nodes.as_ref().copied().unwrap_or_default();
        let of_inventory = observed.inventory.hosts.iter();
        let mut nodes: Vec<NodeStatus> =
            of_inventory.map(|host| of_host(observed, host, find(known, &host.name))).collect();
        let is_foreign = |node: &&Node| observed.inventory.host(&node.name).is_none();
        nodes.extend(known.iter().filter(is_foreign).map(of_foreign));
        let voters = Voters::of(known);
        let quorum = voters.quorum();
        let etcd = known.iter().any(has_etcd).then_some(Etcd { voters, quorum });
        let mut status = ClusterStatus { nodes, etcd, problems: Vec::new(), warnings: Vec::new() };
        (status.problems, status.warnings) = findings::judge(&status, observed);
        status
    }
}

fn of_host(observed: &Observed<'_>, host: &Host, node: Option<&Node>) -> NodeStatus {
    let status = observed.hosts.get(&host.name).and_then(|status| status.as_ref().ok());
    let certificates = observed.certificates.get(&host.name).and_then(|all| all.as_ref().ok());
    let bundle = status.and_then(Status::bundle);
    let registry = status.and_then(|status| status.registry.as_ref());
    let storage = status.and_then(|status| status.storage);
    NodeStatus {
        role: match host.role {
            Role::Server => "server",
            Role::Agent => "agent",
            Role::Balancer => "balancer",
        },
        bundle: bundle.and_then(|bundle| name(observed.hosts, bundle)),
        serial: bundle.map(|bundle| bundle.serial),
        registry: registry.and_then(|registry| registry.answers),
        images: registry.and_then(|registry| registry.images),
        free: storage.map(|storage| storage.free),
        total: storage.map(|storage| storage.total),
        certificates_until: certificates.and_then(Certificates::first).map(|first| first.expiry_time),
        silent: reason(observed.hosts, &host.name),
        is_member: observed.nodes.is_ok().then_some(node.is_some()),
        ..of_node(&host.name, node)
    }
}

/// The name of a bundle. Agents know only what was installed; the servers that have its manifest tell how it is called.
fn name(hosts: &Answers<Status>, bundle: &Installed) -> Option<String> {
    let others = hosts.values().filter_map(|host| host.as_ref().ok()).flat_map(|status| &status.bundles);
    let same = std::iter::once(bundle).chain(others).filter(|other| other.manifest == bundle.manifest);
    same.into_iter().find_map(|bundle| bundle.name.clone())
}

fn of_node(name: &str, node: Option<&Node>) -> NodeStatus {
    NodeStatus {
        name: name.to_owned(),
        role: if node.is_some_and(is_server) { "server" } else { "agent" },
        is_member: Some(node.is_some()),
        ready: node.map(|node| node.ready.is_ok()),
        is_cordoned: node.is_some_and(|node| node.is_cordoned),
        votes: node.filter(|node| has_etcd(node)).map(|node| node.part == observe::Part::Voter),
        version: node.map(|node| node.version.clone()),
        gpus: node.and_then(|node| node.gpus),
        bundle: None,
        serial: None,
        registry: None,
        images: None,
        free: None,
        total: None,
        certificates_until: None,
        silent: None,
    }
}

fn of_foreign(node: &Node) -> NodeStatus {
    of_node(&node.name, Some(node))
}

#[cfg(test)]
mod tests;
