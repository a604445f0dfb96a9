//! Steps that follow from what earlier steps have made, such as labels for GPUs whose driver is installed first.

use std::time::Duration;

use super::change::Change;
use super::machine::Machine;
use super::step::{Outcome, Step};
use super::work::Work;
use crate::error::Result;

/// What makes the step from the machine as it is.
type Build = Box<dyn Fn(&Machine) -> Result<Box<dyn Step>> + Send + Sync>;

/// A step that is made anew from the machine as it is whenever it is looked at or done.
pub struct Later {
    /// The step as it was first, for what has to be said without a machine.
    first: Box<dyn Step>,
    build: Build,
}

impl Later {
    /// The step that `build` makes of a machine; its name, heading and deadline are those of now.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn new(
        machine: &Machine,
        build: impl Fn(&Machine) -> Result<Box<dyn Step>> + Send + Sync + 'static,
    ) -> Result<Later> {
        Ok(Later { first: build(machine)?, build: Box::new(build) })
    }
}

impl Step for Later {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn title(&self) -> String {
        self.first.title()
    }

    fn deadline(&self) -> Duration {
        self.first.deadline()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        (self.build)(machine)?.check(machine)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        (self.build)(work.machine())?.act(work)
    }
}
