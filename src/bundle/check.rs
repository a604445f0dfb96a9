//! Reads a whole bundle and lists all damage, with every processor hashing.

mod frame;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::blob::{BUFFER, BlobFailure};
use super::manifest::Artifact;
use super::reader::{Bundle, Verified};
use super::source::ReadFailure;
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress, Stage};

/// More damage than anybody wants to read; the rest is only counted.
const MAX_DETAILS: usize = 100;

/// The outcome of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many blobs were read.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Everything that is wrong, in the order of volumes and offsets.
    pub damage: Vec<Damage>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// Which volume, from 1.
    pub volume: usize,
    /// Where in it, in bytes.
    pub offset: u64,
    /// Its file name.
    pub file: String,
    /// What is wrong there.
    pub what: String,
    /// Names of the artifacts that need these bytes.
    pub artifacts: Vec<String>,
    /// The medium could not be read: the bytes may be right.
    pub unreadable: bool,
}

impl Report {
    /// The error that says what the report says; nothing if all is well.
    pub fn into_result(self) -> Result<Report> {
        let count = self.damage.len();
        if count == 0 {
            return Ok(self);
        }
        let unreadable = self.damage.iter().all(|damage| damage.unreadable);
        let places = if count == 1 { "one place".to_owned() } else { format!("{count} places") };
        let error = if unreadable {
            Error::new(codes::BUNDLE_READ, format!("the bundle cannot be read in {places}")).with_help(
                "try another port or reader, or copy the bundle to another medium, then check again",
            )
        } else {
            Error::new(codes::BUNDLE_DAMAGED, format!("the bundle is damaged in {places}"))
                .with_help("copy the named volumes again from where the bundle was built, then check again")
        };
        let error = self
            .damage
            .iter()
            .take(MAX_DETAILS)
            .fold(error, |error, damage| error.with_detail(damage.to_string()));
        let more = count.saturating_sub(MAX_DETAILS);
        Err(if more > 0 { error.with_detail(format!("and {more} more")) } else { error })
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} at byte {}: {}", self.file, self.offset, self.what)?;
        if !self.artifacts.is_empty() {
            write!(formatter, "; needed by {}", self.artifacts.join(", "))?;
        }
        Ok(())
    }
}

impl Bundle<Verified> {
    /// Reads everything with `threads` threads: every header, padding and trailer, every blob. Blobs are
    /// hashed in parallel, the largest first; one blob alone is read by one thread. Progress goes to
    /// `stage`, which is [`Stage::Verify`], or [`Stage::Check`] for the builder.
    ///
    /// Fails only if the bundle changed meanwhile; all other trouble is in the report.
    pub fn check_all(&self, threads: NonZeroUsize, stage: Stage, progress: &dyn Progress) -> Result<Report> {
        let manifest = self.manifest();
        let bytes = manifest.total_size();
        progress.event(Event::Started { stage, bytes: Some(bytes) });
        let check = Check::new(self, stage, progress);
        std::thread::scope(|scope| {
            for _ in 0..threads.get().min(check.order.len() + 1) {
                scope.spawn(|| check.work());
            }
        });
        let mut damage = check.damage.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.check_unchanged()?;
        damage.sort();
        progress.event(Event::Finished { stage });
        Ok(Report { blobs: manifest.blobs.len(), bytes, damage })
    }
}

/// The work that threads share.
struct Check<'a> {
    bundle: &'a Bundle<Verified>,
    users: std::collections::HashMap<crate::oci::digest::Digest, Vec<usize>>,
    stage: Stage,
    progress: &'a dyn Progress,
    /// Indices of blobs, largest first, so that no thread begins a huge one when the others are done.
    order: Vec<usize>,
    /// The next piece of work: volumes, then `order`.
    next: AtomicUsize,
    damage: Mutex<Vec<Damage>>,
}

impl<'a> Check<'a> {
    fn new(bundle: &'a Bundle<Verified>, stage: Stage, progress: &'a dyn Progress) -> Self {
        let blobs = &bundle.manifest().blobs;
        let mut order: Vec<usize> = (0..blobs.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(blobs[*index].size));
        let users = bundle.manifest().users();
        Check { bundle, users, stage, progress, order, next: AtomicUsize::new(0), damage: Mutex::default() }
    }

    fn work(&self) {
        let mut buffer = vec![0; BUFFER];
        let volumes = self.bundle.volumes.len();
        loop {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            if next < volumes {
                self.check_frame(next);
            } else if let Some(blob) = self.order.get(next - volumes) {
                self.check_blob(*blob, &mut buffer);
            } else {
                return;
            }
        }
    }

    fn check_blob(&self, index: usize, buffer: &mut [u8]) {
        let mut reader = self.bundle.reader_at(index);
        loop {
            match reader.advance(buffer) {
                Ok(0) => return,
                Ok(count) => self.progress.event(Event::Advanced { stage: self.stage, bytes: count as u64 }),
                Err(BlobFailure::Digest(found)) => return self.wrong_digest(index, found),
                Err(BlobFailure::Read(volume, failure)) => {
                    let digest = reader.blob().digest;
                    return self.report_failure(
                        volume,
                        failure,
                        &format!("blob {digest}"),
                        self.artifacts(index),
                    );
                }
            }
        }
    }

    fn wrong_digest(&self, index: usize, found: crate::oci::digest::Digest) {
        let blob = self.bundle.manifest().blobs[index];
        let extents = self.bundle.arrangement().extents(index);
        let Some(first) = extents.first() else { return };
        let further: Vec<_> = extents[1..].iter().map(|extent| self.file(extent.volume)).collect();
        let place =
            if further.is_empty() { String::new() } else { format!(", here and in {}", further.join(", ")) };
        let what = format!("blob {} of {} bytes{place} has the digest {found}", blob.digest, blob.size);
        self.report(first.volume, first.offset, what, self.artifacts(index), false);
    }

    fn report_failure(&self, volume: usize, failure: ReadFailure, what: &str, artifacts: Vec<String>) {
        match failure {
            ReadFailure::End(offset) => {
                self.report(volume, offset, format!("the file ends within {what}"), artifacts, false)
            }
            ReadFailure::Io(offset, cause) => {
                self.report(volume, offset, format!("{what} could not be checked: {cause}"), artifacts, true)
            }
        }
    }

    fn report(&self, volume: usize, offset: u64, what: String, artifacts: Vec<String>, unreadable: bool) {
        let file = self.file(volume);
        let found = Damage { volume: volume + 1, offset, file, what, artifacts, unreadable };
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).push(found);
    }

    fn file(&self, volume: usize) -> String {
        self.bundle.volumes[volume].name().to_owned()
    }

    fn artifacts(&self, blob: usize) -> Vec<String> {
        let manifest = self.bundle.manifest();
        let users = self.users.get(&manifest.blobs[blob].digest);
        users
            .into_iter()
            .flatten()
            .filter_map(|user| manifest.artifacts.get(*user))
            .map(Artifact::name)
            .collect()
    }
}
