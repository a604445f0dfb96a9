//! The provisioner's cache: every blob ever fetched, by digest, shared by concurrent builds.
//!
//! ```text
//! blobs/sha256/<hex>   complete; only ever appears by rename from partial/
//! partial/<name>       being fetched; whoever holds its flock writes it
//! ```
//!
//! Nothing here is believed by its name or size alone: a blob is hashed before a build uses it (unless this
//! very process wrote it), and a damaged one is removed and fetched again. That is why nothing needs an
//! fsync: power loss costs at most some blobs, never a wrong bundle.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, Result, codes};
use crate::oci::digest::{Digest, Hasher};
use crate::store::partial::Partial;

/// Buffer for reading whole blobs, in bytes. Larger gains nothing; this many per thread is affordable.
pub const BUFFER: usize = 1 << 20;

/// A cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache at `root` and creates what is missing of it.
    pub fn open(root: &Path) -> Result<Cache> {
        for directory in ["blobs/sha256", "partial"] {
            fs::create_dir_all(root.join(directory)).map_err(|error| {
                cannot("the cache cannot be created", error)
                    .with_help("choose a directory that you may write to: `--cache-dir DIR`")
            })?;
        }
        Ok(Cache { root: root.to_owned() })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the complete blob lies, or would lie.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether a blob of that name and size is there. Says nothing about its bytes; see [`Cache::check`].
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    /// Whether the blob is there with the right bytes; reads all of it. A damaged one is removed.
    pub fn check(&self, digest: &Digest, size: u64) -> Result<bool> {
        let path = self.path(digest);
        if !self.has(digest, size) {
            remove_if_there(&path)?;
            return Ok(false);
        }
        let found = hash_file(&path).map_err(|error| cannot("the cache cannot be read", error))?;
        if found != (*digest, size) {
            remove_if_there(&path)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The bytes of a small blob, if it is there undamaged.
    ///
    /// `limit` bounds the memory: a larger file is treated as absent.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() <= limit => {}
            _ => return Ok(None),
        }
        let bytes = fs::read(&path).map_err(|error| cannot("the cache cannot be read", error))?;
        if Digest::of(&bytes) != *digest {
            remove_if_there(&path)?;
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Stores a small blob that is in memory.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.check(&digest, bytes.len() as u64)? {
            let mut partial = self.partial(&digest.hex())?;
            partial.restart()?;
            partial.append(bytes)?;
            partial.commit(Some(digest))?;
        }
        Ok(digest)
    }

    /// Takes the unfinished file `name` into this process's hands, waiting for another process that
    /// holds it. Bytes of an earlier run are kept and hashed, so that the fetch can go on behind them.
    pub fn partial(&self, name: &str) -> Result<Partial> {
        Partial::open(&self.root.join("partial").join(name), &self.root.join("blobs/sha256"))
    }
}

/// Digest and length of a file, read with one buffer.
pub fn hash_file(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::new();
    hash_rest(&mut file, &mut hasher)?;
    let length = hasher.length();
    Ok((hasher.finish(), length))
}

/// Feeds everything `reader` still has to `hasher`.
pub fn hash_rest(reader: &mut impl Read, hasher: &mut Hasher) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cannot("a damaged blob cannot be removed from the cache", error))
        }
        _ => Ok(()),
    }
}

/// An I/O error of the cache; running out of space is told apart, since the remedy differs.
pub(super) fn cannot(what: &str, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return Error::new(codes::NO_SPACE, "the disk of the cache is full").with_source(error).with_help(
            "free some space, or choose another disk with `--cache-dir DIR`; nothing fetched so far is lost",
        );
    }
    Error::new(codes::CACHE_IO, what.to_owned()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        (directory, cache)
    }

    #[test]
    fn what_was_put_is_read_back() {
        let (_directory, cache) = cache();
        let digest = cache.put(b"manifest").unwrap();
        assert_eq!(cache.read(&digest, 100).unwrap().as_deref(), Some(b"manifest".as_slice()));
        assert_eq!(cache.read(&digest, 3).unwrap(), None);
        assert!(cache.check(&digest, 8).unwrap());
        assert!(!cache.has(&digest, 9));
    }

    #[test]
    fn damage_of_equal_length_is_found_and_removed() {
        let (_directory, cache) = cache();
        let digest = cache.put(b"manifest").unwrap();
        fs::remove_file(cache.path(&digest)).unwrap();
        fs::write(cache.path(&digest), b"manifesT").unwrap();
        assert!(cache.has(&digest, 8));
        assert!(!cache.check(&digest, 8).unwrap());
        assert!(!cache.path(&digest).exists());
        fs::write(cache.path(&digest), b"manifesT").unwrap();
        assert_eq!(cache.read(&digest, 100).unwrap(), None);
        assert_eq!(cache.put(b"manifest").unwrap(), digest);
        assert!(cache.check(&digest, 8).unwrap());
    }
}
