//! Removes blobs that nothing needs, while others read and push.
//!
//! Needed is what bundles carry and what manifests in repositories mention. That is found out without a
//! lock, and may be outdated a moment later; so whoever comes to need a blob makes its file young *while it
//! holds the lock shared*, and a blob is deleted *while the lock is held alone* and only if its file is old:
//! older than the time of grace, and older than this run. A client that was told that a blob is there can
//! rely on it for as long as the grace lasts.
//!
//! Nothing is written, so this works when the disk is full.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use self::sweep::{Sweeper, Swept};
use super::directory::{self, BLOBS, MANIFESTS, REFERRERS};
use super::document::Document;
use super::upload::Expired;
use super::{RepositoryName, Store, files, lookup};
use crate::error::Result;
use crate::oci::digest::{Algorithm, ContentDigest};

mod sweep;
mod untagged;

/// How long what nothing needs is kept unless somebody says otherwise. Pushing a large image takes hours,
/// and its manifest, which needs all the rest, comes last.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Files are dated by a clock that may be this much behind the one we ask.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// What is to be removed.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long what nothing needs is kept.
    pub grace: Duration,
    /// Manifests that neither a tag nor a bundle nor another manifest names go as well when they are older
    /// than this, and than the grace.
    pub untagged: Option<Duration>,
    /// Whether to remove anything.
    pub mode: Mode,
}

impl Rules {
    /// Only what nothing needs.
    pub fn unneeded(grace: Duration, mode: Mode) -> Rules {
        Rules { grace, untagged: None, mode }
    }
}

/// Whether to remove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Remove.
    Remove,
    /// Only tell what would be removed.
    Tell,
}

/// What was, or would be, removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Manifests that nothing named; their bytes are counted among the blobs.
    pub manifests: u64,
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

impl Store {
    /// Removes what nothing has needed for a time.
    ///
    /// # Errors
    /// [`crate::error::codes::STORE_FORMAT`] if the record of a bundle is damaged: then it is not known
    /// what is needed, and nothing is removed.
    pub fn collect_garbage(&self, rules: Rules) -> Result<Collected> {
        let now = SystemTime::now();
        let older = |age: Duration| Sweeper {
            directory: self.directory(),
            limit: now.checked_sub(age.max(CLOCK_STEP)).unwrap_or(SystemTime::UNIX_EPOCH),
            mode: rules.mode,
        };
        let mut collection = Collection {
            store: self,
            sweeper: older(rules.grace),
            untagged: rules.untagged.map(|age| older(age.max(rules.grace))),
            brought: self.brought()?,
            needed: HashSet::new(),
            collected: Collected::default(),
        };
        if rules.mode == Mode::Remove {
            collection.collected.uploads = self.expire_uploads(rules.grace)?;
            collection.remove_leftovers()?;
        }
        self.each_repository(&mut |name, directory| collection.repository(name, directory))?;
        for algorithm in Algorithm::ALL {
            collection.sweep(algorithm)?;
        }
        Ok(collection.collected)
    }

    /// What bundles have brought.
    fn brought(&self) -> Result<HashSet<Key>> {
        let mut brought = HashSet::new();
        self.each_bundle(&mut |record| {
            brought.extend(record.manifest.blobs.iter().map(|blob| key(&blob.digest.into())));
            Ok(())
        })?;
        Ok(brought)
    }
}

/// The beginning of a digest: a million of them must fit into memory. Two digests that begin in the same way
/// do no harm: one blob too many stays.
type Key = u64;

fn key(digest: &ContentDigest) -> Key {
    digest.bytes().iter().take(size_of::<Key>()).fold(0, |key, byte| key << 8 | Key::from(*byte))
}

struct Collection<'a> {
    store: &'a Store,
    sweeper: Sweeper<'a>,
    /// For manifests that nothing names, if they are to go.
    untagged: Option<Sweeper<'a>>,
    /// What bundles have brought.
    brought: HashSet<Key>,
    /// What manifests of repositories mention.
    needed: HashSet<Key>,
    collected: Collected,
}

