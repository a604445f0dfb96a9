//! nouveau may load again: our file goes, and the initial RAM disk is made without it.

use std::time::Duration;

use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::nvidia::nouveau::{PATH, is_kept_by_initial_disk, refresh_initial_disk};
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

/// Making an initial RAM disk for every kernel takes a while.
const DEADLINE: Duration = Duration::from_secs(11 * 60);

/// The step that does so. The file stays in the journal until the initial RAM disk is made: [`super::files`]
/// disowns it.
pub(super) struct Nouveau;

impl Step for Nouveau {
    fn name(&self) -> &'static str {
        "reset-nouveau"
    }

    fn title(&self) -> String {
        "Let nouveau load again".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let file = machine.metadata(PATH)?.map(|_| Change::new(Verb::Remove, PATH));
        let is_kept = is_kept_by_initial_disk(machine)?;
        let disk = is_kept.then(|| Change::new(Verb::Run, refresh_initial_disk().to_string()));
        Ok(file.into_iter().chain(disk).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.remove_file(PATH)?;
        if is_kept_by_initial_disk(work.machine())? {
            match work.run(refresh_initial_disk()) {
                // Whoever lists such a disk without being able to make one does not boot from it.
                Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => {}
                made => drop(made?),
            }
        }
        Ok(Outcome::Done)
    }
}
