//! k3s runs on, but does not start again by itself: neither when it ends, nor with the machine.
//!
//! A server that etcd has let go ends its process, and would join anew if systemd started it again
//! (`k3s.md` 4.4). One that does not run, but is started again and again, is stopped: it would join in the moment in which
//! etcd has let it go, and leave a member behind that nobody knows.

use std::time::Duration;

use super::stop::{STOP, Stop};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{File, Resource, unit_state};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How systemd calls a unit that has been started and is not up, or waits for its next start.
const STARTING: &str = "activating";

/// The step that disarms the unit.
pub(super) struct Disarm {
    pub(super) unit: String,
}

/// Where the exception for a unit lies; it is gone when the machine restarts.
pub(super) fn exception(unit: &str) -> String {
    format!("/run/systemd/system/{unit}.d/airlock-leaving.conf")
}

/// Takes the exception back, if there is one. systemd has to read its units again then.
pub(super) fn lift(unit: &str, work: &mut Work<'_>) -> Result<bool> {
    let path = exception(unit);
    if work.machine().metadata(&path)?.is_none() {
        return Ok(false);
    }
    work.remove_file(&path)?;
    work.disown(Owned::File { path })?;
    Ok(true)
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

    fn deadline(&self) -> Duration {
        STOP * 2
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let state = unit_state(machine, &self.unit)?;
        let mut changes: Vec<Change> = match state.active.as_str() {
            "inactive" | "failed" | "" => Vec::new(),
            STARTING => vec![Change::new(Verb::Stop, &self.unit).with_detail("it does not come up")],
            _ => self.file().check(machine)?.into_iter().collect(),
        };
        if state.file == "enabled" {
            changes.push(Change::new(Verb::Replace, &self.unit).with_detail("disable"));
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        if unit_state(work.machine(), &self.unit)?.active == STARTING {
            return Stop { unit: self.unit.clone() }.act(work);
        }
        self.file().make(work)?;
        work.run(Call::new("systemctl").with(["disable", "--quiet", &self.unit]))?;
        work.run(Call::new("systemctl").with(["daemon-reload"]))?;
        Ok(Outcome::Done)
    }
}
