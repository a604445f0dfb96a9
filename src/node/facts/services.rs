//! Init system, processes, programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// The path that systemd gives to services (systemd.exec(5)), where k3s looks for programs.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Programs that the installation, k3s or its network may need, and those of other runtimes.
const PROGRAMS: [&str; 36] = [
    "apparmor_parser",
    "apt-get",
    "conntrack",
    "containerd",
    "crio",
    "dkms",
    "docker",
    "dockerd",
    "dpkg",
    "ebtables",
    "ethtool",
    "firewall-cmd",
    "gcc",
    "ip",
    "iptables",
    "k3s",
    "kubeadm",
    "kubelet",
    "make",
    "microk8s",
    "modprobe",
    "mount",
    "nft",
    "nsenter",
    "nvidia-container-runtime",
    "nvidia-smi",
    "nvidia-uninstall",
    "podman",
    "rke2",
    "sh",
    "snap",
    "socat",
    "systemctl",
    "tar",
    "tc",
    "umount",
];

/// Processes that matter, as `/proc/PID/comm` has them: at most 15 characters.
const PROCESSES: [&str; 29] = [
    "NetworkManager",
    "apt",
    "apt-get",
    "chef-client",
    "chronyd",
    "containerd",
    "crio",
    "dockerd",
    "dpkg",
    "etcd",
    "falcon-sensor",
    "firewalld",
    "k0s",
    "k3s-agent",
    "k3s-server",
    "kubelet",
    "kubelite",
    "masvc",
    "mfetpd",
    "ntpd",
    "nv-fabricmanage",
    "openntpd",
    "packagekitd",
    "puppet",
    "rke2",
    "salt-minion",
    "systemd-network",
    "systemd-timesyn",
    "unattended-upgr",
];

/// Init system and processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Services {
    /// Name of the first process: `systemd`.
    pub init: Option<String>,
    /// Version of systemd.
    pub systemd: Option<u32>,
    /// Whether the journal survives a restart (`/var/log/journal`).
    pub persistent_journal: bool,
    /// Processes that matter and run, by name, with the id of one of them.
    pub processes: BTreeMap<String, u32>,
}

pub(super) fn gather(root: &Root<'_>) -> Services {
    Services {
        init: root.line("/proc/1/comm"),
        systemd: systemd(root),
        persistent_journal: root.exists("/var/log/journal"),
        processes: processes(root),
    }
}

/// From the name of the library that comes with systemd: `libsystemd-shared-252.so`, or `-255.4-1ubuntu8.so`.
fn systemd(root: &Root<'_>) -> Option<u32> {
    let directories = [
        "/usr/lib/systemd",
        "/lib/systemd",
        "/usr/lib/x86_64-linux-gnu/systemd",
        "/usr/lib/aarch64-linux-gnu/systemd",
    ];
    let names = directories.into_iter().flat_map(|directory| root.names(directory));
    names.into_iter().find_map(|name| shared_version(&name))
}

fn shared_version(name: &str) -> Option<u32> {
    let version = name.strip_prefix("libsystemd-shared-")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn processes(root: &Root<'_>) -> BTreeMap<String, u32> {
    let ids = root.names("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok());
    let named = ids.filter_map(|id| Some((root.line(&format!("/proc/{id}/comm"))?, id)));
    named.filter(|(name, _)| PROCESSES.contains(&name.as_str())).collect()
}

/// Programs that are there, with their paths.
pub(super) fn programs(root: &Root<'_>) -> BTreeMap<String, String> {
    let place = |name: &str| {
        PATH.into_iter().map(|directory| format!("{directory}/{name}")).find(|path| root.exists(path))
    };
    PROGRAMS.into_iter().filter_map(|name| Some((name.to_owned(), place(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_are_as_long_as_the_kernel_keeps_them() {
        assert!(PROCESSES.iter().all(|name| name.len() <= 15));
        assert_eq!(shared_version("libsystemd-shared-255.4-1ubuntu8.so"), Some(255));
        assert_eq!(shared_version("libsystemd-core-252.so"), None);
    }
}
