//! The kernel, its control groups and modules.

use super::super::mend::Mending;
use super::super::outcome::{block, failed, info, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{CgroupVersion, Facts, ModuleState};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "K1",
        title: "release of the kernel",
        severity: Severity::Block,
        threshold: "4.5 for Kubernetes from 1.35 on, else 3.10; better 5.4",
        concern: Concern::All,
        examine: release,
        mend: None,
    },
    Check {
        id: "K2",
        title: "version of control groups",
        severity: Severity::Block,
        threshold: "2 for Kubernetes from 1.35 on",
        concern: Concern::All,
        examine: version,
        mend: None,
    },
    Check {
        id: "K3",
        title: "controllers of control groups",
        severity: Severity::Block,
        threshold: "cpu, cpuset, memory, pids; with version 1 also cpuacct, devices, freezer",
        concern: Concern::All,
        examine: controllers,
        mend: None,
    },
    Check {
        id: "K4",
        title: "/proc",
        severity: Severity::Block,
        threshold: "mounted",
        concern: Concern::All,
        examine: proc,
        mend: None,
    },
    Check {
        id: "K5",
        title: "modules for containers",
        severity: Severity::Block,
        threshold: "overlay, br_netfilter and nf_conntrack loaded or to be loaded",
        concern: Concern::All,
        examine: |facts, _| modules(facts, &CONTAINERS),
        mend: Some(|facts, _| loadable(facts, &CONTAINERS)),
    },
    Check {
        id: "K6",
        title: "module for the network of pods",
        severity: Severity::Block,
        threshold: "vxlan loaded or to be loaded",
        concern: Concern::All,
        examine: |facts, _| modules(facts, &["vxlan"]),
        mend: Some(|facts, _| loadable(facts, &["vxlan"])),
    },
    Check {
        id: "K7",
        title: "packet filter",
        severity: Severity::Block,
        threshold: "ip_tables, or nf_tables with nft_compat",
        concern: Concern::All,
        examine: packet_filter,
        mend: None,
    },
    Check {
        id: "K8",
        title: "modules for IPVS",
        severity: Severity::Info,
        threshold: "ip_vs and ip_vs_rr, if kube-proxy or a virtual address is to use IPVS",
        concern: Concern::All,
        examine: ipvs,
        mend: None,
    },
    Check {
        id: "K14",
        title: "no restart is due",
        severity: Severity::Block,
        threshold: "modules of the running kernel are there, and the system asks for no restart",
        concern: Concern::All,
        examine: restart,
        mend: None,
    },
];

const CONTAINERS: [&str; 3] = ["overlay", "br_netfilter", "nf_conntrack"];

/// From here on Kubernetes refuses control groups of version 1, and needs a newer kernel.
const FIRST_STRICT_MINOR: u32 = 35;

fn is_strict(circumstances: &Circumstances) -> bool {
    circumstances.kubernetes_minor().is_none_or(|minor| minor >= FIRST_STRICT_MINOR)
}

/// The first two numbers of a release such as `5.15.0-91-generic`.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn release(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let release = facts.kernel.release.as_deref();
    let Some((release, numbers)) = release.and_then(|release| Some((release, numbers(release)?))) else {
        return unknown("the release of the kernel is not known");
    };
    let least = if is_strict(circumstances) { (4, 5) } else { (3, 10) };
    let remedy = "install a newer kernel of the distribution, or a newer release of it, and restart";
    if numbers < least {
        return block(release, remedy);
    }
    if numbers < (5, 4) { warn(release, remedy) } else { passed(release) }
}

fn version(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let remedy = "add `systemd.unified_cgroup_hierarchy=1` to GRUB_CMDLINE_LINUX in /etc/default/grub, run `update-grub` (or `grub2-mkconfig -o /boot/grub2/grub.cfg`) and restart";
    let old = match facts.cgroup.version {
        Some(CgroupVersion::V2) => return passed("2"),
        Some(CgroupVersion::V1) => "1",
        Some(CgroupVersion::Hybrid) => "1, with 2 for systemd alone",
        None => return block("no control groups are mounted", remedy),
    };
    if is_strict(circumstances) { block(old, remedy) } else { passed(old) }
}

