//! Time.

use super::super::outcome::{block, info, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "N7",
        title: "clock",
        severity: Severity::Block,
        threshold: "after the bundle was made, and before 2038",
        concern: Concern::All,
        examine: clock,
        mend: None,
    },
    Check {
        id: "N8",
        title: "something sets the clock",
        severity: Severity::Warn,
        threshold: "chrony, ntpd, or systemd-timesyncd with a server that answers",
        concern: Concern::All,
        examine: service,
        mend: None,
    },
    Check {
        id: "N9",
        title: "time zone",
        severity: Severity::Info,
        threshold: "UTC",
        concern: Concern::All,
        examine: time_zone,
        mend: None,
    },
];

/// Nothing that runs here is older; without a bundle this is all that is known about the time.
const EARLIEST: &str = "2026-01-01T00:00:00Z";
/// Programs that count seconds in 31 bits break after this.
const LATEST: &str = "2038-01-19T03:14:07Z";

fn clock(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let Some(now) = time(&facts.clock.now) else { return unknown("the clock cannot be read") };
    let created = circumstances.bundle.as_ref().and_then(|bundle| time(&bundle.created));
    let measured = facts.clock.now.clone();
    let remedy = "set it from a watch: `date -u -s 'YYYY-MM-DD hh:mm'` and `hwclock --systohc`; a flat battery loses it at every start";
    match (created.or_else(|| time(EARLIEST)), time(LATEST)) {
        (Some(earliest), _) if now < earliest => {
            block(format!("{measured}; it is later than {earliest}"), remedy)
        }
        (_, Some(latest)) if now >= latest => block(measured, remedy),
        _ => passed(measured),
    }
}

fn service(facts: &Facts, _: &Circumstances) -> Outcome {
    let remedy = "let one server keep the time for all: chrony can be carried under `apt` in bundle.yaml; then `server ADDRESS iburst` in /etc/chrony/chrony.conf, on that server `local stratum 10` and `allow`";
    match (facts.clock.service.as_deref(), facts.clock.synchronised) {
        (None, _) => warn("nothing does", remedy),
        (Some(service), Some(false)) => warn(format!("{service}, but no server has answered"), remedy),
        (Some(service), _) => passed(service),
    }
}

fn time_zone(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.clock.time_zone.as_deref() {
        None => passed("UTC"),
        Some(zone) if ["UTC", "Etc/UTC", "Etc/UCT", "Universal", "Zulu"].contains(&zone) => passed(zone),
        Some(zone) => info(zone, "`timedatectl set-timezone UTC`, if logs of several sites are compared"),
    }
}
