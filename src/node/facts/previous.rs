//! Container runtimes, and what an earlier Kubernetes left; told apart from what airlock put here itself.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;
use crate::node::MARKER;
use crate::node::journal::{self, Entry};
use crate::node::owned::Owned;

/// A container runtime or a distribution of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Its name: `docker`, `containerd`, `cri-o`, `podman`, `kubelet`, `k3s`, `rke2`, `microk8s`, `k0s`.
    pub name: String,
    /// Its program.
    pub program: Option<String>,
    /// The process, if it runs.
    pub pid: Option<u32>,
    /// Its socket, if there is one.
    pub socket: Option<String>,
}

/// What is there of earlier installations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Whether an installation by airlock has begun here: its journal says so, and no k3s of somebody else is there.
    pub ours: bool,
    /// Files and directories of Kubernetes.
    pub leftovers: Vec<Leftover>,
    /// Files outside our own directories that carry our mark.
    pub marked: Vec<String>,
}

/// A file or directory of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// Where it is.
    pub path: String,
    /// Whose it is: `k3s`, `rke2`, `kubeadm`, `microk8s`, `k0s`; `kubernetes` where several use it.
    pub of: String,
    /// Whether an installation of ours put it here.
    pub ours: bool,
}

/// Runtimes with their programs, processes and sockets.
const RUNTIMES: [(&str, &str, &[&str], &str); 9] = [
    ("docker", "dockerd", &["dockerd"], "/run/docker.sock"),
    ("containerd", "containerd", &["containerd"], "/run/containerd/containerd.sock"),
    ("cri-o", "crio", &["crio"], "/run/crio/crio.sock"),
    ("podman", "podman", &[], "/run/podman/podman.sock"),
    ("kubelet", "kubelet", &["kubelet"], "/var/lib/kubelet/device-plugins/kubelet.sock"),
    ("k3s", "k3s", &["k3s-server", "k3s-agent"], "/run/k3s/containerd/containerd.sock"),
    ("rke2", "rke2", &["rke2"], "/run/k3s/rke2.sock"),
    ("microk8s", "microk8s", &["kubelite"], "/var/snap/microk8s/common/run/containerd.sock"),
    ("k0s", "k0s", &["k0s"], "/run/k0s/containerd.sock"),
];

/// What Kubernetes leaves, and which distribution does.
const LEFTOVERS: [(&str, &str); 17] = [
    ("/etc/cni/net.d", "kubeadm"),
    ("/etc/kubernetes", "kubeadm"),
    ("/etc/rancher/k3s", "k3s"),
    ("/etc/rancher/rke2", "rke2"),
    ("/etc/systemd/system/k3s-agent.service", "k3s"),
    ("/etc/systemd/system/k3s.service", "k3s"),
    ("/run/flannel", "kubernetes"),
    ("/sys/class/net/cni0", "kubernetes"),
    ("/sys/class/net/flannel.1", "kubernetes"),
    ("/var/lib/cni", "kubernetes"),
    ("/var/lib/etcd", "kubeadm"),
    ("/var/lib/k0s", "k0s"),
    ("/var/lib/kubelet", "kubernetes"),
    ("/var/lib/rancher/k3s", "k3s"),
    ("/var/lib/rancher/k3s/server/db/etcd", "k3s"),
    ("/var/lib/rancher/rke2", "rke2"),
    ("/var/snap/microk8s", "microk8s"),
];

/// Whose files those of an installation of ours are: k3s brings its own CNI and kubelet.
const OURS: [&str; 2] = ["k3s", "kubernetes"];

/// The command of `node preflight --fix` in the journal, which makes no node of a machine.
const PREFLIGHT: &str = "preflight";

/// Units that start k3s; one without our mark is somebody else's.
const UNITS: [&str; 2] = ["/etc/systemd/system/k3s.service", "/etc/systemd/system/k3s-agent.service"];

/// Where files with our mark may be.
const MARKED: [&str; 8] = [
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/rancher/k3s",
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/sysctl.d",
    "/etc/systemd/network",
    "/etc/systemd/system",
    "/etc/NetworkManager/conf.d",
];

pub(super) fn runtimes(
    root: &Root<'_>,
    programs: &BTreeMap<String, String>,
    processes: &BTreeMap<String, u32>,
) -> Vec<Runtime> {
    let found = RUNTIMES.iter().map(|(name, program, names, socket)| Runtime {
        name: (*name).to_owned(),
        program: programs.get(*program).cloned(),
        pid: names.iter().find_map(|name| processes.get(*name)).copied(),
        socket: root.exists(socket).then(|| (*socket).to_owned()),
    });
    found.filter(|found| found.program.is_some() || found.pid.is_some() || found.socket.is_some()).collect()
}

pub(super) fn gather(root: &Root<'_>) -> Previous {
    let marked: Vec<String> = MARKED.into_iter().flat_map(|directory| marked(root, directory)).collect();
    let is_foreign = |unit: &&str| root.exists(unit) && !marked.iter().any(|path| path == unit);
    let ours = has_begun(root) && !UNITS.iter().any(is_foreign);
    let there = LEFTOVERS.iter().filter(|(path, _)| is_in_use(root, path));
    let leftovers = there.map(|(path, of)| Leftover {
        path: (*path).to_owned(),
        of: (*of).to_owned(),
        ours: ours && OURS.contains(of),
    });
    Previous { leftovers: leftovers.collect(), ours, marked }
}

/// Whether the journal tells of an installation. To those who may not read it, its being there says so.
fn has_begun(root: &Root<'_>) -> bool {
    let Some(mut entries) = entries(root) else { return root.exists(journal::PATH) };
    entries.any(|entry| matches!(entry, Entry::Run { command, .. } if command != PREFLIGHT))
}

/// The packages that we hold ourselves, as far as the journal can be read.
pub(super) fn held(root: &Root<'_>) -> BTreeSet<String> {
    let name = |owned: &Owned| match owned {
        Owned::Hold { name } => Some(name.clone()),
        _ => None,
    };
    let entries = entries(root).into_iter().flatten();
    journal::possessions(entries).iter().filter_map(name).collect()
}

/// What the journal says; `None` if there is none, or it cannot be read.
fn entries(root: &Root<'_>) -> Option<impl Iterator<Item = Entry>> {
    let text = root.text(journal::PATH)?;
    let entries: Vec<Entry> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Some(entries.into_iter())
}

/// An empty directory is no leftover: packages make some of them.
fn is_in_use(root: &Root<'_>, path: &str) -> bool {
    match fs_err::metadata(root.at(path)) {
        Ok(found) if found.is_dir() => !root.names(path).is_empty(),
        Ok(_) => true,
        Err(_) => root.exists(path),
    }
}

fn marked(root: &Root<'_>, directory: &str) -> Vec<String> {
    let paths = root.names(directory).into_iter().map(|name| format!("{directory}/{name}"));
    paths
        .filter(|path| fs_err::metadata(root.at(path)).is_ok_and(|found| found.is_file()))
        .filter(|path| has_mark(root, path))
        .collect()
}

/// The mark stands in one of the first lines.
fn has_mark(root: &Root<'_>, path: &str) -> bool {
    root.text(path).is_some_and(|text| text.lines().take(3).any(|line| line.contains(MARKER)))
}
