//! `config.yaml` of k3s: one file per role, since an agent refuses keys that only servers know.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::paths;
use crate::node::settings::{Cidr, Role, Settings};

/// What else goes into the file, found out on the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The host has no name server that pods could use: k3s would take one on the internet.
    pub without_name_server: bool,
    /// The address of the node, where k3s would take that of a default route that leads nowhere.
    pub address: Option<IpAddr>,
}

/// The file for these settings. Values are JSON, which is YAML without its traps.
pub fn config(settings: &Settings, surroundings: Surroundings) -> String {
    let settings = &Settings { address: settings.address.or(surroundings.address), ..settings.clone() };
    let mut lines = vec![("token-file", json!(paths::TOKEN))];
    match (&settings.join, settings.role) {
        (Some(url), _) => lines.push(("server", json!(url))),
        (None, _) => lines.push(("cluster-init", json!(true))),
    }
    lines.extend(node(settings));
    if settings.role == Role::Server {
        lines.extend(server(settings));
    }
    if surroundings.without_name_server {
        lines.push(("resolv-conf", json!(paths::RESOLV_CONF)));
    }
    // Behind the gap every miss would wait for an address on the internet.
    lines.push(("disable-default-registry-endpoint", json!(true)));
    let head = "# Written by airlock; `airlock install` with other options changes it.\n".to_owned();
    lines.iter().fold(head, |text, (key, value)| format!("{text}{key}: {value}\n"))
}

/// What servers and agents share.
fn node(settings: &Settings) -> Vec<(&'static str, Value)> {
    let labels: Vec<_> = settings.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let taints: Vec<_> = settings.taints.iter().map(|taint| taint.as_str()).collect();
    let optional = [
        ("node-name", settings.name.as_ref().map(|name| json!(name))),
        ("node-ip", settings.address.map(|address| json!(address))),
        ("flannel-iface", settings.interface.as_ref().map(|interface| json!(interface))),
        ("node-label", (!labels.is_empty()).then(|| json!(labels))),
        ("node-taint", (!taints.is_empty()).then(|| json!(taints))),
        (
            "data-dir",
            (settings.data_directory != "/var/lib/rancher/k3s").then(|| json!(settings.data_directory)),
        ),
    ];
    optional.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// What only servers know. Those that have to be equal on all servers are written even where they are defaults.
fn server(settings: &Settings) -> Vec<(&'static str, Value)> {
    let cidr = |cidr: &Cidr| json!(cidr.to_string());
    let mut lines = vec![
        ("cluster-cidr", cidr(&settings.cluster_cidr)),
        ("service-cidr", cidr(&settings.service_cidr)),
        ("embedded-registry", json!(settings.share_images)),
        ("write-kubeconfig-mode", json!("0600")),
    ];
    if let Some(address) = settings.address {
        lines.push(("advertise-address", json!(address)));
    }
    let names = settings.certificate_names();
    if !names.is_empty() {
        lines.push(("tls-san", json!(names)));
    }
    if !settings.disable.is_empty() {
        lines.push(("disable", json!(settings.disable)));
    }
    lines
}

/// Ports of the ingress, as k3s takes them for its traefik; none where they are the usual ones, or there is none.
pub fn ingress_ports(settings: &Settings) -> Option<String> {
    let is_usual = (settings.http_port, settings.https_port) == (80, 443);
    if is_usual || settings.disable.iter().any(|component| component == "traefik") {
        return None;
    }
    Some(format!(
        "# Written by airlock.\napiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata:\n  \
         name: traefik\n  namespace: kube-system\nspec:\n  valuesContent: |\n    ports:\n      web:\n        \
         exposedPort: {}\n      websecure:\n        exposedPort: {}\n",
        settings.http_port, settings.https_port
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_server_founds_a_cluster() {
        insta::assert_snapshot!(config(&Settings::default(), Surroundings::default()), @r#"
        # Written by airlock; `airlock install` with other options changes it.
        token-file: "/etc/rancher/k3s/token"
        cluster-init: true
        cluster-cidr: "10.42.0.0/16"
        service-cidr: "10.43.0.0/16"
        embedded-registry: false
        write-kubeconfig-mode: "0600"
        disable-default-registry-endpoint: true
        "#);
        assert_eq!(ingress_ports(&Settings::default()), None);
    }

    #[test]
    fn a_server_answers_to_the_virtual_address_from_its_first_start() {
        let json =
            br#"{"serverNames": ["k3s.lab"], "virtualAddress": {"kind": "external", "host": "lb.lab"}}"#;
        let text = config(&Settings::parse(json).unwrap(), Surroundings::default());
        assert!(text.contains("tls-san: [\"k3s.lab\",\"lb.lab\"]\n"), "{text}");
    }

    #[test]
    fn an_agent_is_told_nothing_that_only_servers_know() {
        let settings = Settings::parse(
            br#"{"role": "agent", "join": "https://10.0.0.1:6443", "name": "gpu1", "address": "10.0.0.2",
                 "interface": "eth1", "labels": {"nvidia.com/gpu.present": "true"}, "taints": ["gpu=yes:NoSchedule"],
                 "disable": ["traefik"], "httpPort": 9000, "dataDirectory": "/data/k3s"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(config(&settings, Surroundings { without_name_server: true, address: None }), @r#"
        # Written by airlock; `airlock install` with other options changes it.
        token-file: "/etc/rancher/k3s/token"
        server: "https://10.0.0.1:6443"
        node-name: "gpu1"
        node-ip: "10.0.0.2"
        flannel-iface: "eth1"
        node-label: ["nvidia.com/gpu.present=true"]
        node-taint: ["gpu=yes:NoSchedule"]
        data-dir: "/data/k3s"
        resolv-conf: "/etc/rancher/k3s/resolv.conf"
        disable-default-registry-endpoint: true
        "#);
        assert_eq!(ingress_ports(&settings), None, "there is no traefik");
    }

    #[test]
    fn other_ports_of_the_ingress_go_to_traefik() {
        let settings = Settings { http_port: 9000, https_port: 9443, ..Settings::default() };
        insta::assert_snapshot!(ingress_ports(&settings).unwrap(), @r"
        # Written by airlock.
        apiVersion: helm.cattle.io/v1
        kind: HelmChartConfig
        metadata:
          name: traefik
          namespace: kube-system
        spec:
          valuesContent: |
            ports:
              web:
                exposedPort: 9000
              websecure:
                exposedPort: 9443
        ");
    }
}
