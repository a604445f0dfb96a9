//! dpkg and apt.

use super::super::outcome::{block, info, listed, passed, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, LockHolder, Manager, PackageState};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "P4",
        title: "dpkg has finished",
        severity: Severity::Block,
        threshold: "no package is half installed",
        concern: Concern::All,
        examine: finished,
        mend: None,
    },
    Check {
        id: "P5",
        title: "nobody else installs packages",
        severity: Severity::Warn,
        threshold: "the locks of dpkg and apt are free",
        concern: Concern::All,
        examine: locks,
        mend: None,
    },
    Check {
        id: "P6",
        title: "questions while packages are installed",
        severity: Severity::Info,
        threshold: "needrestart is not installed",
        concern: Concern::All,
        examine: needrestart,
        mend: None,
    },
    Check {
        id: "P7",
        title: "packages that are held",
        severity: Severity::Warn,
        threshold: "none",
        concern: Concern::All,
        examine: held,
        mend: None,
    },
];

fn has_dpkg(facts: &Facts) -> bool {
    facts.packages.manager == Some(Manager::Dpkg)
}

fn finished(facts: &Facts, _: &Circumstances) -> Outcome {
    let unfinished = |package: &PackageState| format!("{} {}", package.name, package.state);
    match facts.packages.unfinished.is_empty() {
        _ if !has_dpkg(facts) => passed("there is no dpkg"),
        true => passed("it has"),
        false => block(
            listed(facts.packages.unfinished.iter().take(10).map(unfinished)),
            "`dpkg --configure -a`, then `apt-get --fix-broken install`",
        ),
    }
}

fn locks(facts: &Facts, _: &Circumstances) -> Outcome {
    let holder = |lock: &LockHolder| match &lock.process {
        Some(process) => format!("{process} (process {})", lock.pid),
        None => format!("process {}", lock.pid),
    };
    let mut holders: Vec<String> = facts.packages.locks.iter().map(holder).collect();
    holders.dedup();
    match facts.packages.locks.first() {
        None => passed("free"),
        Some(first) => warn(
            listed(holders),
            format!(
                "wait until it has ended (`tail --pid={} -f /dev/null`); `systemctl stop unattended-upgrades` lets that one finish and stay away",
                first.pid
            ),
        ),
    }
}

fn needrestart(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.packages.versions.contains_key("needrestart") {
        false => passed("not installed"),
        true => info("installed", "nothing: it is suspended while packages are installed"),
    }
}

fn held(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.packages.held.is_empty() {
        true => passed("none"),
        false => warn(
            listed(&facts.packages.held),
            format!(
                "if the bundle brings newer ones: `apt-mark unhold {}`, or list them under `hold` in bundle.yaml",
                facts.packages.held.join(" ")
            ),
        ),
    }
}
