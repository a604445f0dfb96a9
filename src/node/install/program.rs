//! The program of the bundle becomes that of the node, and goes on with the installation itself.

use crate::error::Result;
use crate::node::change::Change;
use crate::node::machine::Machine;
use crate::node::resource::{BlobFile, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;

/// The program that runs now, whatever became of its file.
const RUNNING: &str = "/proc/self/exe";

/// The step that pins it.
pub(super) struct Program {
    pub(super) file: BlobFile,
}

impl Program {
    /// The program that runs now, if that can be known.
    fn running(machine: &Machine) -> Result<Option<Digest>> {
        machine.metadata(RUNNING)?.map(|_| machine.digest(RUNNING)).transpose()
    }

    /// Puts it in place. `airlock cluster` has brought the same program here already, so that it need not come from
    /// another node once more; what was copied counts only if it is right.
    fn make(&self, running: Option<Digest>, work: &mut Work<'_>) -> Result<()> {
        let BlobFile { path, blob, mode, .. } = &self.file;
        if running == Some(blob.digest)
            && let Ok(mut file) = fs_err::File::open(work.machine().path(RUNNING))
        {
            work.copy_file(path, &mut file, *mode)?;
            if self.file.check(work.machine())?.is_none() {
                return Ok(());
            }
        }
        self.file.make(work)
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
        let running = Program::running(work.machine())?;
        self.make(running, work)?;
        // Another one knows the steps of its own version only. From then on the pinned program is the one that runs,
        // so that this happens once for a bundle.
        match running.is_some_and(|running| running != self.file.blob.digest) {
            true => Ok(Outcome::Handover),
            false => Ok(Outcome::Done),
        }
    }
}
