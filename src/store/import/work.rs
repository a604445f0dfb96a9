//! Brings the blobs of a bundle into a store, on several threads.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Imported, Supply};
use crate::bundle::manifest::Blob;
use crate::error::{Error, Kind, Result, codes};
use crate::oci::digest::ContentDigest;
use crate::progress::{Event, Progress, Stage};
use crate::store::Store;
use crate::store::incoming::{Incoming, Patience};

/// The work that threads share.
pub(super) struct Work<'a> {
    store: &'a Store,
    bundle: &'a dyn Supply,
    progress: &'a dyn Progress,
    copied: [AtomicU64; 2],
    present: [AtomicU64; 2],
    stopped: AtomicBool,
}

impl<'a> Work<'a> {
    pub(super) fn new(store: &'a Store, bundle: &'a dyn Supply, progress: &'a dyn Progress) -> Self {
        let (copied, present) = Default::default();
        Work { store, bundle, progress, copied, present, stopped: AtomicBool::new(false) }
    }

    pub(super) fn imported(&self) -> Imported {
        let [copied_blobs, copied_bytes] = self.copied.each_ref().map(|count| count.load(Ordering::Relaxed));
        let [present_blobs, present_bytes] =
            self.present.each_ref().map(|count| count.load(Ordering::Relaxed));
        Imported { copied_blobs, copied_bytes, present_blobs, present_bytes }
    }

    /// Brings all of `blobs`, in the order in which they lie in the volumes.
    pub(super) fn run(&self, blobs: Vec<Blob>, threads: NonZeroUsize) -> Result<()> {
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
        let Some(mut incoming) = self.open(blob, patience)? else { return Ok(false) };
        // Another process may have published it since we looked.
        if self.is_there(blob)? {
            incoming.give_up();
            return Ok(true);
        }
        let advance = |bytes| self.progress.event(Event::Advanced { stage: Stage::Import, bytes });
        match self.bundle.bring(blob, &mut incoming, &advance) {
            Ok(()) => incoming.publish()?,
            // What has come stays for the next run, unless it is wrong.
            Err(error) if self.bundle.continues() && error.kind() != Kind::Corrupt => return Err(error),
            Err(error) => {
                incoming.give_up();
                return Err(error);
            }
        }
        count(&self.copied, blob.size);
        Ok(true)
    }

    fn open(&self, blob: Blob, patience: Patience) -> Result<Option<Incoming<'a>>> {
        let digest = ContentDigest::from(blob.digest);
        match self.bundle.continues() {
            true => Incoming::go_on(self.store, digest, blob.size, patience),
            false => Incoming::open(self.store, digest, patience),
        }
    }

    /// Whether the store has the blob, undamaged: it is read.
    fn is_there(&self, blob: Blob) -> Result<bool> {
        use crate::store::content::Content as _;
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
