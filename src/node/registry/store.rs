//! Copies the bundle into the store of the node, from which its registry serves.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::STORE;
use crate::bundle::{Bundle, Verified};
use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::store::Store;

/// A slow stick with a large bundle takes hours.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// The step that imports a bundle.
pub struct Import {
    /// The bundle.
    pub bundle: Arc<Bundle<Verified>>,
}

impl Step for Import {
    fn name(&self) -> &'static str {
        names::STORE
    }

    fn title(&self) -> String {
        format!("Copy {} into the store", self.bundle.stem())
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let whole = self.bundle.manifest().total_size();
        let missing = match Store::open(&machine.path(STORE)) {
            Err(error) if error.code() == codes::STORE_MISSING => whole,
            Err(error) => return Err(error),
            Ok(store) => {
                // A record that is damaged is written again by an import.
                let is_complete = match store.record(&self.bundle.digest()) {
                    Err(error) if error.code() == codes::STORE_FORMAT => false,
                    record => record?.is_some_and(|record| record.imported.is_some()),
                };
                let missing = store.plan_import(&self.bundle)?.missing;
                if is_complete && missing.is_empty() {
                    return Ok(Vec::new());
                }
                missing.iter().map(|blob| blob.size).sum()
            }
        };
        let change = Change::new(Verb::Import, self.bundle.stem()).with_detail(format!("into {STORE}"));
        Ok(vec![change.with_bytes(missing)])
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.own(Owned::Tree { path: STORE.to_owned() })?;
        self.bundle.check_lengths()?;
        let store = Store::create(&work.machine().path(STORE))?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let imported = store.import(&self.bundle, threads, work.progress())?;
        work.note(&format!(
            "Copied {} blobs, {} were there already",
            imported.copied_blobs, imported.present_blobs
        ));
        Ok(Outcome::Done)
    }
}
