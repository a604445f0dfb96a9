//! Settings of the kernel, and limits of processes.

use super::super::mend::Mending;
use super::super::outcome::{block, failed, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, ModuleState};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "S1",
        title: "forwarding of IPv4",
        severity: Severity::Block,
        threshold: "1",
        concern: Concern::All,
        examine: |facts, _| settings(facts, &FORWARDING, Severity::Block),
        mend: Some(|facts, _| mendings(facts, &FORWARDING)),
    },
    Check {
        id: "S2",
        title: "forwarding of IPv6, if pods have it",
        severity: Severity::Block,
        threshold: "1",
        concern: Concern::All,
        examine: forwarding_ipv6,
        mend: Some(|facts, circumstances| match circumstances.pod_network.address.is_ipv6() {
            true => mendings(facts, &FORWARDING_IPV6),
            false => Vec::new(),
        }),
    },
    Check {
        id: "S3",
        title: "bridges pass through iptables",
        severity: Severity::Block,
        threshold: "1",
        concern: Concern::All,
        examine: bridges,
        mend: Some(|facts, _| mendings(facts, &BRIDGES)),
    },
    Check {
        id: "S4",
        title: "reverse path filter",
        severity: Severity::Block,
        threshold: "0 or 2",
        concern: Concern::All,
        examine: |facts, _| settings(facts, &REVERSE_PATH, Severity::Block),
        mend: Some(|facts, _| mendings(facts, &REVERSE_PATH)),
    },
    Check {
        id: "S5",
        title: "answers to ARP",
        severity: Severity::Warn,
        threshold: "arp_filter and arp_ignore 0",
        concern: Concern::All,
        examine: |facts, _| settings(facts, &ARP, Severity::Warn),
        mend: Some(|facts, _| mendings(facts, &ARP)),
    },
    Check {
        id: "S6",
        title: "watches of files",
        severity: Severity::Warn,
        threshold: "1024 instances, 65536 watches",
        concern: Concern::All,
        examine: |facts, _| settings(facts, &WATCHES, Severity::Warn),
        mend: Some(|facts, _| mendings(facts, &WATCHES)),
    },
    Check {
        id: "S7",
        title: "open files",
        severity: Severity::Warn,
        threshold: "a process may raise its limit to 65536",
        concern: Concern::All,
        examine: open_files,
        mend: None,
    },
    Check {
        id: "S9",
        title: "settings that come back at the next start",
        severity: Severity::Warn,
        threshold: "no file of settings says otherwise after ours",
        concern: Concern::All,
        examine: files,
        mend: None,
    },
];

/// A setting with what is wanted of it.
struct Setting {
    name: &'static str,
    is_good: fn(u64) -> bool,
    good: u64,
}

const fn exactly_one(name: &'static str) -> Setting {
    Setting { name, is_good: |value| value == 1, good: 1 }
}

const fn zero(name: &'static str) -> Setting {
    Setting { name, is_good: |value| value == 0, good: 0 }
}

const fn not_strict(name: &'static str) -> Setting {
    Setting { name, is_good: |value| value != 1, good: 2 }
}

const FORWARDING: [Setting; 3] = [
    exactly_one("net.ipv4.ip_forward"),
    exactly_one("net.ipv4.conf.all.forwarding"),
    exactly_one("net.ipv4.conf.default.forwarding"),
];
const FORWARDING_IPV6: [Setting; 1] = [exactly_one("net.ipv6.conf.all.forwarding")];
const BRIDGES: [Setting; 1] = [exactly_one("net.bridge.bridge-nf-call-iptables")];
const REVERSE_PATH: [Setting; 2] =
    [not_strict("net.ipv4.conf.all.rp_filter"), not_strict("net.ipv4.conf.default.rp_filter")];
const ARP: [Setting; 4] = [
    zero("net.ipv4.conf.all.arp_filter"),
    zero("net.ipv4.conf.all.arp_ignore"),
    zero("net.ipv4.conf.default.arp_filter"),
    zero("net.ipv4.conf.default.arp_ignore"),
];
const WATCHES: [Setting; 2] = [
    Setting { name: "fs.inotify.max_user_instances", is_good: |value| value >= 1024, good: 1024 },
    Setting { name: "fs.inotify.max_user_watches", is_good: |value| value >= 65536, good: 65536 },
];

