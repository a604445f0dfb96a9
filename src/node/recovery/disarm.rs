//! k3s runs on, but does not start again by itself: neither when it ends, nor with the machine.
//!
//! A server that etcd has let go ends its process, and would join anew if systemd started it again
//! (`k3s.md` 4.4).

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::resource::{File, Resource, unit_state};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The step that disarms the unit.
pub(super) struct Disarm {
    pub(super) unit: String,
}

/// Where the exception for a unit lies; it is gone when the machine restarts.
pub(super) fn exception(unit: &str) -> String {
    format!("/run/systemd/system/{unit}.d/airlock-leaving.conf")
}

impl Disarm {
    fn file(&self) -> File {
        File::new(exception(&self.unit), "# Written by airlock: the node leaves.\n[Service]\nRestart=no\n")
    }
}

impl Step for Disarm {
    fn name(&self) -> &'static str {
        names::RECOVERY_DISARM
    }

    fn title(&self) -> String {
        format!("Keep {} from starting again", self.unit)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let state = unit_state(machine, &self.unit)?;
        let is_running = !matches!(state.active.as_str(), "inactive" | "failed" | "");
        let mut changes: Vec<Change> =
            if is_running { self.file().check(machine)?.into_iter().collect() } else { Vec::new() };
        if state.file == "enabled" {
            changes.push(Change::new(Verb::Replace, &self.unit).with_detail("disable"));
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.file().make(work)?;
        work.run(Call::new("systemctl").with(["disable", "--quiet", &self.unit]))?;
        work.run(Call::new("systemctl").with(["daemon-reload"]))?;
        Ok(Outcome::Done)
    }
}
