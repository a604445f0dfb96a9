//! A blob that is still coming in: appended, hashed as it grows, and renamed when it is complete.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result, codes};
use crate::oci::digest::{Digest, Hasher};
use crate::store::cache::{cannot, hash_rest};

/// An unfinished blob, locked against other processes until dropped.
pub struct Partial {
    file: fs::File,
    path: PathBuf,
    finished: PathBuf,
    hasher: Hasher,
}

impl Partial {
    /// Opens or creates `path`; the complete blob will go to `finished/<hex>`.
    pub(super) fn open(path: &Path, finished: &Path) -> Result<Partial> {
        let mut file = lock(path).map_err(|error| cannot("the cache cannot be written", error))?;
        let mut hasher = Hasher::new();
        hash_rest(&mut file, &mut hasher).map_err(|error| cannot("the cache cannot be read", error))?;
        Ok(Partial { file, path: path.to_owned(), finished: finished.to_owned(), hasher })
    }

    /// Bytes that are there.
    pub fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// Takes the next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes).map_err(|error| cannot("the cache cannot be written", error))
    }

    /// Takes the next bytes; the plain form for the download loop, which adds its own context.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Forgets everything and begins anew.
    pub fn restart(&mut self) -> Result<()> {
        self.truncate().map_err(|error| cannot("the cache cannot be written", error))
    }

    /// As [`Partial::restart`], in the plain form.
    pub fn truncate(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Hasher::new();
        Ok(())
    }

    /// Digest of the bytes that are there.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Gives up the unfinished file, because the blob came another way.
    pub fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| cannot("the cache cannot be written", error))
    }

    /// Ends the blob: checks its digest and gives it its name in the cache.
    ///
    /// # Errors
    /// `E0604` (corrupt) when the bytes are not those of `expected`; they are thrown away then, since a
    /// later run must not go on behind them.
    pub fn commit(mut self, expected: Option<Digest>) -> Result<(Digest, u64)> {
        let length = self.hasher.length();
        let digest = std::mem::take(&mut self.hasher).finish();
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            self.restart()?;
            return Err(Error::new(
                codes::WRONG_DIGEST,
                "the bytes received are not the ones that were asked for",
            )
            .with_detail(format!("asked for {expected}"))
            .with_detail(format!("received  {digest} ({length} bytes)"))
            .with_help("run the same command again; if that does not help, the place has other content than it should: see what changed there"));
        }
        fs::rename(&self.path, self.finished.join(digest.hex()))
            .map_err(|error| cannot("the cache cannot be written", error))?;
        Ok((digest, length))
    }
}

/// Opens `path` and locks it. Whoever held the lock before may have renamed the file away, so what was
/// locked must still be what the path names.
fn lock(path: &Path) -> std::io::Result<fs::File> {
    loop {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        flock(file.file(), FlockOperation::LockExclusive)?;
        let still_there = match fs::metadata(path) {
            Ok(named) => named.ino() == file.metadata()?.ino(),
            Err(_) => false,
        };
        if still_there {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::cache::Cache;

    #[test]
    fn a_later_run_goes_on_behind_the_bytes_of_an_earlier_one() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let digest = Digest::of(b"airlock");
        let mut first = cache.partial("x").unwrap();
        first.append(b"air").unwrap();
        drop(first);
        let mut second = cache.partial("x").unwrap();
        assert_eq!(second.length(), 3);
        second.append(b"lock").unwrap();
        assert_eq!(second.commit(Some(digest)).unwrap(), (digest, 7));
        assert!(cache.check(&digest, 7).unwrap());
    }

    #[test]
    fn wrong_bytes_are_thrown_away_and_never_get_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let mut partial = cache.partial("x").unwrap();
        partial.append(b"login page").unwrap();
        let error = partial.commit(Some(Digest::of(b"blob"))).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::WRONG_DIGEST, 4));
        assert_eq!(cache.partial("x").unwrap().length(), 0);
        assert!(!cache.path(&Digest::of(b"login page")).exists());
    }

    #[test]
    fn two_writers_take_turns() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let mut first = cache.partial("x").unwrap();
        first.append(b"airlock").unwrap();
        let other = cache.clone();
        let waiting = std::thread::spawn(move || other.partial("x").unwrap().length());
        first.commit(None).unwrap();
        assert_eq!(waiting.join().unwrap(), 0, "the second one must get a fresh file, not the finished blob");
    }
}
