//! A step: the smallest thing that is planned, done, checked and reported on its own.

pub mod names;

use std::time::Duration;

use super::change::Change;
use super::machine::Machine;
use super::work::Work;
use crate::error::{Error, Result};

/// How long a step may take that does not say otherwise.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is to be done next, when a step has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next step.
    Done,
    /// The next step, in another program: the one that this step has put in place.
    Handover,
    /// The machine has to be restarted; afterwards the same command goes on.
    Reboot,
}

/// One step. `check` and `act` compare with and change the world; they keep nothing.
pub trait Step: Send + Sync {
    /// Its name in plans, journal and messages, one of [`names`]. Never changes: `k3s-service`.
    fn name(&self) -> &'static str;

    /// What it brings about, as a heading: `Start k3s`.
    fn title(&self) -> String;

    /// How long it may take.
    fn deadline(&self) -> Duration {
        DEADLINE
    }

    /// What differs between the world and what should be; nothing if nothing does. Changes nothing, and can be
    /// asked before earlier steps were done.
    ///
    /// # Errors
    /// If the world cannot be read, or cannot become what it should.
    fn check(&self, machine: &Machine) -> Result<Vec<Change>>;

    /// Brings it about. May be ended at any instant and is then done again from the beginning, so that every
    /// part of it looks first, and tells `work` what is ours before it is made.
    ///
    /// # Errors
    /// Whatever keeps the world from becoming what it should.
    fn act(&self, work: &mut Work<'_>) -> Result<Outcome>;
}

/// The error with the step in which it has happened.
pub(super) fn named(step: &dyn Step, error: Error) -> Error {
    error.with_detail(format!("in step {}: {}", step.name(), step.title()))
}
