//! Reads a whole store, and tells what is damaged or missing and who needs it.

mod bundle;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fs_err as fs;
use serde::Serialize;

use super::content::Content as _;
use super::directory::{self, BLOBS, MANIFESTS};
use super::document::Document;
use super::{Store, files, lookup};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Algorithm, ContentDigest};
use crate::progress::{Event, Progress, Stage};

/// More damage than anybody wants to read; the rest is only counted.
const MAX_DETAILS: usize = 100;

/// The outcome of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many blobs were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Everything that is wrong, sorted by digest.
    pub damage: Vec<Damage>,
}

/// A blob that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// Its name.
    pub digest: ContentDigest,
    /// What is wrong with it.
    pub what: String,
    /// Who needs it: artifacts of bundles, as `BUNDLE: ARTIFACT`, and repositories.
    pub needed_by: Vec<String>,
    /// The disk could not be read: the bytes may be right.
    pub unreadable: bool,
}

impl Report {
    /// The error that says what the report says; nothing if all is well.
    pub fn into_result(self) -> Result<Report> {
        let count = self.damage.len();
        if count == 0 {
            return Ok(self);
        }
        let blobs = if count == 1 { "one blob".to_owned() } else { format!("{count} blobs") };
        let error = if self.damage.iter().all(|damage| damage.unreadable) {
            Error::new(codes::STORE_IO, format!("{blobs} of the store cannot be read"))
                .with_help("look for I/O errors in `dmesg`; a failing disk has to be replaced")
        } else {
            Error::new(codes::STORE_DAMAGED, format!("{blobs} of the store are damaged or missing"))
                .with_help("put them right with `airlock store repair --from BUNDLE`, or from another node: `--from https://NODE`")
        };
        let shown = self.damage.iter().take(MAX_DETAILS);
        let error = shown.fold(error, |error, damage| error.with_detail(damage.to_string()));
        let more = count.saturating_sub(MAX_DETAILS);
        Err(if more > 0 { error.with_detail(format!("and {more} more")) } else { error })
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)?;
        match self.needed_by.as_slice() {
            [] => formatter.write_str("; nothing needs it"),
            needed_by => write!(formatter, "; needed by {}", needed_by.join(", ")),
        }
    }
}

impl Store {
    /// Reads every blob with `threads` threads, and looks for blobs that are needed and missing. Changes
    /// nothing. Reports to [`Stage::Verify`].
    pub fn verify(&self, threads: NonZeroUsize, progress: &dyn Progress) -> Result<Report> {
        progress.event(Event::Started { stage: Stage::Verify, bytes: None });
        let reading = Reading { store: self, progress, blobs: AtomicU64::new(0), bytes: AtomicU64::new(0) };
        let mut damage = BTreeMap::new();
        for algorithm in Algorithm::ALL {
            damage.extend(reading.all(algorithm, threads)?);
        }
        for digest in self.missing()? {
            let what = format!("blob {digest} is missing");
            damage.insert(digest, Damage { digest, what, needed_by: Vec::new(), unreadable: false });
        }
        self.find_users(&mut damage)?;
        progress.event(Event::Finished { stage: Stage::Verify });
        let (blobs, bytes) = (reading.blobs.into_inner(), reading.bytes.into_inner());
        Ok(Report { blobs, bytes, damage: damage.into_values().collect() })
    }

    /// Blobs that bundles carry or that manifests cannot do without, and that are not there. What a repository
    /// never had is not missing: its manifest came from an upstream, which has the rest.
    fn missing(&self) -> Result<Vec<ContentDigest>> {
        let mut missing = Vec::new();
        let absent = |digest: &ContentDigest| !self.directory().blob(digest).is_file();
        for record in self.bundles()?.into_iter().filter(|record| record.imported.is_some()) {
            missing.extend(record.manifest.blobs.iter().map(|blob| blob.digest.into()).filter(&absent));
        }
        self.each_repository(&mut |_, repository| {
            for digest in lookup::manifests_of(repository)? {
                let document = self.read_document(&digest).ok().flatten();
                match document.map(|bytes| Document::parse(&bytes, "")) {
                    Some(Ok(document)) => {
                        let had =
                            |digest: &ContentDigest| directory::member(repository, BLOBS, digest).is_file();
                        missing.extend(document.blobs.into_iter().filter(had).filter(&absent));
                    }
                    _ => missing.extend(Some(digest).filter(&absent)),
                }
            }
            Ok(())
        })?;
        Ok(missing)
    }

