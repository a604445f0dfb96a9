//! Removes blobs that nothing needs, while others read and push.
//!
//! Needed is what bundles carry and what manifests in repositories mention. That is found out without a
//! lock, and may be outdated a moment later; so whoever comes to need a blob makes its file young *while it
//! holds the lock shared*, and a blob is deleted *while the lock is held alone* and only if its file is old:
//! older than the time of grace, and older than this run. A client that was told that a blob is there can
//! rely on it for as long as the grace lasts.
//!
//! Nothing is written, so this works when the disk is full.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::directory::{self, BLOBS, MANIFESTS, REFERRERS};
use super::document::Document;
use super::upload::Expired;
use super::{RepositoryName, Store, files};
use crate::error::Result;
use crate::oci::digest::{Algorithm, ContentDigest};

/// How long what nothing needs is kept unless somebody says otherwise. Pushing a large image takes hours,
/// and its manifest, which needs all the rest, comes last.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Files are dated by a clock that may be this much behind the one we ask.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// How many files are deleted before others may write names again.
const AT_ONCE: usize = 256;

/// What was, or would be, removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Blobs that nothing needs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unfinished pushes that nobody went on with.
    pub uploads: Expired,
    /// Files that killed processes have left.
    pub leftovers: u64,
    /// Manifests that could not be read; what only they need is taken for waste.
    pub unreadable: Vec<String>,
}

/// Whether to remove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Remove.
    Remove,
    /// Only tell what would be removed.
    Tell,
}

impl Store {
    /// Removes what nothing has needed for the time `grace`.
    ///
    /// # Errors
    /// [`crate::error::codes::STORE_FORMAT`] if the record of a bundle is damaged: then it is not known
    /// what is needed, and nothing is removed.
    pub fn collect_garbage(&self, grace: Duration, mode: Mode) -> Result<Collected> {
        let now = SystemTime::now();
        let limit = now.checked_sub(grace.max(CLOCK_STEP)).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut collection =
            Collection { store: self, limit, mode, needed: HashSet::new(), collected: Collected::default() };
        collection.mark_bundles()?;
        if mode == Mode::Remove {
            collection.collected.uploads = self.expire_uploads(grace)?;
            collection.remove_leftovers()?;
        }
        self.each_repository(&mut |name, directory| collection.repository(name, directory))?;
        for algorithm in Algorithm::ALL {
            collection.sweep(algorithm)?;
        }
        Ok(collection.collected)
    }
}

struct Collection<'a> {
    store: &'a Store,
    /// Files from this time on are young.
    limit: SystemTime,
    mode: Mode,
    /// The first half of each digest: a million of them must fit into memory, and two with the same half
    /// would do no harm.
    needed: HashSet<u128>,
    collected: Collected,
}

