//! What a machine is to become, against which it is checked.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::bundle::BundleSummary;
use crate::node::facts::{Facts, Request, Subnet};
use crate::node::settings::REGISTRY_PORT;

/// What a machine is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Circumstances {
    /// Its role in the cluster.
    pub role: Role,
    /// Its name in the cluster, if that is not the one of the machine.
    pub node_name: Option<String>,
    /// Whether its GPUs are to be used.
    pub gpu: GpuWish,
    /// The directory of k3s.
    pub data_directory: String,
    /// The directory of the store of images and packages.
    pub state_directory: String,
    /// A directory for short-lived files.
    pub staging_directory: String,
    /// Addresses of pods.
    pub pod_network: Subnet,
    /// Addresses of services.
    pub service_network: Subnet,
    /// The port of its own registry, if it has one.
    pub registry_port: Option<u16>,
    /// Further ports of its own: those of haproxy in front of the servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub balancer_ports: Vec<u16>,
    /// Whether the bundle is copied to its disk.
    pub keeps_bundle: bool,
    /// The bundle that would be installed.
    pub bundle: Option<BundleSummary>,
    /// How long a write to the disk of the data directory takes until it is safe, in microseconds: 99 of 100
    /// take no longer. `None` if it was not measured.
    pub write_latency: Option<u64>,
}

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Runs the control plane, etcd and the registry, and pods.
    Server,
    /// Runs pods.
    Agent,
    /// Passes connections on to the servers, and runs no pods.
    Balancer,
}

/// Whether GPUs are to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GpuWish {
    /// If there are any.
    Auto,
    /// Yes; that there are none is a fault.
    Yes,
    /// No, even if there are some.
    No,
}

impl Circumstances {
    /// What is usual for a role: the directories and networks of k3s, GPUs if there are any.
    pub fn usual(role: Role) -> Self {
        let network = |second| Subnet { address: IpAddr::V4(Ipv4Addr::new(10, second, 0, 0)), prefix: 16 };
        Circumstances {
            role,
            node_name: None,
            gpu: GpuWish::Auto,
            data_directory: "/var/lib/rancher".to_owned(),
            state_directory: crate::node::STATE_DIRECTORY.to_owned(),
            staging_directory: "/tmp".to_owned(),
            pod_network: network(42),
            service_network: network(43),
            registry_port: (role == Role::Server).then_some(REGISTRY_PORT),
            balancer_ports: Vec::new(),
            keeps_bundle: role == Role::Server,
            bundle: None,
            write_latency: None,
        }
    }

    /// What of a machine has to be looked at for them.
    pub fn request(&self) -> Request {
        let directories = [&self.data_directory, &self.state_directory, &self.staging_directory];
        Request { directories: directories.map(Clone::clone).to_vec(), packages: false }
    }

    /// Whether the node is one with GPUs.
    pub fn has_gpu(&self, facts: &Facts) -> bool {
        match self.gpu {
            GpuWish::Auto => !facts.gpu.devices.is_empty(),
            GpuWish::Yes => true,
            GpuWish::No => false,
        }
    }

    /// The minor version of Kubernetes that the bundle brings: 36 of `v1.36.3+k3s1`.
    pub fn kubernetes_minor(&self) -> Option<u32> {
        self.bundle.as_ref()?.k3s.as_ref()?.split('.').nth(1)?.parse().ok()
    }
}
