//! k3s stops, and does not start with the machine. Containers run on.

use std::time::Duration;

use super::disarm::{exception, lift};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::resource::unit_state;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How long it may take to stop.
pub(super) const STOP: Duration = Duration::from_secs(120);

/// The step that stops the unit.
pub(super) struct Stop {
    pub(super) unit: String,
}

impl Step for Stop {
    fn name(&self) -> &'static str {
        names::RECOVERY_STOP
    }

    fn title(&self) -> String {
        format!("Stop {}", self.unit)
    }

    fn deadline(&self) -> Duration {
        STOP * 2
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let state = unit_state(machine, &self.unit)?;
        let is_stopped = matches!(state.active.as_str(), "inactive" | "failed" | "");
        let mut changes = Vec::new();
        if !is_stopped || state.file == "enabled" {
            changes.push(Change::new(Verb::Stop, &self.unit).with_detail("and disable"));
        }
        if machine.metadata(&exception(&self.unit))?.is_some() {
            changes.push(Change::new(Verb::Remove, exception(&self.unit)));
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.run(Call::new("systemctl").with(["disable", "--quiet", &self.unit]))?;
        work.run(Call::new("systemctl").with(["stop", &self.unit]).within(STOP))?;
        // A failed unit would be listed for ever; one that has not failed makes no difference.
        work.machine().run(&Call::new("systemctl").with(["reset-failed", &self.unit]))?;
        if lift(&self.unit, work)? {
            work.run(Call::new("systemctl").with(["daemon-reload"]))?;
        }
        Ok(Outcome::Done)
    }
}
