//! Takes a bundle that somebody sends: blob after blob, each of which goes on where an earlier sending was cut.
//!
//! As with an import, the record of the bundle is written first, and names last. Blobs are synced and get their names
//! on threads of their own, so that many small ones do not hold up what arrives.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use serde::{Deserialize, Serialize};

use super::import::{Signed, require_space};
use super::incoming::{Incoming, Patience};
use super::{Store, directory, files};
use crate::bundle::manifest::{Blob, Manifest};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{ContentDigest, Digest};
use crate::progress::{Event, Progress, Stage};

/// Threads that sync blobs.
const THREADS: usize = 4;

/// Blobs that wait to be synced; each is an open file.
const WAITING: usize = 64;

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// A blob that a store lacks, or has a beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The blob.
    pub blob: Blob,
    /// How many of its bytes are there.
    pub offset: u64,
}

/// Blobs as they arrive, in any order.
pub trait Arrivals {
    /// The next blob and the offset of the first of its bytes that come; nothing behind the last.
    ///
    /// # Errors
    /// If what arrives cannot be understood, or breaks off.
    fn next_blob(&mut self) -> Result<Option<Lacking>>;

    /// The next bytes of that blob, at least one.
    ///
    /// # Errors
    /// If what arrives breaks off.
    fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// What has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes, as far as they were sent.
    pub bytes: u64,
}

/// What the store at `root`, which may not be there yet, lacks of a bundle; nothing if the bundle was imported and all
/// of its blobs are there. Blobs of an unfinished import are read, and those that are damaged are lacking. Changes
/// nothing.
///
/// # Errors
/// [`codes::NO_SPACE`] if the rest does not fit; those of the store.
pub fn lacking(
    root: &Path,
    bundle: &Digest,
    manifest: &Manifest,
    threads: NonZeroUsize,
    progress: &dyn Progress,
) -> Result<Vec<Lacking>> {
    match Store::open(root) {
        Ok(store) => store.lacking(bundle, manifest, threads, progress),
        Err(error) if error.code() == codes::STORE_MISSING => {
            require_space(root, manifest.total_size())?;
            Ok(manifest.blobs.iter().map(|blob| Lacking { blob: *blob, offset: 0 }).collect())
        }
        Err(error) => Err(error),
    }
}

impl Store {
    /// Whether the bundle was imported and all of its blobs are there, by names and sizes of files.
    pub fn has_bundle(&self, bundle: &Digest, manifest: &Manifest) -> Result<bool> {
        // A record that is damaged is written again by an import.
        let is_complete = match self.record(bundle) {
            Err(error) if error.code() == codes::STORE_FORMAT => false,
            record => record?.is_some_and(|record| record.imported.is_some()),
        };
        Ok(is_complete && self.plan_import(manifest)?.missing.is_empty())
    }

