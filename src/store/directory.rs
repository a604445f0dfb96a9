//! Where everything lies in the directory of a store, and the lock that keeps its writers apart.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::files::Batch;
use super::name::{RepositoryName, TagName};
use crate::oci::digest::{Algorithm, ContentDigest, Digest};

/// In a repository: its tags. No element of the name of a repository begins with `_`.
pub(super) const TAGS: &str = "_tags";
/// In a repository: the manifests it has.
pub(super) const MANIFESTS: &str = "_manifests";
/// In a repository: the blobs it has.
pub(super) const BLOBS: &str = "_blobs";
/// In a repository: what refers to its manifests.
pub(super) const REFERRERS: &str = "_referrers";

/// Directories of every store besides `blobs`.
const PARTS: [&str; 4] = ["names", "uploads", "bundles", "incoming"];

/// The directory of a store.
pub(super) struct Directory {
    root: PathBuf,
}

/// Held while the lock is held.
pub(super) struct Guard {
    _file: fs::File,
}

impl Directory {
    pub(super) fn new(root: &Path) -> Directory {
        Directory { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether nothing is there but what a killed [`Directory::create`] may have left.
    pub(super) fn may_become_a_store(&self) -> io::Result<bool> {
        let names = super::files::names(&self.root)?;
        Ok(names.iter().all(|name| PARTS.contains(&name.as_str()) || name == "blobs" || name == "lock"))
    }

    /// Makes what every store has, except for the file that marks it.
    pub(super) fn create(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        if let Some(above) = self.root.parent() {
            fs::create_dir_all(above)?;
        }
        // Images may hold what not every user of the machine should see.
        match std::fs::DirBuilder::new().mode(0o700).create(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for algorithm in Algorithm::ALL {
            fs::create_dir_all(self.blobs(algorithm))?;
        }
        for name in PARTS {
            fs::create_dir_all(self.root.join(name))?;
        }
        fs::OpenOptions::new().create(true).append(true).open(self.root.join("lock"))?;
        Ok(())
    }

    pub(super) fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    pub(super) fn blob(&self, digest: &ContentDigest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    pub(super) fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    pub(super) fn bundle(&self, digest: &Digest) -> PathBuf {
        self.bundles().join(digest.hex())
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    pub(super) fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.names().join(name.directory())
    }

    /// A batch of writes to this store.
    pub(super) fn batch(&self) -> Batch {
        Batch::new(&self.incoming())
    }

    /// A batch of thousands of writes to this store.
    pub(super) fn bulk(&self) -> Batch {
        Batch::in_bulk(&self.incoming())
    }

    /// Writes one small file and waits until it is on the disk.
    pub(super) fn write_durably(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut batch = self.batch();
        batch.write(path, bytes)?;
        batch.sync()
    }

    /// Held while names are written: what they name is not deleted meanwhile.
    pub(super) fn share(&self) -> io::Result<Guard> {
        self.lock("lock", FlockOperation::LockShared)
    }

    /// Held while anything is deleted that names rely on: no name is written meanwhile.
    pub(super) fn exclude(&self) -> io::Result<Guard> {
        self.lock("lock", FlockOperation::LockExclusive)
    }

    /// Held while a bundle gives names or gives them up: which names are left to it depends on what other
    /// bundles give. It is taken before the other lock.
    pub(super) fn exclude_bundles(&self) -> io::Result<Guard> {
        self.lock("bundles", FlockOperation::LockExclusive)
    }

    fn lock(&self, name: &str, operation: FlockOperation) -> io::Result<Guard> {
        let file = fs::File::open(self.root.join(name))?;
        loop {
            match flock(file.file(), operation) {
                Err(rustix::io::Errno::INTR) => {}
                result => return result.map(|()| Guard { _file: file }).map_err(io::Error::from),
            }
        }
    }
}

/// Where a repository in the directory `repository` keeps a tag.
pub(super) fn tag(repository: &Path, tag: &TagName) -> PathBuf {
    repository.join(TAGS).join(tag.as_str())
}

/// Where it says to have a manifest ([`MANIFESTS`]) or blob ([`BLOBS`]).
pub(super) fn member(repository: &Path, kind: &str, digest: &ContentDigest) -> PathBuf {
    repository.join(kind).join(digest.algorithm().name()).join(digest.hex())
}

/// Where it keeps the referrers of a manifest.
pub(super) fn referrers(repository: &Path, subject: &ContentDigest) -> PathBuf {
    repository.join(REFERRERS).join(dashed(subject))
}

/// A digest as the name of one file: `sha256-<hex>`.
pub(super) fn dashed(digest: &ContentDigest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// The digest that [`dashed`] made a name of.
pub(super) fn undashed(name: &str) -> Option<ContentDigest> {
    let (algorithm, hex) = name.split_once('-')?;
    ContentDigest::from_hex(algorithm.parse().ok()?, hex).ok()
}
