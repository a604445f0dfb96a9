//! k3s starts as it is, and with the machine from then on.

use std::time::Duration;

use super::disarm::{exception, lift};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::k3s::readiness;
use crate::node::k3s::start::explain;
use crate::node::machine::{Call, Machine};
use crate::node::resource::{enable, unit_state, with_log};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// What ends by itself so often while it starts will not start later either.
const MOST_RESTARTS: u32 = 5;

/// The step that starts the unit.
pub(super) struct Start {
    pub(super) unit: String,
}

impl Step for Start {
    fn name(&self) -> &'static str {
        names::RECOVERY_START
    }

    fn title(&self) -> String {
        format!("Start {}", self.unit)
    }

    fn deadline(&self) -> Duration {
        readiness::START + Duration::from_secs(60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let state = unit_state(machine, &self.unit)?;
        let is_disarmed = machine.metadata(&exception(&self.unit))?.is_some();
        let is_well = state.active == "active" && state.file == "enabled" && !is_disarmed;
        Ok((!is_well)
            .then(|| Change::new(Verb::Start, &self.unit).with_detail("and enable"))
            .into_iter()
            .collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let unit = self.unit.as_str();
        // A node that was to leave, and did not, is to start again whenever it ends.
        lift(unit, work)?;
        enable(work, [unit])?;
        // A unit that failed too often is not started any more until it is forgiven.
        work.machine().run(&Call::new("systemctl").with(["reset-failed", unit]))?;
        work.run(Call::new("systemctl").with(["start", "--no-block", unit]))?;
        let machine = work.machine();
        let waited = work.wait_for(&format!("{unit} to run"), readiness::START, || {
            let state = unit_state(machine, unit)?;
            match state.active.as_str() {
                "active" => Ok(Ok(())),
                "failed" => Err(failed(unit)),
                _ if state.restarts >= MOST_RESTARTS => Err(failed(unit)),
                other => Ok(Err(format!("{other} ({})", state.sub))),
            }
        });
        waited.map_err(|error| with_log(explain(error, machine, unit), machine, unit))?;
        Ok(Outcome::Done)
    }
}

fn failed(unit: &str) -> Error {
    Error::new(codes::NODE_SERVICE, format!("{unit} does not start"))
        .with_help(format!("`journalctl -u {unit}` says more; mend it and run the same command again"))
}
