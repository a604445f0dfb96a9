//! Packages that were not there before us, where it is asked for that they go.

use std::time::Duration;

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::{Owned, Possessions};
use crate::node::packages::Removal;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Building a module anew for every kernel, which the removal of a driver may cause, takes a while.
const DEADLINE: Duration = Duration::from_secs(40 * 60);

/// The step that removes them.
pub(super) struct Packages {
    pub(super) owned: Possessions,
}

impl Step for Packages {
    fn name(&self) -> &'static str {
        names::RESET_PACKAGES
    }

    fn title(&self) -> String {
        "Remove packages".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let removal = Removal::of(machine, &self.owned)?;
        let change = |name| Change::new(Verb::Remove, name).with_detail("package, with its configuration");
        Ok(removal.gone.into_iter().map(change).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let removal = Removal::of(work.machine(), &self.owned)?;
        if let Some(call) = removal.call() {
            work.run(call)?;
        }
        removal.gone.into_iter().try_for_each(|name| work.disown(Owned::Package { name }))?;
        Ok(Outcome::Done)
    }
}
