//! Copies the bundle into the store of the node, from which its registry serves.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::STORE;
use crate::bundle::manifest::Manifest;
use crate::bundle::names as bundle_names;
use crate::bundle::signed::SignedManifest;
use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::origin::Origin;
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::store::Store;

/// A slow stick with a large bundle takes hours.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// The step that imports a bundle.
pub struct Import {
    /// The bundle: on a medium, or on other nodes.
    pub origin: Arc<dyn Origin>,
}

impl Import {
    fn bundle(&self) -> String {
        stem(self.origin.manifest())
    }
}

impl Step for Import {
    fn name(&self) -> &'static str {
        names::STORE
    }

    fn title(&self) -> String {
        format!("Copy {} into the store", self.bundle())
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let manifest = self.origin.manifest();
        let missing = match Store::open(&machine.path(STORE)) {
            Err(error) if error.code() == codes::STORE_MISSING => manifest.total_size(),
            Err(error) => return Err(error),
            Ok(store) if store.has_bundle(&self.origin.digest(), manifest)? => return Ok(Vec::new()),
            Ok(store) => store.plan_import(manifest)?.missing.iter().map(|blob| blob.size).sum(),
        };
        let change = Change::new(Verb::Import, self.bundle()).with_detail(format!("into {STORE}"));
        Ok(vec![change.with_bytes(missing)])
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.own(Owned::Tree { path: STORE.to_owned() })?;
        // What the store is asked to hold is what it holds, where there is nothing to take it from.
        let Some(supply) = self.origin.supply() else { return Ok(Outcome::Done) };
        supply.check_unchanged()?;
        let store = Store::create(&work.machine().path(STORE))?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let imported = store.import(supply, threads, work.progress())?;
        work.note(&format!(
            "Copied {} blobs, {} were there already",
            imported.copied_blobs, imported.present_blobs
        ));
        Ok(Outcome::Done)
    }
}

/// The step that goes back to an earlier bundle of the store: its images get their names back, and other nodes that ask
/// for the newest bundle get this one.
pub struct GoBack {
    /// The manifest of the bundle as it was signed.
    pub signed: Arc<SignedManifest>,
    /// The bundle.
    pub origin: Arc<dyn Origin>,
}

impl Step for GoBack {
    fn name(&self) -> &'static str {
        names::STORE
    }

    fn title(&self) -> String {
        format!("Go back to {} in the store", stem(self.origin.manifest()))
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let newest = Store::open(&machine.path(STORE))?.bundle_digests()?.first().copied();
        let change = Change::new(Verb::Replace, STORE)
            .with_detail(format!("names are those of {}", stem(self.origin.manifest())));
        Ok(if newest == Some(self.origin.digest()) { Vec::new() } else { vec![change] })
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let store = Store::open(&work.machine().path(STORE))?;
        store.restore_record(&self.signed, self.origin.manifest())?;
        Ok(Outcome::Done)
    }
}

fn stem(manifest: &Manifest) -> String {
    bundle_names::stem(&manifest.name, &manifest.version)
}
