//! Reads what one bundle brought into a store. Its manifest comes from whoever asks, so that it does not matter
//! what the records of the store look like.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Damage, Reading, Report, on_threads};
use crate::bundle::manifest::{Blob, Manifest};
use crate::bundle::names;
use crate::error::Result;
use crate::oci::digest::ContentDigest;
use crate::progress::{Event, Progress, Stage};
use crate::store::Store;

impl Store {
    /// Reads `blobs` of a bundle with `threads` threads, and tells which of them are damaged or missing, and which
    /// artifacts of the bundle need them. Changes nothing. Reports to [`Stage::Verify`].
    ///
    /// # Errors
    /// Only bugs: what cannot be read is in the report.
    pub fn verify_blobs(
        &self,
        manifest: &Manifest,
        blobs: &[Blob],
        threads: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<Report> {
        let total = blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
        progress.event(Event::Started { stage: Stage::Verify, bytes: Some(total) });
        let reading = Reading { store: self, progress, blobs: AtomicU64::new(0), bytes: AtomicU64::new(0) };
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        on_threads(threads, || {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let damage = self.look_at(&reading, blob.digest.into());
                found.lock().unwrap_or_else(PoisonError::into_inner).extend(damage);
            }
            Ok(())
        })?;
        let mut damage = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        damage.sort_by_key(|damage| damage.digest);
        name_users(manifest, &mut damage);
        progress.event(Event::Finished { stage: Stage::Verify });
        Ok(Report { blobs: reading.blobs.into_inner(), bytes: reading.bytes.into_inner(), damage })
    }

    fn look_at(&self, reading: &Reading<'_>, digest: ContentDigest) -> Option<Damage> {
        match self.directory().blob(&digest).is_file() {
            true => reading.one(digest),
            false => Some(missing(digest)),
        }
    }
}

impl Report {
    /// What is said of a bundle where there is no store at all.
    pub fn all_missing(manifest: &Manifest) -> Report {
        let mut damage: Vec<Damage> = manifest.blobs.iter().map(|blob| missing(blob.digest.into())).collect();
        damage.sort_by_key(|damage| damage.digest);
        name_users(manifest, &mut damage);
        Report { damage, ..Report::default() }
    }
}

fn missing(digest: ContentDigest) -> Damage {
    let what = format!("blob {digest} is missing");
    Damage { digest, what, needed_by: Vec::new(), unreadable: false }
}

fn name_users(manifest: &Manifest, damage: &mut [Damage]) {
    if damage.is_empty() {
        return;
    }
    let (users, stem) = (manifest.users(), names::stem(&manifest.name, &manifest.version));
    for found in damage {
        let indices = found.digest.sha256().and_then(|digest| users.get(&digest));
        let artifacts = indices.into_iter().flatten().filter_map(|index| manifest.artifacts.get(*index));
        found.needed_by = artifacts.map(|artifact| format!("{stem}: {}", artifact.name())).collect();
    }
}
