//! What a node is in its cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node is in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It runs the control plane and the datastore.
    #[default]
    Server,
    /// It runs pods.
    Agent,
    /// It runs no k3s: it holds the virtual address and passes connections on to the servers.
    Balancer,
}

/// What of k3s runs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum K3sRole {
    /// `k3s server`.
    Server,
    /// `k3s agent`.
    Agent,
}

impl Role {
    /// Its name, as options and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Agent => "agent",
            Role::Balancer => "balancer",
        }
    }

    /// What of k3s runs on such a node; nothing on a balancer.
    pub fn k3s(self) -> Option<K3sRole> {
        match self {
            Role::Server => Some(K3sRole::Server),
            Role::Agent => Some(K3sRole::Agent),
            Role::Balancer => None,
        }
    }
}

impl K3sRole {
    /// The name of its systemd unit, without suffix.
    pub fn unit(self) -> &'static str {
        match self {
            K3sRole::Server => "k3s",
            K3sRole::Agent => "k3s-agent",
        }
    }

    /// The command of k3s.
    pub fn command(self) -> &'static str {
        match self {
            K3sRole::Server => "server",
            K3sRole::Agent => "agent",
        }
    }
}
