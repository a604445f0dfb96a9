//! What the names of groups mean.

use std::collections::BTreeSet;

use crate::spec::suggest::nearest;

/// What membership in a group says of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// A server, and the one that founds the cluster.
    First,
    /// A server.
    Server,
    /// An agent.
    Agent,
    /// It has a GPU.
    Gpu,
    /// It gets the labels of `kube_label_node_labels`.
    Labelled,
    /// It has a registry of its own.
    Registry,
    /// It passes connections on to the servers.
    Balancer,
}

/// The known names, in small letters and with `-`.
const NAMES: [(&str, Meaning); 42] = [
    ("driver", Meaning::First),
    ("kube-init-master", Meaning::First),
    ("init-master", Meaning::First),
    ("first-server", Meaning::First),
    ("master", Meaning::Server),
    ("masters", Meaning::Server),
    ("kube-master", Meaning::Server),
    ("kube-master-node", Meaning::Server),
    ("kube-new-master-node", Meaning::Server),
    ("kube-control-plane", Meaning::Server),
    ("control-plane", Meaning::Server),
    ("controlplane", Meaning::Server),
    ("controller", Meaning::Server),
    ("controllers", Meaning::Server),
    ("k3s-server", Meaning::Server),
    ("k3s-servers", Meaning::Server),
    ("server", Meaning::Server),
    ("servers", Meaning::Server),
    ("worker", Meaning::Agent),
    ("workers", Meaning::Agent),
    ("kube-worker", Meaning::Agent),
    ("kube-worker-node", Meaning::Agent),
    ("kube-node", Meaning::Agent),
    ("node", Meaning::Agent),
    ("nodes", Meaning::Agent),
    ("k3s-agent", Meaning::Agent),
    ("k3s-agents", Meaning::Agent),
    ("agent", Meaning::Agent),
    ("agents", Meaning::Agent),
    ("gpu", Meaning::Gpu),
    ("gpus", Meaning::Gpu),
    ("gpu-node", Meaning::Gpu),
    ("gpu-nodes", Meaning::Gpu),
    ("kube-nvidia-gpu-node", Meaning::Gpu),
    ("kube-label-node", Meaning::Labelled),
    ("registry", Meaning::Registry),
    ("registries", Meaning::Registry),
    ("lb", Meaning::Balancer),
    ("loadbalancer", Meaning::Balancer),
    ("loadbalancers", Meaning::Balancer),
    ("load-balancer", Meaning::Balancer),
    ("balancers", Meaning::Balancer),
];

/// What a group means, if it is known.
pub(super) fn meaning(group: &str) -> Option<Meaning> {
    let plain = group.to_ascii_lowercase().replace('_', "-");
    NAMES.iter().find(|(name, _)| *name == plain).map(|(_, meaning)| *meaning)
}

/// What all groups of a host mean.
pub(super) fn meanings(groups: &BTreeSet<&str>) -> BTreeSet<Meaning> {
    groups.iter().filter_map(|group| meaning(group)).collect()
}

/// The known name that is most like `group`.
pub(super) fn like(group: &str) -> Option<&'static str> {
    nearest(&group.replace('_', "-"), NAMES.iter().map(|(name, _)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_every_spelling() {
        assert_eq!(meaning("kube_control_plane"), Some(Meaning::Server));
        assert_eq!(meaning("Workers"), Some(Meaning::Agent));
        assert_eq!(meaning("storage"), None);
        assert_eq!(like("wokers"), Some("workers"));
        let names: BTreeSet<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), NAMES.len(), "a name stands twice");
    }
}
