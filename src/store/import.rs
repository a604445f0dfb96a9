//! Copies a bundle into a store: every blob once, hashed as it passes, and names only when all are there.
//!
//! The record of the bundle is written first, so that nobody collects what has arrived; then blobs, then
//! names. A killed import is continued by running it again: what is there is hashed and not copied. Two
//! processes that import the same share the work, blob by blob.
//!
//! Blobs lie in volumes at multiples of 512 bytes, so file systems cannot share their blocks (reflink);
//! who wants no copy serves the bundle in place.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fs_err as fs;

use super::catalogue::Catalogue;
use super::incoming::{Incoming, Patience};
use super::{Store, copy, directory, document, files};
use crate::bundle::manifest::Blob;
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Algorithm, ContentDigest};
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
    pub fn plan_import(&self, bundle: &Bundle<Verified>) -> Result<ImportPlan> {
        let root = self.root();
        let statistics = rustix::fs::statvfs(root).map_err(|error| files::failed(root, error.into()))?;
        let block = statistics.f_frsize.max(1);
        let mut plan = ImportPlan::default();
        for blob in &bundle.manifest().blobs {
            let path = self.directory().blob(&blob.digest.into());
            if fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == blob.size) {
                plan.present.push(*blob);
                continue;
            }
            // What a killed import has left is overwritten.
            let unfinished = self.directory().incoming().join(directory::dashed(&blob.digest.into()));
            let taken = fs::metadata(&unfinished).map_or(0, |found| found.blocks() * 512);
            plan.space += (blob.size.div_ceil(block) * block).saturating_sub(taken);
            plan.missing.push(*blob);
        }
        Ok(plan)
    }

    /// Copies the bundle into the store. Reports to [`Stage::Import`].
    ///
    /// # Errors
    /// [`codes::NO_SPACE`] before anything was copied if it does not fit; errors of reading the bundle.
    pub fn import(
        &self,
        bundle: &Bundle<Verified>,
        threads: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<Imported> {
        let plan = self.plan_import(bundle)?;
        self.require_space(plan.space)?;
        let total = bundle.manifest().total_size();
        progress.event(Event::Started { stage: Stage::Import, bytes: Some(total) });
        let guard = self.share()?;
        self.begin_record(bundle)?;
        drop(guard);
        let work = Work::new(self, bundle, progress);
        work.run(bundle.manifest().blobs.clone(), threads)?;
        let catalogue =
            Catalogue::new(bundle.manifest(), &|digest| bundle.read_blob(digest, document::MAX_SIZE))?;
        self.publish_bundle(bundle, &catalogue, &work, threads)?;
        bundle.check_unchanged()?;
        progress.event(Event::Finished { stage: Stage::Import });
        Ok(work.imported())
    }

    fn require_space(&self, needed: u64) -> Result<()> {
        let root = self.root();
        let statistics = rustix::fs::statvfs(root).map_err(|error| files::failed(root, error.into()))?;
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

    /// Writes names once all blobs are durably there, and while nobody may delete any.
    fn publish_bundle(
        &self,
        bundle: &Bundle<Verified>,
        catalogue: &Catalogue,
        work: &Work<'_>,
        threads: NonZeroUsize,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let alone = self.exclude_bundles()?;
            let guard = self.share()?;
            let mut missing = Vec::new();
            for blob in &bundle.manifest().blobs {
                if !self.touch(&blob.digest.into(), Duration::ZERO)? {
                    missing.push(*blob);
                }
            }
            if missing.is_empty() {
                self.begin_record(bundle)?;
                let mut batch = self.directory().batch();
                batch.changed(&self.directory().blobs(Algorithm::Sha256));
                batch.sync().map_err(|error| files::failed(self.root(), error))?;
                self.write_catalogue(&bundle.digest(), catalogue)?;
                self.write_names(catalogue)?;
                self.write_index()?;
                return self.end_record(&bundle.digest());
            }
            drop((guard, alone));
            work.run(missing, threads)?;
        }
        Err(Error::new(codes::STORE_IO, "blobs disappear from the store while a bundle is imported")
            .with_help("find out who deletes files there, then import the bundle again"))
    }
}

