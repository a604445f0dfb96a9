//! Copies a bundle into a store: every blob once, hashed as it passes, and names only when all are there.
//!
//! The record of the bundle is written first, so that nobody collects what has arrived; then blobs, then
//! names. A killed import is continued by running it again: what is there is hashed and not copied. Two
//! processes that import the same share the work, blob by blob.
//!
//! Blobs lie in volumes at multiples of 512 bytes, so file systems cannot share their blocks (reflink);
//! who wants no copy serves the bundle in place.

mod supply;
mod work;

use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

pub use self::supply::{Signed, Supply};
use self::work::Work;
use super::catalogue::Catalogue;
use super::{Store, directory, files};
use crate::bundle::manifest::{Blob, Manifest};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Algorithm;
use crate::progress::{Event, Progress, Stage};

/// How often an import begins again because its blobs were deleted behind its back.
const ATTEMPTS: usize = 3;

/// What an import has to do, judged by names and sizes of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportPlan {
    /// Blobs that are not there.
    pub missing: Vec<Blob>,
    /// Blobs that seem to be there. They are hashed, and copied if they are damaged.
    pub present: Vec<Blob>,
    /// Bytes of disk that the missing ones take, whole blocks counted.
    pub space: u64,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Blobs that were copied.
    pub copied_blobs: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Blobs that were there.
    pub present_blobs: u64,
    /// Their bytes.
    pub present_bytes: u64,
}

impl Store {
    /// Works out what importing the bundle takes. Reads no blob and changes nothing.
    pub fn plan_import(&self, manifest: &Manifest) -> Result<ImportPlan> {
        let root = self.root();
        let statistics = rustix::fs::statvfs(root).map_err(|error| files::failed(root, error.into()))?;
        let block = statistics.f_frsize.max(1);
        let mut plan = ImportPlan::default();
        for blob in &manifest.blobs {
            let path = self.directory().blob(&blob.digest.into());
            if fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == blob.size) {
                plan.present.push(*blob);
                continue;
            }
            // What a killed import has left is overwritten, or continued.
            let unfinished = self.directory().incoming().join(directory::dashed(&blob.digest.into()));
            let taken = fs::metadata(&unfinished).map_or(0, |found| found.blocks() * 512);
            plan.space += (blob.size.div_ceil(block) * block).saturating_sub(taken);
            plan.missing.push(*blob);
        }
        Ok(plan)
    }

    /// Copies a bundle into the store, from wherever it is. Reports to [`Stage::Import`].
    ///
    /// # Errors
    /// [`codes::NO_SPACE`] before anything was copied if it does not fit; errors of reading the bundle.
    pub fn import(
        &self,
        bundle: &dyn Supply,
        threads: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<Imported> {
        let manifest = bundle.manifest();
        let plan = self.plan_import(manifest)?;
        require_space(self.root(), plan.space)?;
        progress.event(Event::Started { stage: Stage::Import, bytes: Some(manifest.total_size()) });
        let guard = self.share()?;
        self.begin_record(&bundle.signed())?;
        drop(guard);
        let work = Work::new(self, bundle, progress);
        work.run(manifest.blobs.clone(), threads)?;
        let catalogue = self.catalogue_of(manifest)?;
        self.publish_all(bundle, &catalogue, &work, threads)?;
        bundle.check_unchanged()?;
        progress.event(Event::Finished { stage: Stage::Import });
        Ok(work.imported())
    }

    fn publish_all(
        &self,
        bundle: &dyn Supply,
        catalogue: &Catalogue,
        work: &Work<'_>,
        threads: NonZeroUsize,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let missing = self.publish_bundle(&bundle.signed(), bundle.manifest(), catalogue)?;
            if missing.is_empty() {
                return Ok(());
            }
            work.run(missing, threads)?;
        }
        Err(Error::new(codes::STORE_IO, "blobs disappear from the store while a bundle is imported")
            .with_help("find out who deletes files there, then import the bundle again"))
    }

    /// Writes names once all blobs are durably there, and while nobody may delete any; otherwise says which blobs
    /// are missing, and writes none.
    pub(super) fn publish_bundle(
        &self,
        signed: &Signed<'_>,
        manifest: &Manifest,
        catalogue: &Catalogue,
    ) -> Result<Vec<Blob>> {
        let _alone = self.exclude_bundles()?;
        let _shared = self.share()?;
        let mut missing = Vec::new();
        for blob in &manifest.blobs {
            if !self.touch(&blob.digest.into(), Duration::ZERO)? {
                missing.push(*blob);
            }
        }
        if missing.is_empty() {
            self.begin_record(signed)?;
            let mut batch = self.directory().batch();
            batch.changed(&self.directory().blobs(Algorithm::Sha256));
            batch.sync().map_err(|error| files::failed(self.root(), error))?;
            self.write_bundle_names(&signed.digest, catalogue)?;
        }
        Ok(missing)
    }
}

/// Refuses what does not fit on the file system of a store, which may not be there yet.
pub(super) fn require_space(root: &Path, needed: u64) -> Result<()> {
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(root);
    let statistics = rustix::fs::statvfs(existing).map_err(|error| files::failed(root, error.into()))?;
    let available = statistics.f_bavail.saturating_mul(statistics.f_frsize);
    if needed <= available {
        return Ok(());
    }
    let missing = needed - available;
    let message = format!("the store needs {needed} bytes more, its disk has {available} free");
    Err(Error::new(codes::NO_SPACE, message).with_detail(format!("{missing} bytes are missing")).with_help(
        "remove bundles that are no longer needed, `airlock store remove BUNDLE`, then run `airlock store gc`; \
         or choose another disk with `--store DIR`; or serve the bundle in place",
    ))
}