impl Collection<'_> {
    /// Marks what the manifests of a repository mention, and takes away from it what they do not.
    fn repository(&mut self, name: &RepositoryName, directory: &Path) -> Result<()> {
        let without = self.remove_untagged(directory)?;
        let mut own = HashSet::new();
        for digest in lookup::manifests_of(directory)? {
            if without.contains(&digest) {
                continue;
            }
            own.insert(key(&digest));
            match self.mentioned(&digest) {
                Some(mentioned) => own.extend(mentioned),
                None => self.collected.unreadable.push(format!("{name}@{digest}")),
            }
        }
        if self.sweeper.mode == Mode::Remove {
            self.leave(directory, &own).map_err(|error| files::failed(directory, error))?;
        }
        self.needed.extend(own);
        Ok(())
    }

    /// Takes away the manifests that nothing names. This comes before marking, so that what is pushed
    /// meanwhile is either spared together with all it needs, or is not there for whoever pushes. Those
    /// that would be taken away are returned if nothing is.
    fn remove_untagged(&mut self, directory: &Path) -> Result<BTreeSet<ContentDigest>> {
        let Some(sweeper) = self.untagged else { return Ok(BTreeSet::new()) };
        let untagged = self.store.untagged(directory, &self.brought)?;
        let mut would_go = BTreeSet::new();
        for digest in untagged {
            let member = directory::member(directory, MANIFESTS, &digest);
            if sweeper.one(&member).map_err(|error| files::failed(&member, error))? {
                self.collected.manifests += 1;
                would_go.extend(Some(digest).filter(|_| sweeper.mode == Mode::Tell));
            }
        }
        Ok(would_go)
    }

    fn mentioned(&self, digest: &ContentDigest) -> Option<Vec<Key>> {
        let bytes = self.store.read_document(digest).ok()??;
        // Without a media type nothing is demanded, so everything that was accepted once is read again.
        let document = Document::parse(&bytes, "").ok()?;
        Some(document.children().map(|digest| key(&digest)).collect())
    }

    /// Removes old memberships of blobs that no manifest of the repository mentions, and entries of
    /// referrers that are gone.
    fn leave(&self, directory: &Path, own: &HashSet<Key>) -> io::Result<()> {
        for algorithm in Algorithm::ALL {
            self.sweeper.sweep(&directory.join(BLOBS).join(algorithm.name()), &|hex| {
                !ContentDigest::from_hex(algorithm, hex).is_ok_and(|digest| own.contains(&key(&digest)))
            })?;
        }
        let referrers = directory.join(REFERRERS);
        for subject in files::names(&referrers)? {
            // An entry whose manifest the repository does not have.
            self.sweeper.sweep(&referrers.join(subject), &|name| {
                let member = directory::undashed(name);
                let member = member.map(|digest| directory::member(directory, MANIFESTS, &digest));
                member.is_none_or(|member| !member.exists())
            })?;
        }
        Ok(())
    }

    /// Removes blobs that are neither marked nor young.
    fn sweep(&mut self, algorithm: Algorithm) -> Result<()> {
        let path = self.store.directory().blobs(algorithm);
        let is_waste = |hex: &str| {
            let digest = ContentDigest::from_hex(algorithm, hex).ok();
            let key = digest.map(|digest| key(&digest));
            key.is_none_or(|key| !self.brought.contains(&key) && !self.needed.contains(&key))
        };
        let Swept { files, bytes } =
            self.sweeper.sweep(&path, &is_waste).map_err(|error| files::failed(&path, error))?;
        self.collected.blobs += files;
        self.collected.bytes += bytes;
        Ok(())
    }

    /// Removes what killed processes left of files they were writing. Who still writes holds a lock, or
    /// has begun a moment ago.
    fn remove_leftovers(&mut self) -> Result<()> {
        let path = self.store.directory().incoming();
        let remove = |name: &str| -> io::Result<u64> {
            let path = path.join(name);
            let Some(file) = files::open(&path)? else { return Ok(0) };
            let old = file.metadata()?.modified()? < self.sweeper.limit;
            let free = flock(file.file(), FlockOperation::NonBlockingLockExclusive).is_ok();
            if old && free { files::remove(&path).map(u64::from) } else { Ok(0) }
        };
        for name in files::names(&path).map_err(|error| files::failed(&path, error))? {
            self.collected.leftovers += remove(&name).map_err(|error| files::failed(&path, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