fn controllers(facts: &Facts, _: &Circumstances) -> Outcome {
    let mut needed = vec!["cpu", "cpuset", "memory", "pids"];
    if facts.cgroup.version != Some(CgroupVersion::V2) {
        needed.extend(["cpuacct", "devices", "freezer"]);
    }
    needed.retain(|name| !facts.cgroup.controllers.contains(*name));
    if needed.is_empty() {
        return passed(listed(&facts.cgroup.controllers));
    }
    block(
        format!("missing: {}", listed(&needed)),
        "add `cgroup_enable=memory cgroup_memory=1` to the command line of the kernel (on a Raspberry Pi in /boot/firmware/cmdline.txt) and restart",
    )
}

fn proc(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.storage.proc_mounted {
        true => passed("mounted"),
        false => block("not mounted", "`mount -t proc proc /proc`"),
    }
}

fn state(facts: &Facts, module: &str) -> Option<ModuleState> {
    facts.kernel.modules.get(module).copied()
}

/// Modules that only have to be loaded are no obstacle: k3s does so. What is mended is that nothing loads them at
/// the next start.
fn modules(facts: &Facts, needed: &[&str]) -> Outcome {
    let absent: Vec<&&str> =
        needed.iter().filter(|module| state(facts, module) == Some(ModuleState::Absent)).collect();
    if absent.is_empty() {
        let states = needed.iter().map(|module| match state(facts, module) {
            Some(state) => format!("{module} {state:?}").to_lowercase(),
            None => format!("{module} unknown"),
        });
        let known = needed.iter().all(|module| state(facts, module).is_some());
        let states = listed(states);
        return if known { passed(states) } else { unknown(states) };
    }
    let release = facts.kernel.release.as_deref().unwrap_or("$(uname -r)");
    block(
        format!("missing: {}", listed(absent)),
        format!(
            "install the package with further modules, such as `linux-modules-extra-{release}`; it can be carried under `apt` in bundle.yaml"
        ),
    )
}

fn loadable(facts: &Facts, modules: &[&str]) -> Vec<Mending> {
    let available = |module: &&&str| state(facts, module) == Some(ModuleState::Available);
    modules.iter().filter(available).map(|module| Mending::Module((*module).to_owned())).collect()
}

fn packet_filter(facts: &Facts, _: &Circumstances) -> Outcome {
    let has = |module: &str| state(facts, module).is_some_and(|state| state != ModuleState::Absent);
    let known = |module: &str| state(facts, module).is_some();
    match () {
        () if has("ip_tables") => passed("ip_tables"),
        () if has("nf_tables") && has("nft_compat") => passed("nf_tables with nft_compat"),
        () if !known("ip_tables") && !known("nf_tables") => unknown("modules of the kernel are not known"),
        () => block("neither", "install the kernel of the distribution with all its modules, and restart"),
    }
}

fn ipvs(facts: &Facts, _: &Circumstances) -> Outcome {
    let needed = ["ip_vs", "ip_vs_rr"];
    let lacks = |module: &&str| state(facts, module).is_none_or(|state| state == ModuleState::Absent);
    let absent: Vec<&str> = needed.into_iter().filter(lacks).collect();
    if absent.is_empty() {
        return passed(listed(needed));
    }
    info(format!("missing: {}", listed(absent)), "nothing, unless IPVS is wanted; k3s uses iptables")
}

fn restart(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(release) = &facts.kernel.release else {
        return unknown("the release of the kernel is not known");
    };
    // A kernel without any modules, as in small virtual machines and containers, needs no directory.
    let has_modules = facts.kernel.installed.is_empty() || facts.kernel.installed.contains(release);
    let severity = if circumstances.has_gpu(facts) { Severity::Block } else { Severity::Warn };
    let remedy = "`systemctl reboot`, then begin again";
    if !has_modules {
        let others = listed(&facts.kernel.installed);
        return failed(severity, format!("{release} runs, modules are there for {others}"), remedy);
    }
    match facts.kernel.reboot_required {
        true => failed(severity, "/run/reboot-required", remedy),
        false => passed(release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_first_two_numbers() {
        for (release, expected) in [
            ("6.1.0-18-amd64", Some((6, 1))),
            ("5.15.0", Some((5, 15))),
            ("4.18.0-553.el8_10.x86_64", Some((4, 18))),
            ("six", None),
            ("6", None),
        ] {
            assert_eq!(numbers(release), expected, "{release}");
        }
    }
}
