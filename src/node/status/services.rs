//! The units that a node is made of, as systemd sees them.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;
use crate::node::machine::{Call, Machine};

/// A unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Its name, with suffix.
    pub name: String,
    /// `active`, `activating`, `failed`, …; empty if there is no such unit.
    pub state: String,
    /// More exactly: `running`, `auto-restart`, …
    pub sub: String,
    /// Whether it starts at the next boot.
    pub is_enabled: bool,
    /// Since when it is active.
    pub since: Option<Timestamp>,
    /// How often it was started again by itself.
    pub restarts: u32,
}

impl ServiceState {
    /// Whether it does what it should.
    pub fn is_up(&self) -> bool {
        self.state == "active"
    }

    /// Asks systemd.
    ///
    /// # Errors
    /// As for [`Machine::run_well`].
    pub fn of(machine: &Machine, name: &str) -> Result<ServiceState> {
        let properties = "--property=ActiveState,SubState,UnitFileState,NRestarts,ActiveEnterTimestamp";
        // systemd prints times in the zone of whoever asks.
        let call = Call::new("systemctl").with(["show", properties, name]).variable("TZ", "UTC");
        Ok(ServiceState::parse(name, &machine.run_well(&call)?.output))
    }

    /// What `systemctl show` has printed.
    fn parse(name: &str, text: &str) -> ServiceState {
        let mut state = ServiceState { name: name.to_owned(), ..ServiceState::default() };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "ActiveState" => state.state = value.to_owned(),
                "SubState" => state.sub = value.to_owned(),
                "UnitFileState" => state.is_enabled = value == "enabled",
                "NRestarts" => state.restarts = value.parse().unwrap_or_default(),
                "ActiveEnterTimestamp" => state.since = time(value),
                _ => {}
            }
        }
        state
    }
}

/// A time as systemd prints it: `Sat 2026-11-21 17:11:25 UTC` (systemd.time(7)).
fn time(text: &str) -> Option<Timestamp> {
    let [_, date, time, "UTC"] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    format!("{date}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_prints_is_understood() {
        let text = "ActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=2\n\
                    ActiveEnterTimestamp=Sat 2026-11-21 17:11:25 UTC\n";
        let state = ServiceState::parse("k3s.service", text);
        assert!(state.is_up() && state.is_enabled && state.restarts == 2);
        assert_eq!(state.since.unwrap().to_string(), "2026-11-21T17:11:25Z");
        let missing = ServiceState::parse("k3s.service", "ActiveState=inactive\nActiveEnterTimestamp=\n");
        assert!(!missing.is_up() && missing.since.is_none());
        assert_eq!(time("Sat 2026-11-21 17:11:25 CET"), None);
    }
}
