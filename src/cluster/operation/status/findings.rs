//! What is wrong with a cluster, and what may become so. Pure: from what was seen to words with the way out.

use jiff::SignedDuration;
use serde::Serialize;

use super::{ClusterStatus, NodeStatus, Observed};
use crate::cluster::observe::{Gpus, Node};
use crate::cluster::operation::voters::Voters;

/// k3s renews certificates when it starts and less than 120 days are left; one that is so near its end has not been
/// started for long.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The node, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What it is.
    pub text: String,
    /// What to do.
    pub help: String,
}

impl Finding {
    fn of(node: &str, text: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { node: Some(node.to_owned()), text: text.into(), help: help.into() }
    }

    fn of_cluster(text: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { node: None, text: text.into(), help: help.into() }
    }
}

/// Problems and warnings.
pub(super) fn judge(status: &ClusterStatus, observed: &Observed<'_>) -> (Vec<Finding>, Vec<Finding>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    match &observed.nodes {
        Err(why) => problems.push(Finding::of_cluster(
            why.clone(),
            "`airlock cluster repair SERVER` finds out what is wrong with one",
        )),
        Ok(nodes) => {
            problems.extend(nodes.iter().filter_map(not_well));
            problems.extend(nodes.iter().filter_map(without_gpus));
            let voters = Voters::of(nodes);
            if !voters.has_quorum() {
                problems.push(Finding::of_cluster(
                    format!("only {} of {} servers that vote in etcd are well", voters.well.len(), voters.count()),
                    "`airlock cluster repair SERVER`; `airlock cluster remove SERVER` for one that is gone for good",
                ));
            }
            let warning = voters.warning();
            warnings
                .extend(warning.map(|text| Finding::of_cluster(text, "add a server: `airlock cluster add`")));
        }
    }
    for node in &status.nodes {
        problems.extend(of_host(node, observed));
        warnings.extend(certificates_soon(node, observed));
        if node.is_cordoned {
            let help = format!("`airlock cluster uncordon {}` when it is to run pods again", node.name);
            warnings.push(Finding::of(&node.name, "no new pods are put on it", help));
        }
    }
    for (name, host) in observed.hosts.iter().filter_map(|(name, host)| Some((name, host.as_ref().ok()?))) {
        let of = |finding: &crate::cluster::operation::node::Finding| {
            Finding::of(name, finding.text.clone(), finding.help.clone())
        };
        problems.extend(host.problems.iter().map(of));
        warnings.extend(host.warnings.iter().map(of));
    }
    warnings.extend(differences(status));
    (problems, warnings)
}

fn not_well(node: &Node) -> Option<Finding> {
    let help = format!("`airlock cluster repair {}` finds out why", node.name);
    node.trouble().map(|trouble| Finding::of(&node.name, trouble, help))
}

/// A node with GPUs that are of no use to anybody. While it is not ready, that is what is wrong with it.
fn without_gpus(node: &Node) -> Option<Finding> {
    let Gpus { present, usable } =
        node.gpus.filter(|gpus| node.ready.is_ok() && gpus.usable < gpus.present)?;
    let name = &node.name;
    let help = match usable {
        0 => format!(
            "`nvidia-smi` on {name} shows whether the driver works, `sudo k3s kubectl get pods -A -o wide \
             --field-selector spec.nodeName={name}` on a server whether the device plugin runs there"
        ),
        _ => format!("`nvidia-smi` and `sudo dmesg | grep -i xid` on {name} show which one is not healthy"),
    };
    Some(Finding::of(name, format!("pods can use {usable} of its {present} GPUs"), help))
}

fn of_host(node: &NodeStatus, observed: &Observed<'_>) -> Vec<Finding> {
    let name = &node.name;
    let mut found = Vec::new();
    if let Some(why) = &node.silent {
        found.push(Finding::of(name, why.clone(), format!("`airlock cluster ping {name}` says more")));
    }
    if node.is_member == Some(false) && node.role != "balancer" {
        found.push(Finding::of(name, "it is not in the cluster", format!("`airlock cluster add {name}`")));
    }
    if node.is_member == Some(true) && observed.inventory.host(name).is_none() {
        found.push(Finding::of(
            name,
            "it is in the cluster, and not in the inventory",
            format!("write it there, or take it out of the cluster: `airlock cluster remove {name}`"),
        ));
    }
    if let Some(until) = node.certificates_until.filter(|until| *until <= observed.now) {
        found.push(Finding::of(
            name,
            format!("a certificate of its k3s has expired at {until:.0}"),
            format!("`airlock cluster repair {name}` makes new ones"),
        ));
    }
    found
}

fn certificates_soon(node: &NodeStatus, observed: &Observed<'_>) -> Option<Finding> {
    let until = node.certificates_until.filter(|until| *until > observed.now)?;
    let is_soon = until.duration_since(observed.now) < SOON;
    is_soon.then(|| {
        Finding::of(
            &node.name,
            format!("a certificate of its k3s ends at {until:.0}"),
            "restart k3s there, servers first: `sudo systemctl restart k3s` makes new ones",
        )
    })
}

/// Nodes that are not what the others are: an upgrade that has not come to its end.
fn differences(status: &ClusterStatus) -> Option<Finding> {
    let differ = |value: fn(&NodeStatus) -> Option<String>| {
        let mut values: Vec<String> = status.nodes.iter().filter_map(value).collect();
        values.sort_unstable();
        values.dedup();
        (values.len() > 1).then(|| values.join(", "))
    };
    let versions = differ(|node| node.version.clone());
    let serials = differ(|node| node.serial.map(|serial| serial.to_string()));
    let text = match (versions, serials) {
        (Some(versions), _) => format!("nodes run different versions of k3s: {versions}"),
        (None, Some(serials)) => format!("nodes have bundles with different serials: {serials}"),
        (None, None) => return None,
    };
    Some(Finding::of_cluster(text, "`airlock cluster upgrade --bundle DIR` brings all to the same"))
}