    fn lacking(
        &self,
        bundle: &Digest,
        manifest: &Manifest,
        threads: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<Vec<Lacking>> {
        if self.has_bundle(bundle, manifest)? {
            return Ok(Vec::new());
        }
        let plan = self.plan_import(manifest)?;
        require_space(self.root(), plan.space)?;
        let damage = self.verify_blobs(manifest, &plan.present, threads, progress)?.damage;
        let missing = plan.missing.iter().map(|blob| ContentDigest::from(blob.digest));
        let lacking: std::collections::HashSet<_> =
            damage.into_iter().map(|damage| damage.digest).chain(missing).collect();
        let blobs = manifest.blobs.iter().filter(|blob| lacking.contains(&blob.digest.into()));
        Ok(blobs.map(|blob| Lacking { blob: *blob, offset: self.begun(blob) }).collect())
    }

    /// How many bytes of a blob have come.
    fn begun(&self, blob: &Blob) -> u64 {
        let path = self.directory().incoming().join(directory::dashed(&blob.digest.into()));
        let length = fs_err::metadata(path).map_or(0, |found| found.len());
        if length > blob.size { 0 } else { length }
    }

    /// Takes what arrives of a bundle. Reports to [`Stage::Import`].
    ///
    /// # Errors
    /// Those of `arrivals`; [`codes::RECEIVE_CHANGED`] if a blob goes on elsewhere than its beginning in the store ends;
    /// [`codes::WRONG_DIGEST`]; [`codes::RECEIVE_CUT`] if not everything has come. What has come stays.
    pub fn receive(
        &self,
        signed: &Signed<'_>,
        manifest: &Manifest,
        arrivals: &mut dyn Arrivals,
        progress: &dyn Progress,
    ) -> Result<Received> {
        progress.event(Event::Started { stage: Stage::Import, bytes: None });
        let guard = self.share()?;
        self.begin_record(signed)?;
        drop(guard);
        let received = self.take_all(arrivals, progress)?;
        if !self.plan_import(manifest)?.missing.is_empty() {
            return Err(cut());
        }
        let catalogue = self.catalogue_of(manifest)?;
        if !self.publish_bundle(signed, manifest, &catalogue)?.is_empty() {
            return Err(cut());
        }
        progress.event(Event::Finished { stage: Stage::Import });
        Ok(received)
    }

    fn take_all(&self, arrivals: &mut dyn Arrivals, progress: &dyn Progress) -> Result<Received> {
        let (complete, waiting) = sync_channel(WAITING);
        let finish = Finish { waiting: Mutex::new(waiting), failure: Mutex::default() };
        let taken = thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| finish.work());
            }
            self.take_each(arrivals, complete, &finish, progress)
        });
        finish.result()?;
        taken
    }

    fn take_each<'a>(
        &'a self,
        arrivals: &mut dyn Arrivals,
        complete: SyncSender<Incoming<'a>>,
        finish: &Finish<'a>,
        progress: &dyn Progress,
    ) -> Result<Received> {
        let (mut received, mut buffer) = (Received::default(), vec![0; BUFFER]);
        while !finish.has_failed()
            && let Some(lacking) = arrivals.next_blob()?
        {
            let incoming = self.take(lacking, arrivals, &mut buffer, progress)?;
            received.blobs += 1;
            received.bytes += lacking.blob.size - lacking.offset;
            // The threads live as long as there is somebody who sends.
            let _ = complete.send(incoming);
        }
        Ok(received)
    }

    fn take(
        &self,
        lacking: Lacking,
        arrivals: &mut dyn Arrivals,
        buffer: &mut [u8],
        progress: &dyn Progress,
    ) -> Result<Incoming<'_>> {
        let Lacking { blob, offset } = lacking;
        let incoming = Incoming::go_on(self, blob.digest.into(), blob.size, Patience::Wait)?;
        let mut incoming = incoming.ok_or_else(changed)?;
        let failed = |error: io::Error| files::failed(self.root(), error);
        match incoming.length() {
            found if found == offset => {}
            _ if offset == 0 => incoming.restart().map_err(failed)?,
            _ => return Err(changed()),
        }
        while incoming.length() < blob.size {
            let wanted = (blob.size - incoming.length()).min(buffer.len() as u64) as usize;
            let count = arrivals.next_bytes(&mut buffer[..wanted])?;
            incoming.write(&buffer[..count]).map_err(failed)?;
            progress.event(Event::Advanced { stage: Stage::Import, bytes: count as u64 });
        }
        Ok(incoming)
    }
}

/// Gives complete blobs their names.
struct Finish<'a> {
    waiting: Mutex<Receiver<Incoming<'a>>>,
    failure: Mutex<Option<Error>>,
}

impl Finish<'_> {
    fn work(&self) {
        loop {
            // Bound here, so that the queue is not locked while the blob is synced.
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(incoming) = next else { return };
            if let Err(error) = incoming.commit() {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn result(self) -> Result<()> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

fn changed() -> Error {
    Error::new(codes::RECEIVE_CHANGED, "the store has changed since it was asked what it lacks")
        .with_help("run the same command again; it asks again")
}

/// What arrives has ended before everything has come.
pub(crate) fn cut() -> Error {
    Error::new(codes::RECEIVE_CUT, "the bundle has not arrived completely")
        .with_help("run the same command again; it goes on where it was cut")
}
