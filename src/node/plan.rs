//! What a command would change on this node, step by step.

use serde::Serialize;

use super::change::Change;
use super::machine::Machine;
use super::step::{self, Step};
use crate::error::Result;

/// What all steps of a command would change now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps in their order, those included that would change nothing.
    pub steps: Vec<PlannedStep>,
}

/// What one step would change now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Name of the step.
    pub name: &'static str,
    /// Its heading.
    pub title: String,
    /// What it would change; nothing if the world is as it should be.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Asks every step; changes nothing.
    ///
    /// # Errors
    /// Those of [`Step::check`], with the name of the step.
    pub fn make(steps: &[Box<dyn Step>], machine: &Machine) -> Result<Plan> {
        let plan = |step: &dyn Step| {
            let changes = step.check(machine).map_err(|error| step::named(step, error))?;
            Ok(PlannedStep { name: step.name(), title: step.title(), changes })
        };
        Ok(Plan { steps: steps.iter().map(|step| plan(&**step)).collect::<Result<_>>()? })
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.changes.is_empty())
    }
}
