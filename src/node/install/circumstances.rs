//! What preflight has to know about an installation, from its settings and its bundle.

use crate::bundle::manifest::Manifest;
use crate::node::STATE_DIRECTORY;
use crate::node::availability::NodeVirtualAddress;
use crate::node::preflight::bundle::BundleSummary;
use crate::node::preflight::{self, Circumstances, GpuWish};
use crate::node::settings::{Gpu, Registry, Role, Settings};

/// What the machine is to become.
pub fn circumstances(settings: &Settings, manifest: &Manifest) -> Circumstances {
    let role = match settings.role {
        Role::Server => preflight::Role::Server,
        Role::Agent => preflight::Role::Agent,
        Role::Balancer => preflight::Role::Balancer,
    };
    let (registry_port, keeps_bundle) = match settings.registry {
        Registry::Own { port, in_place, .. } => (Some(port), !in_place),
        Registry::Peers { .. } | Registry::External { .. } => (None, false),
    };
    Circumstances {
        node_name: settings.name.clone(),
        gpu: match settings.gpu {
            Gpu::Auto => GpuWish::Auto,
            Gpu::Yes => GpuWish::Yes,
            Gpu::No => GpuWish::No,
        },
        data_directory: settings.data_directory.clone(),
        // Blobs that are not complete yet lie there, nothing in /tmp.
        staging_directory: STATE_DIRECTORY.to_owned(),
        pod_network: settings.cluster_cidr.subnet(),
        service_network: settings.service_cidr.subnet(),
        registry_port,
        keeps_bundle,
        balancer_ports: settings.virtual_address.iter().flat_map(NodeVirtualAddress::ports).collect(),
        bundle: Some(summary(settings, manifest)),
        ..Circumstances::usual(role)
    }
}

/// Without its packages a bundle is for every distribution.
fn summary(settings: &Settings, manifest: &Manifest) -> BundleSummary {
    let summary = BundleSummary::of(manifest);
    match settings.packages {
        true => summary,
        false => BundleSummary { hosts: Vec::new(), drivers: Default::default(), ..summary },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::apt::example;

    #[test]
    fn they_follow_from_settings_and_bundle() {
        let manifest = Manifest { hosts: vec!["debian-13".to_owned()], ..example::manifest(Vec::new()) };
        let first = circumstances(&Settings::default(), &manifest);
        assert_eq!((first.registry_port, first.keeps_bundle), (Some(5443), true));
        assert_eq!(first.data_directory, "/var/lib/rancher/k3s");
        assert_eq!(first.pod_network.to_string(), "10.42.0.0/16");
        assert_eq!(first.bundle.unwrap().hosts, ["debian-13"]);
        let agent = Settings {
            role: Role::Agent,
            registry: Registry::Peers { endpoints: vec!["https://a:5443".to_owned()] },
            service_cidr: "10.99.0.0/16".parse().unwrap(),
            packages: false,
            ..Settings::default()
        };
        let agent = circumstances(&agent, &manifest);
        assert_eq!((agent.registry_port, agent.keeps_bundle), (None, false));
        assert_eq!(
            (agent.role, agent.service_network.to_string()),
            (preflight::Role::Agent, "10.99.0.0/16".into())
        );
        assert!(agent.bundle.unwrap().hosts.is_empty());
    }
}
