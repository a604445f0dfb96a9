//! The program of the bundle becomes that of the node, and goes on with the installation itself.

use crate::error::Result;
use crate::node::change::Change;
use crate::node::machine::Machine;
use crate::node::resource::{BlobFile, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The program that runs now, whatever became of its file.
const RUNNING: &str = "/proc/self/exe";

/// The step that pins it.
pub(super) struct Program {
    pub(super) file: BlobFile,
}

impl Program {
    /// Whether another program runs now. It knows the steps of its own version only.
    fn is_another_one(&self, machine: &Machine) -> Result<bool> {
        match machine.metadata(RUNNING)? {
            Some(_) => Ok(machine.digest(RUNNING)? != self.file.blob.digest),
            None => Ok(false),
        }
    }
}

impl Step for Program {
    fn name(&self) -> &'static str {
        names::AIRLOCK_PROGRAM
    }

    fn title(&self) -> String {
        "Put the airlock program in place".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        Ok(self.file.check(machine)?.into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.file.make(work)?;
        // From then on the pinned program is the one that runs, so that this happens once for a bundle.
        match self.is_another_one(work.machine())? {
            true => Ok(Outcome::Handover),
            false => Ok(Outcome::Done),
        }
    }
}