fn value(facts: &Facts, name: &str) -> Option<u64> {
    facts.sysctls.get(name)?.parse().ok()
}

fn is_wrong(facts: &Facts, setting: &Setting) -> bool {
    value(facts, setting.name).is_some_and(|value| !(setting.is_good)(value))
}

fn settings(facts: &Facts, wanted: &[Setting], severity: Severity) -> Outcome {
    if let Some(setting) = wanted.iter().find(|setting| value(facts, setting.name).is_none()) {
        return unknown(format!("{} cannot be read", setting.name));
    }
    let shown =
        |setting: &Setting| format!("{}={}", setting.name, value(facts, setting.name).unwrap_or_default());
    let wrong: Vec<&Setting> = wanted.iter().filter(|setting| is_wrong(facts, setting)).collect();
    if wrong.is_empty() {
        return passed(listed(
            wanted.iter().map(|setting| value(facts, setting.name).unwrap_or_default().to_string()),
        ));
    }
    let commands = wrong.iter().map(|setting| format!("{}={}", setting.name, setting.good));
    let remedy = format!(
        "`airlock node preflight --fix` writes {}; or `sysctl -w {}`",
        super::super::mend::SYSCTL_FILE,
        commands.collect::<Vec<_>>().join(" ")
    );
    failed(severity, listed(wrong.into_iter().map(shown)), remedy)
}

fn mendings(facts: &Facts, wanted: &[Setting]) -> Vec<Mending> {
    let wrong = wanted.iter().filter(|setting| is_wrong(facts, setting));
    wrong.map(|setting| Mending::Sysctl { name: setting.name.to_owned(), value: setting.good }).collect()
}

fn forwarding_ipv6(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    match circumstances.pod_network.address.is_ipv6() {
        true => settings(facts, &FORWARDING_IPV6, Severity::Block),
        false => passed("pods have IPv4 only"),
    }
}

/// The setting appears with its module, and is 1 then.
fn bridges(facts: &Facts, _: &Circumstances) -> Outcome {
    let module = facts.kernel.modules.get("br_netfilter");
    match module {
        Some(ModuleState::Available) if value(facts, BRIDGES[0].name).is_none() => {
            passed("1 as soon as br_netfilter is loaded")
        }
        Some(ModuleState::Absent) => {
            block("br_netfilter is missing", "see K5: without this module there is no such setting")
        }
        _ => settings(facts, &BRIDGES, Severity::Block),
    }
}

/// The soft limit does not matter: the unit of k3s has its own.
fn open_files(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.machine.limits.open_files_hard {
        None => unknown("/proc/self/limits cannot be read"),
        Some(u64::MAX) => passed("unlimited"),
        Some(limit) if limit >= 65_536 => passed(limit.to_string()),
        Some(limit) => warn(
            limit.to_string(),
            "raise `nofile` in /etc/security/limits.d and `DefaultLimitNOFILE` in /etc/systemd/system.conf to 1048576",
        ),
    }
}

fn files(facts: &Facts, _: &Circumstances) -> Outcome {
    let groups: [&[Setting]; 5] = [&FORWARDING, &BRIDGES, &REVERSE_PATH, &ARP, &WATCHES];
    let file_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let own = file_name(super::super::mend::SYSCTL_FILE);
    let overrides = groups.into_iter().flatten().filter_map(|setting| {
        let line = facts.sysctl_files.get(setting.name)?;
        let comes_after = line.file == "/etc/sysctl.conf" || file_name(&line.file) > own;
        let is_wrong = line.value.parse().is_ok_and(|value| !(setting.is_good)(value));
        (comes_after && is_wrong).then(|| format!("{} sets {}={}", line.file, setting.name, line.value))
    });
    let overrides: Vec<String> = overrides.collect();
    if overrides.is_empty() {
        return passed("none does");
    }
    warn(listed(overrides), "delete these lines, then run `sysctl --system`")
}
