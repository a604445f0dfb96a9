//! What may forbid programs or modules to run.

use super::super::outcome::{block, passed, unknown};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, Lockdown, Selinux};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "K12",
        title: "AppArmor",
        severity: Severity::Block,
        threshold: "off, or apparmor_parser is there",
        concern: Concern::All,
        examine: apparmor,
        mend: None,
    },
    Check {
        id: "K13",
        title: "SELinux",
        severity: Severity::Block,
        threshold: "not enforcing, or with the policy of k3s",
        concern: Concern::All,
        examine: selinux,
        mend: None,
    },
    Check {
        id: "K15",
        title: "modules that the driver needs may be loaded",
        severity: Severity::Block,
        threshold: "no Secure Boot or lockdown, or modules that the distribution has signed",
        concern: Concern::Gpu,
        examine: signed_modules,
        mend: None,
    },
];

fn apparmor(facts: &Facts, _: &Circumstances) -> Outcome {
    match (facts.security.apparmor, facts.programs.contains_key("apparmor_parser")) {
        (false, _) => passed("off"),
        (true, true) => passed("on, with apparmor_parser"),
        (true, false) => block(
            "on, without apparmor_parser",
            "install the package `apparmor`; it can be carried under `apt` in bundle.yaml",
        ),
    }
}

fn selinux(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.security.selinux {
        Selinux::Disabled => passed("off"),
        Selinux::Permissive => passed("permissive"),
        Selinux::Enforcing if facts.security.k3s_policy => passed("enforcing, with the policy of k3s"),
        Selinux::Enforcing => block(
            "enforcing, without the policy of k3s",
            "install the package `k3s-selinux`, or `setenforce 0` and `SELINUX=permissive` in /etc/selinux/config",
        ),
    }
}

fn signed_modules(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let locked = facts.security.lockdown.is_some_and(|lockdown| lockdown != Lockdown::None);
    let measured = match (facts.security.secure_boot, locked) {
        (Some(true), _) => "Secure Boot is on",
        (_, true) => "the kernel is locked down",
        _ => return passed("no Secure Boot, no lockdown"),
    };
    let (Some(release), Some(host)) = (&facts.kernel.release, facts.os.host()) else {
        return unknown("kernel or distribution are not known");
    };
    let driver = circumstances.bundle.as_ref().and_then(|bundle| bundle.drivers.get(&host));
    match driver {
        Some(driver) if driver.prebuilt.contains(release) => {
            passed(format!("{measured}; modules are signed"))
        }
        None => passed(format!("{measured}; the bundle brings no driver")),
        Some(_) => block(
            format!("{measured}; DKMS would build modules that nobody signed"),
            format!(
                "add `{release}` to `nvidia.driver.kernels` in bundle.yaml with prebuilt modules, or switch Secure Boot off in the firmware"
            ),
        ),
    }
}