/// The work that threads share.
struct Work<'a> {
    store: &'a Store,
    bundle: &'a Bundle<Verified>,
    progress: &'a dyn Progress,
    copied: [AtomicU64; 2],
    present: [AtomicU64; 2],
    stopped: AtomicBool,
}

impl<'a> Work<'a> {
    fn new(store: &'a Store, bundle: &'a Bundle<Verified>, progress: &'a dyn Progress) -> Self {
        let (copied, present) = Default::default();
        Work { store, bundle, progress, copied, present, stopped: AtomicBool::new(false) }
    }

    fn imported(&self) -> Imported {
        let [copied_blobs, copied_bytes] = self.copied.each_ref().map(|count| count.load(Ordering::Relaxed));
        let [present_blobs, present_bytes] =
            self.present.each_ref().map(|count| count.load(Ordering::Relaxed));
        Imported { copied_blobs, copied_bytes, present_blobs, present_bytes }
    }

    /// Brings all of `blobs`, in the order in which they lie in the volumes.
    fn run(&self, blobs: Vec<Blob>, threads: NonZeroUsize) -> Result<()> {
        let count = threads.get().min(blobs.len()).max(1);
        let queue = Mutex::new(blobs.into_iter().map(|blob| (blob, Patience::GiveUp)).collect());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..count).map(|_| scope.spawn(|| self.work(&queue))).collect();
            let outcomes = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|_| {
                    Err(Error::new(codes::INTERNAL, "an import thread ended unexpectedly"))
                })
            });
            // All have ended before the first error is told.
            outcomes.collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn work(&self, queue: &Mutex<VecDeque<(Blob, Patience)>>) -> Result<()> {
        let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Bound here, so that the queue is not locked while the blob is copied.
            let next = queue().pop_front();
            let Some((blob, patience)) = next else { return Ok(()) };
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
            match self.bring(blob, patience) {
                Ok(true) => {}
                // Another process has it in hand: everything else first, then see whether it is done.
                Ok(false) => queue().push_back((blob, Patience::Wait)),
                Err(error) => {
                    self.stopped.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    }

    /// Whether the blob is there now; not if another process brings it and we do not wait.
    fn bring(&self, blob: Blob, patience: Patience) -> Result<bool> {
        if self.is_there(blob)? {
            return Ok(true);
        }
        let digest = ContentDigest::from(blob.digest);
        let Some(incoming) = Incoming::open(self.store, digest, patience)? else { return Ok(false) };
        // Another process may have published it since we looked.
        if self.is_there(blob)? {
            incoming.give_up();
            return Ok(true);
        }
        let advance = |bytes| self.progress.event(Event::Advanced { stage: Stage::Import, bytes });
        match copy::blob(self.bundle.blob_reader(blob.digest)?, incoming.file(), &advance) {
            Ok(()) => incoming.publish()?,
            Err(error) => {
                incoming.give_up();
                return Err(error);
            }
        }
        count(&self.copied, blob.size);
        Ok(true)
    }

    /// Whether the store has the blob, undamaged: it is read.
    fn is_there(&self, blob: Blob) -> Result<bool> {
        use super::content::Content as _;
        let Some(found) = self.store.blob(&blob.digest.into())? else { return Ok(false) };
        if found.length() != blob.size {
            return Ok(false);
        }
        match found.verify() {
            Err(error) if error.code() == codes::STORE_BLOB_DAMAGED => return Ok(false),
            result => result?,
        }
        count(&self.present, blob.size);
        self.progress.event(Event::Advanced { stage: Stage::Import, bytes: blob.size });
        Ok(true)
    }
}

fn count(counters: &[AtomicU64; 2], bytes: u64) {
    counters[0].fetch_add(1, Ordering::Relaxed);
    counters[1].fetch_add(bytes, Ordering::Relaxed);
}