impl Collection<'_> {
    fn mark_bundles(&mut self) -> Result<()> {
        for record in self.store.bundles()? {
            self.needed.extend(record.manifest.blobs.iter().map(|blob| key(&blob.digest.into())));
        }
        Ok(())
    }

    /// Marks what the manifests of a repository mention, and takes away from it what they do not.
    fn repository(&mut self, name: &RepositoryName, directory: &Path) -> Result<()> {
        let mut own = HashSet::new();
        for algorithm in Algorithm::ALL {
            let path = directory.join(MANIFESTS).join(algorithm.name());
            for hex in files::names(&path).map_err(|error| files::failed(&path, error))? {
                let Ok(digest) = ContentDigest::from_hex(algorithm, &hex) else { continue };
                own.insert(key(&digest));
                match self.mentioned(&digest) {
                    Some(mentioned) => own.extend(mentioned),
                    None => self.collected.unreadable.push(format!("{name}@{digest}")),
                }
            }
        }
        if self.mode == Mode::Remove {
            self.leave(directory, &own)?;
        }
        self.needed.extend(own);
        Ok(())
    }

    fn mentioned(&self, digest: &ContentDigest) -> Option<Vec<u128>> {
        let bytes = self.store.read_document(digest).ok()??;
        // Without a media type nothing is demanded, so everything that was accepted once is read again.
        let document = Document::parse(&bytes, "").ok()?;
        Some(document.children().map(|digest| key(&digest)).collect())
    }

    /// Removes old memberships of blobs that no manifest of the repository mentions, and entries of
    /// referrers that are gone.
    fn leave(&self, directory: &Path, own: &HashSet<u128>) -> Result<()> {
        let mut old = Vec::new();
        for algorithm in Algorithm::ALL {
            let path = directory.join(BLOBS).join(algorithm.name());
            for hex in files::names(&path).map_err(|error| files::failed(&path, error))? {
                let needed =
                    ContentDigest::from_hex(algorithm, &hex).is_ok_and(|digest| own.contains(&key(&digest)));
                if !needed {
                    old.push(path.join(hex));
                }
            }
        }
        old.extend(orphans(directory).map_err(|error| files::failed(directory, error))?);
        self.remove_old(&old).map_err(|error| files::failed(directory, error))?;
        Ok(())
    }

    /// Removes blobs that are neither marked nor young.
    fn sweep(&mut self, algorithm: Algorithm) -> Result<()> {
        let path = self.store.directory().blobs(algorithm);
        let sweep = || -> io::Result<(u64, u64)> {
            let (mut waste, mut blobs, mut bytes) = (Vec::new(), 0, 0);
            // A million names are read bit by bit.
            for entry in fs::read_dir(&path)? {
                let name = entry?.file_name();
                let digest = name.to_str().and_then(|hex| ContentDigest::from_hex(algorithm, hex).ok());
                if digest.is_none_or(|digest| !self.needed.contains(&key(&digest))) {
                    waste.push(path.join(name));
                }
                if waste.len() == AT_ONCE {
                    add(&mut blobs, &mut bytes, self.remove_old(&std::mem::take(&mut waste))?);
                }
            }
            add(&mut blobs, &mut bytes, self.remove_old(&waste)?);
            Ok((blobs, bytes))
        };
        let (blobs, bytes) = sweep().map_err(|error| files::failed(&path, error))?;
        self.collected.blobs += blobs;
        self.collected.bytes += bytes;
        Ok(())
    }

    /// Removes those of `paths` that are still old when nobody else can make them young; how many, and
    /// their bytes.
    fn remove_old(&self, paths: &[PathBuf]) -> io::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for paths in paths.chunks(AT_ONCE) {
            let _alone = self.store.directory().exclude()?;
            for path in paths {
                let Ok(found) = fs::symlink_metadata(path) else { continue };
                if found.modified().is_ok_and(|modified| modified >= self.limit) || found.is_dir() {
                    continue;
                }
                if self.mode == Mode::Remove && !files::remove(path)? {
                    continue;
                }
                count += 1;
                bytes += found.len();
            }
        }
        Ok((count, bytes))
    }

    /// Removes what killed processes left of files they were writing. Who still writes holds a lock, or
    /// has begun a moment ago.
    fn remove_leftovers(&mut self) -> Result<()> {
        let path = self.store.directory().incoming();
        let remove = |name: &str| -> io::Result<u64> {
            let path = path.join(name);
            let Some(file) = files::open(&path)? else { return Ok(0) };
            let old = file.metadata()?.modified()? < self.limit;
            let free = flock(file.file(), FlockOperation::NonBlockingLockExclusive).is_ok();
            if old && free { files::remove(&path).map(u64::from) } else { Ok(0) }
        };
        for name in files::names(&path).map_err(|error| files::failed(&path, error))? {
            self.collected.leftovers += remove(&name).map_err(|error| files::failed(&path, error))?;
        }
        Ok(())
    }
}

/// Entries of referrers whose manifest the repository does not have.
fn orphans(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let referrers = directory.join(REFERRERS);
    for subject in files::names(&referrers)? {
        for name in files::names(&referrers.join(&subject))? {
            let member =
                directory::undashed(&name).map(|digest| directory::member(directory, MANIFESTS, &digest));
            if member.is_none_or(|member| !member.exists()) {
                found.push(referrers.join(&subject).join(name));
            }
        }
    }
    Ok(found)
}

fn add(blobs: &mut u64, bytes: &mut u64, (more_blobs, more_bytes): (u64, u64)) {
    *blobs += more_blobs;
    *bytes += more_bytes;
}

fn key(digest: &ContentDigest) -> u128 {
    let (half, _) = digest.bytes().split_at(16);
    // Every digest has at least 32 bytes.
    half.iter().fold(0, |key, byte| key << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests;
