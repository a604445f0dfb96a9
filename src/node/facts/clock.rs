//! The clock, and what sets it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::System;
use super::root::Root;

/// Programs that set the clock, as they are called in the list of processes.
const TIME_SERVICES: [&str; 4] = ["chronyd", "systemd-timesyn", "ntpd", "openntpd"];

/// The clock of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// What it says, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub now: String,
    /// When the machine was started, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub booted: Option<String>,
    /// The service that sets it and is running.
    pub service: Option<String>,
    /// Whether systemd-timesyncd has set it from a server since the start; `None` for other services, which
    /// leave no file that says so.
    pub synchronised: Option<bool>,
    /// The time zone, such as `Europe/Berlin`.
    pub time_zone: Option<String>,
}

pub(super) fn gather(root: &Root<'_>, system: &dyn System, processes: &BTreeMap<String, u32>) -> Clock {
    let service = TIME_SERVICES.into_iter().find(|name| processes.contains_key(*name));
    let has_timesyncd = service == Some("systemd-timesyn");
    Clock {
        now: rfc3339(system.now()).unwrap_or_default(),
        booted: root.text("/proc/stat").and_then(|text| boot_time(&text)).and_then(rfc3339),
        service: service.map(|name| if has_timesyncd { "systemd-timesyncd" } else { name }.to_owned()),
        synchronised: has_timesyncd.then(|| root.exists("/run/systemd/timesync/synchronized")),
        time_zone: time_zone(root),
    }
}

fn rfc3339(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

fn boot_time(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn time_zone(root: &Root<'_>) -> Option<String> {
    let link = root.link("/etc/localtime");
    let linked = link.as_ref().and_then(|link| link.to_str()?.split_once("zoneinfo/"));
    linked.map(|(_, zone)| zone.to_owned()).or_else(|| root.line("/etc/timezone"))
}