    /// Who needs a blob, as in [`Damage::needed_by`].
    pub(super) fn users_of_blob(&self, digest: &ContentDigest) -> Result<Vec<String>> {
        let unknown =
            Damage { digest: *digest, what: String::new(), needed_by: Vec::new(), unreadable: false };
        let mut damage = BTreeMap::from([(*digest, unknown)]);
        self.find_users(&mut damage)?;
        Ok(damage.into_values().flat_map(|found| found.needed_by).collect())
    }

    fn find_users(&self, damage: &mut BTreeMap<ContentDigest, Damage>) -> Result<()> {
        if damage.is_empty() {
            return Ok(());
        }
        for record in self.bundles()? {
            let users = record.manifest.users();
            for (digest, found) in damage.iter_mut() {
                let users = digest.sha256().and_then(|digest| users.get(&digest));
                let names =
                    users.into_iter().flatten().filter_map(|user| record.manifest.artifacts.get(*user));
                found
                    .needed_by
                    .extend(names.map(|artifact| format!("{}: {}", record.stem(), artifact.name())));
            }
        }
        self.each_repository(&mut |name, repository| {
            for (digest, found) in damage.iter_mut() {
                let member = |kind| directory::member(repository, kind, digest).is_file();
                if member(BLOBS) || member(MANIFESTS) {
                    found.needed_by.push(name.to_string());
                }
            }
            Ok(())
        })
    }
}

/// The work that threads share.
struct Reading<'a> {
    store: &'a Store,
    progress: &'a dyn Progress,
    blobs: AtomicU64,
    bytes: AtomicU64,
}

impl Reading<'_> {
    fn all(&self, algorithm: Algorithm, threads: NonZeroUsize) -> Result<Vec<(ContentDigest, Damage)>> {
        let path = self.store.directory().blobs(algorithm);
        // A million names are not held in memory: threads take them from the open directory.
        let entries = Mutex::new(fs::read_dir(&path).map_err(|error| files::failed(&path, error))?);
        let found = Mutex::new(Vec::new());
        let work = || -> Result<()> {
            loop {
                let next = entries.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(entry) = next else { return Ok(()) };
                let name = entry.map_err(|error| files::failed(&path, error))?.file_name();
                let digest = name.to_str().and_then(|hex| ContentDigest::from_hex(algorithm, hex).ok());
                if let Some(damage) = digest.and_then(|digest| self.one(digest)) {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((damage.digest, damage));
                }
            }
        };
        on_threads(threads, work)?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn one(&self, digest: ContentDigest) -> Option<Damage> {
        let checked = self.store.blob(&digest).and_then(|blob| {
            // One that was deleted since is not missing.
            let Some(blob) = blob else { return Ok(()) };
            self.blobs.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(blob.length(), Ordering::Relaxed);
            let result = blob.verify();
            self.progress.event(Event::Advanced { stage: Stage::Verify, bytes: blob.length() });
            result
        });
        let error = checked.err()?;
        let unreadable = error.code() != codes::STORE_BLOB_DAMAGED;
        Some(Damage { digest, what: error.message().to_owned(), needed_by: Vec::new(), unreadable })
    }
}

/// Does the same work on several threads, and tells the first error when all have ended.
fn on_threads(threads: NonZeroUsize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(&work)).collect();
        let outcomes = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(Error::new(codes::INTERNAL, "a thread ended unexpectedly")))
        });
        outcomes.collect::<Vec<_>>().into_iter().collect()
    })
}
