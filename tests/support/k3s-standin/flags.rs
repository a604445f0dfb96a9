//! The flags of `k3s server` and `k3s agent` that are known here, and how a command line is read.

use std::collections::BTreeMap;

use super::Result;

/// Values by flag, in the order in which they were given.
pub type Values = BTreeMap<String, Vec<String>>;

/// Without a value.
const SWITCHES: &[&str] = &[
    "debug",
    "with-node-id",
    "disable-default-registry-endpoint",
    "prefer-bundled-bin",
    "protect-kernel-defaults",
    "rootless",
    "selinux",
    "docker",
    "enable-pprof",
];
const SERVER_SWITCHES: &[&str] = &[
    "cluster-init",
    "cluster-reset",
    "disable-agent",
    "disable-apiserver",
    "disable-cloud-controller",
    "disable-etcd",
    "disable-helm-controller",
    "disable-kube-proxy",
    "disable-network-policy",
    "embedded-registry",
    "etcd-disable-snapshots",
    "etcd-expose-metrics",
    "etcd-snapshot-compress",
    "flannel-external-ip",
    "flannel-ipv6-masq",
    "secrets-encryption",
    "supervisor-metrics",
    "tls-san-security",
];
const VALUES: &[&str] = &[
    "airgap-extra-registry",
    "bind-address",
    "config",
    "container-runtime-endpoint",
    "data-dir",
    "default-runtime",
    "flannel-conf",
    "flannel-iface",
    "image-service-endpoint",
    "kube-proxy-arg",
    "kubelet-arg",
    "lb-server-port",
    "log",
    "node-external-ip",
    "node-ip",
    "node-label",
    "node-name",
    "node-taint",
    "pause-image",
    "private-registry",
    "resolv-conf",
    "server",
    "snapshotter",
    "token",
    "token-file",
];
const SERVER_VALUES: &[&str] = &[
    "advertise-address",
    "advertise-port",
    "agent-token",
    "agent-token-file",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "cluster-reset-restore-path",
    "default-local-storage-path",
    "disable",
    "egress-selector-mode",
    "etcd-arg",
    "etcd-snapshot-dir",
    "etcd-snapshot-name",
    "etcd-snapshot-retention",
    "etcd-snapshot-schedule-cron",
    "flannel-backend",
    "https-listen-port",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "secrets-encryption-provider",
    "service-cidr",
    "service-node-port-range",
    "system-default-registry",
    "tls-san",
    "write-kubeconfig",
    "write-kubeconfig-group",
    "write-kubeconfig-mode",
];

/// Who takes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `k3s server`
    Server,
    /// `k3s agent`
    Agent,
}

impl Role {
    /// Whether the flag exists and, if so, whether it is a switch.
    fn is_switch(self, flag: &str) -> Option<bool> {
        let is_server = self == Role::Server;
        if SWITCHES.contains(&flag) || is_server && SERVER_SWITCHES.contains(&flag) {
            return Some(true);
        }
        (VALUES.contains(&flag) || is_server && SERVER_VALUES.contains(&flag)).then_some(false)
    }

    /// Whether there is such a flag.
    pub fn knows(self, flag: &str) -> bool {
        self.is_switch(flag).is_some()
    }
}

/// Reads a command line.
pub fn parse(role: Role, arguments: &[String]) -> Result<Values> {
    let mut values = Values::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let stripped = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        let stripped = stripped.ok_or_else(|| format!("unexpected argument: {word}"))?;
        let (flag, value) = match stripped.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (stripped, None),
        };
        let flag = if flag == "t" { "token" } else { flag };
        let is_switch =
            role.is_switch(flag).ok_or_else(|| format!("flag provided but not defined: -{flag}"))?;
        let value = match value {
            Some(value) => value,
            None if is_switch => "true".to_owned(),
            None => words.next().cloned().ok_or_else(|| format!("flag needs an argument: -{flag}"))?,
        };
        values.entry(flag.to_owned()).or_default().push(value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_lines_are_read_as_urfave_does() {
        let line = "--cluster-init --token=a --node-label x=1 --node-label y=2 --disable traefik,servicelb";
        let values = parse(Role::Server, &words(line)).unwrap();
        assert_eq!(values["cluster-init"], ["true"]);
        assert_eq!(values["node-label"], ["x=1", "y=2"]);
        let refused = |role, line: &str| parse(role, &words(line)).unwrap_err().to_string();
        assert_eq!(refused(Role::Agent, "--cluster-init"), "flag provided but not defined: -cluster-init");
        assert_eq!(refused(Role::Agent, "--token"), "flag needs an argument: -token");
    }
}
