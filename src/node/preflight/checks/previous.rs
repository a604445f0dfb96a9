//! Other runtimes, what an earlier Kubernetes left, and swap. What an earlier run of ours left is no obstacle.

use super::super::outcome::{block, info, listed, passed, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, Leftover, Runtime};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "P9",
        title: "other container runtimes",
        severity: Severity::Warn,
        threshold: "none runs; k3s brings its own",
        concern: Concern::All,
        examine: runtimes,
        mend: None,
    },
    Check {
        id: "P10",
        title: "earlier Kubernetes",
        severity: Severity::Block,
        threshold: "none, or our own",
        concern: Concern::All,
        examine: leftovers,
        mend: None,
    },
    Check {
        id: "P11",
        title: "swap",
        severity: Severity::Warn,
        threshold: "off",
        concern: Concern::All,
        examine: swap,
        mend: None,
    },
    Check {
        id: "P12",
        title: "swap at the next start",
        severity: Severity::Warn,
        threshold: "off",
        concern: Concern::All,
        examine: swap_at_boot,
        mend: None,
    },
    Check {
        id: "P20",
        title: "files of ours",
        severity: Severity::Info,
        threshold: "none, or of an installation that has its journal",
        concern: Concern::All,
        examine: marked,
        mend: None,
    },
    Check {
        id: "E2",
        title: "data of etcd",
        severity: Severity::Block,
        threshold: "none, or our own",
        concern: Concern::Server,
        examine: etcd,
        mend: None,
    },
];

/// Runtimes beside which k3s runs; the distributions of Kubernetes are for P10.
const BESIDE: [&str; 4] = ["docker", "containerd", "cri-o", "podman"];
/// Distributions of Kubernetes, beside which it does not.
const INSTEAD: [&str; 5] = ["kubelet", "k3s", "rke2", "microk8s", "k0s"];

fn runs(runtime: &&Runtime) -> bool {
    runtime.pid.is_some() || (runtime.socket.is_some() && runtime.program.is_some())
}

fn runtimes(facts: &Facts, _: &Circumstances) -> Outcome {
    let is_ours = |runtime: &Runtime| facts.previous.ours && runtime.program.is_none();
    let running =
        facts.runtimes.iter().filter(|runtime| BESIDE.contains(&runtime.name.as_str())).filter(runs);
    let names: Vec<&str> =
        running.filter(|runtime| !is_ours(runtime)).map(|runtime| runtime.name.as_str()).collect();
    match names.first() {
        None => passed("none runs"),
        Some(first) => warn(
            listed(&names),
            format!(
                "it may stay, if it has memory and disk enough; if nobody needs it, `systemctl disable --now {first}`"
            ),
        ),
    }
}

fn leftovers(facts: &Facts, _: &Circumstances) -> Outcome {
    let foreign = |leftover: &&Leftover| !leftover.ours;
    let left = facts.previous.leftovers.iter().filter(foreign).map(|leftover| leftover.path.clone());
    let running = facts.runtimes.iter().filter(|runtime| INSTEAD.contains(&runtime.name.as_str()));
    let running = running
        .filter(|runtime| !(facts.previous.ours && ["k3s", "kubelet"].contains(&runtime.name.as_str())))
        .map(|runtime| runtime.program.clone().unwrap_or_else(|| runtime.name.clone()));
    let found: Vec<String> = running.chain(left).collect();
    if found.is_empty() {
        return passed(if facts.previous.ours { "our own" } else { "none" });
    }
    let remedy = match facts.previous.leftovers.iter().find(foreign).map(|leftover| leftover.of.as_str()) {
        Some("kubeadm") => {
            "`kubeadm reset` where that is installed, then delete /etc/kubernetes and /etc/cni/net.d"
        }
        Some("rke2") => "`rke2-uninstall.sh`",
        Some("microk8s") => "`snap remove --purge microk8s`",
        Some("k0s") => "`k0s stop && k0s reset`",
        _ => "`k3s-uninstall.sh` or `k3s-agent-uninstall.sh` where they are; save what is needed before",
    };
    block(listed(found), remedy)
}

fn swap(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.memory.swaps.is_empty() {
        true => passed("off"),
        false => warn(
            listed(facts.memory.swaps.iter().map(|swap| &swap.path)),
            "`swapoff -a`, if there is memory enough: with swap a node slows down instead of moving pods away",
        ),
    }
}

fn swap_at_boot(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.memory.swap_at_boot.is_empty() {
        true => passed("off"),
        false => warn(
            listed(&facts.memory.swap_at_boot),
            "put a `#` before the line in /etc/fstab, or `systemctl disable` the service of zram",
        ),
    }
}

fn marked(facts: &Facts, _: &Circumstances) -> Outcome {
    match (facts.previous.marked.is_empty(), facts.previous.ours) {
        (true, _) => passed("none"),
        (false, true) => passed(listed(&facts.previous.marked)),
        (false, false) => info(listed(&facts.previous.marked), "nothing: the installation writes them anew"),
    }
}

fn etcd(facts: &Facts, _: &Circumstances) -> Outcome {
    let data = facts.previous.leftovers.iter().find(|left| left.path == "/var/lib/etcd" || left.path == ETCD);
    match data {
        Some(data) if !data.ours => block(
            &data.path,
            format!("save it if it is needed, then move it away: `mv {0} {0}.old`", data.path),
        ),
        _ => passed("none, or our own"),
    }
}

/// Where k3s keeps the data of its etcd.
const ETCD: &str = "/var/lib/rancher/k3s/server/db/etcd";
