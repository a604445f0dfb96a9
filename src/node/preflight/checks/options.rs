//! Options and limits of the kernel.

use super::super::outcome::{info, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, OPTIONAL_OPTIONS, REQUIRED_OPTIONS};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "K9",
        title: "options of the kernel that are needed",
        severity: Severity::Warn,
        threshold: "set",
        concern: Concern::All,
        examine: required,
        mend: None,
    },
    Check {
        id: "K10",
        title: "options of the kernel that some setups need",
        severity: Severity::Info,
        threshold: "set",
        concern: Concern::All,
        examine: optional,
        mend: None,
    },
    Check {
        id: "K11",
        title: "keys that the kernel keeps for root",
        severity: Severity::Warn,
        threshold: "kernel.keys.root_maxkeys more than 10000",
        concern: Concern::All,
        examine: keys,
        mend: None,
    },
];

const UNKNOWN: &str = "neither /proc/config.gz nor /boot/config-$(uname -r) can be read";

fn missing(facts: &Facts, wanted: &[&'static str]) -> Option<Vec<&'static str>> {
    let options = facts.kernel.options.as_ref()?;
    Some(wanted.iter().copied().filter(|option| !options.contains_key(*option)).collect())
}

fn required(facts: &Facts, _: &Circumstances) -> Outcome {
    match missing(facts, &REQUIRED_OPTIONS).as_deref() {
        None => unknown(UNKNOWN),
        Some([]) => passed("all"),
        Some(missing) => warn(
            format!("not set: {}", listed(missing)),
            "use the kernel of the distribution; if it is your own, build it with these options",
        ),
    }
}

fn optional(facts: &Facts, _: &Circumstances) -> Outcome {
    match missing(facts, &OPTIONAL_OPTIONS).as_deref() {
        None => unknown(UNKNOWN),
        Some([]) => passed("all"),
        Some(missing) => {
            info(format!("not set: {}", listed(missing)), "nothing, unless something asks for them")
        }
    }
}

fn keys(facts: &Facts, _: &Circumstances) -> Outcome {
    let value = facts.sysctls.get("kernel.keys.root_maxkeys").and_then(|value| value.parse::<u64>().ok());
    match value {
        None => unknown("/proc/sys/kernel/keys/root_maxkeys cannot be read"),
        Some(value) if value > 10_000 => passed(value.to_string()),
        Some(value) => warn(
            value.to_string(),
            "`echo kernel.keys.root_maxkeys=1000000 > /etc/sysctl.d/90-keys.conf && sysctl --system`",
        ),
    }
}
