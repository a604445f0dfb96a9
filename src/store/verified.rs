//! Which blobs this process has hashed and found right.
//!
//! A blob on disk is never believed by its name or size: it is hashed when it is first served, and a mark
//! remembers that for exactly this file. Marks live in memory only. They are few bytes each, as there may
//! be a million blobs, and forgetting them costs no more than hashing again.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More marks than this are forgotten, all at once; they would need too much memory.
const MOST_MARKS: usize = 1 << 20;

/// Marks of a process.
#[derive(Default)]
pub(super) struct Verified {
    marks: Mutex<HashSet<u64>>,
    /// Keyed at random, so that nobody can make two files with the same mark.
    random: RandomState,
}

/// What tells one state of a file from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Verified {
    /// The mark of something.
    pub(super) fn mark_of(&self, identity: impl Hash) -> u64 {
        self.random.hash_one(identity)
    }

    pub(super) fn has(&self, mark: u64) -> bool {
        self.marks().contains(&mark)
    }

    pub(super) fn add(&self, mark: u64) {
        let mut marks = self.marks();
        if marks.len() >= MOST_MARKS {
            marks.clear();
        }
        marks.insert(mark);
    }

    /// The same bytes under another mark: only the times of the file were changed, by us.
    pub(super) fn moved(&self, from: u64, to: u64) {
        if from != to && self.marks().remove(&from) {
            self.add(to);
        }
    }

    /// What has this mark turned out to be damaged since.
    pub(super) fn remove(&self, mark: u64) {
        self.marks().remove(&mark);
    }

    fn marks(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
