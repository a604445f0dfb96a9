//! Rights, init system and programs.

use super::super::outcome::{block, failed, info, listed, passed, unknown};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "P1",
        title: "rights",
        severity: Severity::Block,
        threshold: "root",
        concern: Concern::All,
        examine: root,
        mend: None,
    },
    Check {
        id: "P2",
        title: "programs",
        severity: Severity::Block,
        threshold: "modprobe, mount, umount, nsenter, sh, systemctl, tar; better ip too",
        concern: Concern::All,
        examine: programs,
        mend: None,
    },
    Check {
        id: "P3",
        title: "init system",
        severity: Severity::Block,
        threshold: "systemd",
        concern: Concern::All,
        examine: systemd,
        mend: None,
    },
    Check {
        id: "P18",
        title: "journal",
        severity: Severity::Info,
        threshold: "survives a restart",
        concern: Concern::All,
        examine: journal,
        mend: None,
    },
    Check {
        id: "P19",
        title: "programs that change the system by themselves",
        severity: Severity::Info,
        threshold: "none",
        concern: Concern::All,
        examine: meddlers,
        mend: None,
    },
];

const NEEDED: [&str; 7] = ["modprobe", "mount", "nsenter", "sh", "systemctl", "tar", "umount"];
const USEFUL: [&str; 1] = ["ip"];

/// Agents that configure machines or watch programs; they undo what an installer does, or stop it.
const MEDDLERS: [&str; 6] = ["chef-client", "falcon-sensor", "masvc", "mfetpd", "puppet", "salt-minion"];

fn root(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.machine.user {
        Some(0) => passed("root"),
        Some(user) => block(format!("user {user}"), "run the command with `sudo`"),
        None => unknown("/proc/self/status cannot be read"),
    }
}

fn programs(facts: &Facts, _: &Circumstances) -> Outcome {
    let missing = |wanted: &[&'static str]| -> Vec<&str> {
        wanted.iter().copied().filter(|name| !facts.programs.contains_key(*name)).collect()
    };
    let (needed, useful) = (missing(&NEEDED), missing(&USEFUL));
    if needed.is_empty() && useful.is_empty() {
        return passed("all");
    }
    let severity = if needed.is_empty() { Severity::Warn } else { Severity::Block };
    failed(
        severity,
        format!("missing: {}", listed(needed.iter().chain(&useful))),
        "install the packages `kmod`, `mount`, `util-linux`, `systemd`, `tar` and `iproute2`; they can be carried under `apt` in bundle.yaml",
    )
}

fn systemd(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.services.init.as_deref() {
        Some("systemd") => passed(match facts.services.systemd {
            Some(version) => format!("systemd {version}"),
            None => "systemd".to_owned(),
        }),
        Some(other) => block(other, "use a distribution, or a container, that starts with systemd"),
        None => unknown("/proc/1/comm cannot be read"),
    }
}

fn journal(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.services.persistent_journal {
        true => passed("/var/log/journal"),
        false => info(
            "only in memory",
            "`mkdir -p /var/log/journal && systemctl restart systemd-journald`: what happened before a restart can then be read",
        ),
    }
}

fn meddlers(facts: &Facts, _: &Circumstances) -> Outcome {
    let running: Vec<&str> =
        MEDDLERS.into_iter().filter(|name| facts.services.processes.contains_key(*name)).collect();
    match running.is_empty() {
        true => passed("none"),
        false => info(
            listed(running),
            "tell whoever runs them, so that they leave /etc/rancher, /var/lib/rancher and the units of k3s alone",
        ),
    }
}
