//! Packages that we hold at their version may be upgraded again.

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::packages::Database;
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

/// The step that lets them go.
pub(super) struct Holds {
    names: Vec<String>,
}

impl Holds {
    pub(super) fn of(owned: &[Owned]) -> Holds {
        let names = owned.iter().filter_map(|owned| match owned {
            Owned::Hold { name } => Some(name.clone()),
            _ => None,
        });
        Holds { names: names.collect() }
    }

    /// Those that are still held.
    fn held(&self, machine: &Machine) -> Result<Vec<String>> {
        if self.names.is_empty() {
            return Ok(Vec::new());
        }
        let database = Database::read(machine)?;
        let is_held = |name: &&String| {
            let mut entries = database.entries();
            entries.any(|entry| (entry.name == **name || entry.full_name() == **name) && entry.is_held())
        };
        Ok(self.names.iter().filter(is_held).cloned().collect())
    }
}

impl Step for Holds {
    fn name(&self) -> &'static str {
        "reset-holds"
    }

    fn title(&self) -> String {
        "Let packages be upgraded again".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let held = self.held(machine)?;
        Ok(held.into_iter().map(|name| Change::new(Verb::Replace, name).with_detail("unhold")).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let held = self.held(work.machine())?;
        work.run(Call::new("apt-mark").with(["unhold"]).with(held))?;
        self.names.iter().try_for_each(|name| work.disown(Owned::Hold { name: name.clone() }))?;
        Ok(Outcome::Done)
    }
}
