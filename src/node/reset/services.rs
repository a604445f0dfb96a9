//! Units of ours stop and are forgotten by systemd; their files go with the other files.

use std::time::Duration;

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::service;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How long a unit may take to stop.
const STOP: Duration = Duration::from_secs(120);

/// The step that stops and disables units, the newest first.
pub(super) struct Services {
    names: Vec<String>,
}

impl Services {
    pub(super) fn of(owned: &[Owned]) -> Services {
        let names = owned.iter().filter_map(|owned| match owned {
            Owned::Unit { name } => Some(name.clone()),
            _ => None,
        });
        Services { names: names.collect() }
    }
}

impl Step for Services {
    fn name(&self) -> &'static str {
        names::RESET_SERVICES
    }

    fn title(&self) -> String {
        "Stop services".to_owned()
    }

    fn deadline(&self) -> Duration {
        STOP * u32::try_from(self.names.len().max(1)).unwrap_or(1)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for name in &self.names {
            let state = service::state(machine, name)?;
            let is_stopped = matches!(state.active.as_str(), "inactive" | "failed" | "");
            if !is_stopped || state.file == "enabled" {
                changes.push(Change::new(Verb::Stop, name).with_detail("and disable"));
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for name in &self.names {
            let state = service::state(work.machine(), name)?;
            if state.file == "enabled" {
                work.run(Call::new("systemctl").with(["disable", "--quiet", name]))?;
            }
            if !matches!(state.active.as_str(), "inactive" | "failed" | "") {
                work.run(Call::new("systemctl").with(["stop", name]).within(STOP))?;
            }
            // A failed unit would be listed for ever; one that has not failed makes no difference.
            work.machine().run(&Call::new("systemctl").with(["reset-failed", name]))?;
        }
        Ok(Outcome::Done)
    }
}
