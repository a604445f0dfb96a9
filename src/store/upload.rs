//! Pushing a blob: bytes are appended, hashed as they come, and get their name when they are complete.
//!
//! An upload outlives requests, connections and restarts of the server. While it goes on in one process,
//! the state of its hash is kept in memory between requests; after a restart what is there is hashed again.

use std::collections::HashMap;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;
use rustix::fs::{Advice, FlockOperation, fadvise, flock};
use ssh_key::rand_core::{OsRng, RngCore as _};

use super::cache::BUFFER;
use super::directory::{self, BLOBS, Directory};
use super::name::RepositoryName;
use super::{Store, files, put};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Algorithm, ContentDigest, ContentHasher};

/// After so many bytes the disk begins to write, so that little is left to wait for at the end.
const WRITE_BEHIND: u64 = 4 << 20;

/// The name of a repository, at most.
const STATE_LIMIT: u64 = 1024;

/// How long the bytes of all uploads need not be counted again.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// What a process knows of the uploads of its store.
pub(super) struct Uploads {
    directory: PathBuf,
    /// States of hashes of uploads that nobody writes at the moment.
    paused: Mutex<HashMap<String, ContentHasher>>,
    limit: AtomicU64,
    used: Mutex<Used>,
}

/// Bytes of all uploads. Other processes have uploads in the same store, so the files are what counts; looking
/// at all of them for every piece would be too much.
#[derive(Default)]
struct Used {
    bytes: u64,
    counted: Option<Instant>,
}

/// An unfinished blob, locked against other writers until it is dropped.
pub struct Upload {
    store: Store,
    repository: RepositoryName,
    id: String,
    file: fs::File,
    /// Taken when the upload ends.
    hasher: Option<ContentHasher>,
}

/// The bytes of an upload, which may be the wrong ones as long as it has not ended well.
pub struct UncheckedBytes(fs::File);

impl UncheckedBytes {
    /// Reads up to `buffer.len()` bytes at `offset`; zero behind the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        self.0.file().read_at(buffer, offset)
    }
}

/// What was given up because nobody went on with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Expired {
    /// How many uploads.
    pub uploads: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Lets all unfinished uploads together have at most so many bytes. Without it the disk is the limit.
    pub fn limit_uploads(&self, bytes: u64) {
        self.0.uploads.limit.store(bytes, Ordering::Relaxed);
    }

    /// Begins to push a blob. `algorithm` is the one of its digest, if the client said so; with another
    /// one in the end everything is read once more.
    pub fn start_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<Upload> {
        let mut random = [0; 16];
        OsRng.fill_bytes(&mut random);
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let start = || -> io::Result<fs::File> {
            let directory = self.0.uploads.directory.join(&id);
            fs::create_dir(&directory)?;
            fs::write(directory.join("state"), state(repository))?;
            let mut options = fs::OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).open(directory.join("data"))?;
            // Whoever looks for dead uploads holds it for a moment.
            flock(file.file(), FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let file = start().map_err(|error| files::failed(&self.directory().uploads(), error))?;
        let hasher = Some(ContentHasher::new(algorithm));
        Ok(Upload { store: self.clone(), repository: repository.clone(), id, file, hasher })
    }

    /// Goes on with an upload; nothing if the repository has none with that id.
    ///
    /// # Errors
    /// [`codes::UPLOAD_BUSY`] while somebody else writes to it.
    pub fn upload(&self, repository: &RepositoryName, id: &str) -> Result<Option<Upload>> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let path = self.0.uploads.directory.join(id);
        let found =
            files::read(&path.join("state"), STATE_LIMIT).map_err(|error| files::failed(&path, error))?;
        if found != Some(state(repository)) {
            return Ok(None);
        }
        let file = match fs::OpenOptions::new().read(true).write(true).open(path.join("data")) {
            Err(error) if files::is_absence(&error) => return Ok(None),
            file => file.map_err(|error| files::failed(&path, error))?,
        };
        lock(&file, &path, id)?;
        let mut upload = Upload {
            store: self.clone(),
            repository: repository.clone(),
            id: id.to_owned(),
            file,
            hasher: None,
        };
        upload.catch_up().map_err(|error| files::failed(&path, error))?;
        // Whoever held the lock before may have ended it.
        Ok(path.join("data").exists().then_some(upload))
    }

    /// How many uploads are unfinished, and their bytes.
    pub fn upload_usage(&self) -> Result<(u64, u64)> {
        let root = &self.0.uploads.directory;
        let ids = files::names(root).map_err(|error| files::failed(root, error))?;
        let lengths = ids.iter().filter_map(|id| fs::metadata(root.join(id).join("data")).ok());
        Ok((ids.len() as u64, lengths.map(|found| found.len()).sum()))
    }

    /// Gives up uploads to which nothing was added for so long.
    pub fn expire_uploads(&self, age: Duration) -> Result<Expired> {
        let root = &self.0.uploads.directory;
        let mut expired = Expired::default();
        for id in files::names(root).map_err(|error| files::failed(root, error))? {
            let path = root.join(&id);
            if let Some(bytes) = self.expire(&id, &path, age).map_err(|error| files::failed(&path, error))? {
                expired.uploads += 1;
                expired.bytes += bytes;
            }
        }
        Ok(expired)
    }

    fn expire(&self, id: &str, path: &std::path::Path, age: Duration) -> io::Result<Option<u64>> {
        let data = files::open(&path.join("data"))?;
        let metadata = data.as_ref().map_or_else(|| fs::metadata(path), |data| data.metadata());
        let Ok(metadata) = metadata else { return Ok(None) };
        let idle = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        let busy = data
            .as_ref()
            .is_some_and(|data| flock(data.file(), FlockOperation::NonBlockingLockExclusive).is_err());
        if busy || idle.is_none_or(|idle| idle < age) {
            return Ok(None);
        }
        let bytes = if data.is_some() { metadata.len() } else { 0 };
        self.0.uploads.end(id, bytes)?;
        Ok(Some(bytes))
    }
}

fn lock(file: &fs::File, path: &std::path::Path, id: &str) -> Result<()> {
    match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(Error::new(codes::UPLOAD_BUSY, format!("somebody else writes to the upload {id}")).with_help(
                "wait until that request has ended, ask for the state of the upload, and go on from there",
            ))
        }
        result => result.map_err(|error| files::failed(path, error.into())),
    }
}

/// Whenever a stretch is full, the disk begins to write it: what is not clean cannot be forgotten, so Linux starts
/// to clean it (`generic_fadvise`). Nothing depends on it, so a refusal does not matter.
fn begin_writing(file: &fs::File, before: u64, now: u64) {
    let (first, last) = (before / WRITE_BEHIND * WRITE_BEHIND, now / WRITE_BEHIND * WRITE_BEHIND);
    if let Some(length) = last.checked_sub(first).and_then(NonZeroU64::new) {
        let _ = fadvise(file.file(), first, Some(length), Advice::DontNeed);
    }
}

fn state(repository: &RepositoryName) -> Vec<u8> {
    repository.directory().to_string_lossy().into_owned().into_bytes()
}

impl Upload {
    /// Its name in the store, 32 hexadecimal digits that nobody can guess.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.hasher.as_ref().map_or(0, ContentHasher::length)
    }

    /// Reads what is there, also while more comes and when the upload has ended. Nobody has checked it.
    ///
    /// # Errors
    /// [`codes::STORE_IO`] if the system gives no second handle.
    pub fn unchecked_bytes(&self) -> Result<UncheckedBytes> {
        let file = self.file.try_clone().map_err(|error| files::failed(self.file.path(), error))?;
        Ok(UncheckedBytes(file))
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`codes::UPLOAD_LIMIT`] or [`codes::NO_SPACE`] if there is no room for them; what came before stays.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let uploads = &self.store.0.uploads;
        uploads.reserve(bytes.len() as u64)?;
        match (self.file.write_all(bytes), &mut self.hasher) {
            (Ok(()), Some(hasher)) => {
                let before = hasher.length();
                hasher.update(bytes);
                begin_writing(&self.file, before, hasher.length());
                Ok(())
            }
            (Ok(()), None) => Err(Error::new(codes::INTERNAL, "an upload was used after its end")),
            (Err(error), _) => {
                uploads.release(bytes.len() as u64);
                // A part may have been written; it was not hashed.
                let _ = self.file.set_len(self.length());
                let _ = self.file.seek(SeekFrom::Start(self.length()));
                Err(files::failed(self.file.path(), error))
            }
        }
    }

    /// Ends the upload: the bytes become a blob of the repository.
    ///
    /// # Errors
    /// [`codes::WRONG_DIGEST`] if they are not those of `digest`; the upload is gone then.
    pub fn finish(mut self, digest: &ContentDigest) -> Result<()> {
        let found =
            self.digest(digest.algorithm()).map_err(|error| files::failed(self.file.path(), error))?;
        if found != *digest {
            self.cancel()?;
            return Err(put::wrong_digest(digest, &found));
        }
        self.publish(digest).map_err(|error| files::failed(self.file.path(), error))
    }

    /// Gives the upload up.
    pub fn cancel(mut self) -> Result<()> {
        let length = self.length();
        self.hasher = None;
        let path = self.file.path().to_owned();
        self.store.0.uploads.end(&self.id, length).map_err(|error| files::failed(&path, error))
    }

    fn digest(&mut self, algorithm: Algorithm) -> io::Result<ContentDigest> {
        let known = self.hasher.clone().map(ContentHasher::finish);
        match known.filter(|known| known.algorithm() == algorithm) {
            Some(known) => Ok(known),
            None => {
                self.hash_again(algorithm)?;
                Ok(self
                    .hasher
                    .clone()
                    .map_or_else(|| ContentDigest::of(algorithm, b""), ContentHasher::finish))
            }
        }
    }

    /// A manifest that needs the blob makes these names durable; until then a loss of power may take the
    /// blob away, and the manifest is refused.
    fn publish(&mut self, digest: &ContentDigest) -> io::Result<()> {
        self.file.sync_data()?;
        let length = self.length();
        let store = self.store.clone();
        let _shared = store.directory().share()?;
        let mut batch = store.directory().batch();
        // What lies under the name already may be damaged; these bytes are not.
        batch.place(self.file.path(), &store.directory().blob(digest))?;
        batch.join(&directory::member(&store.repository(&self.repository), BLOBS, digest))?;
        self.hasher = None;
        store.0.uploads.end(&self.id, length)
    }

    /// Continues the hash behind what is there already.
    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let paused = self.store.0.uploads.paused().remove(&self.id);
        match paused.filter(|paused| paused.length() == length) {
            Some(paused) => {
                self.file.seek(SeekFrom::Start(length))?;
                self.hasher = Some(paused);
                Ok(())
            }
            None => self.hash_again(Algorithm::Sha256),
        }
    }

    fn hash_again(&mut self, algorithm: Algorithm) -> io::Result<()> {
        use std::io::Read as _;
        let mut hasher = ContentHasher::new(algorithm);
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.hasher = Some(hasher);
        Ok(())
    }
}

/// The state of the hash waits for the next request.
impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(hasher) = self.hasher.take() {
            self.store.0.uploads.paused().insert(std::mem::take(&mut self.id), hasher);
        }
    }
}

impl Uploads {
    pub(super) fn new(directory: &Directory) -> Uploads {
        Uploads {
            directory: directory.uploads(),
            paused: Mutex::default(),
            limit: AtomicU64::new(u64::MAX),
            used: Mutex::default(),
        }
    }

    fn paused(&self) -> MutexGuard<'_, HashMap<String, ContentHasher>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes all files of an upload that had `bytes`.
    fn end(&self, id: &str, bytes: u64) -> io::Result<()> {
        self.paused().remove(id);
        let path = self.directory.join(id);
        for name in ["data", "state"] {
            files::remove(&path.join(name))?;
        }
        match fs::remove_dir(&path) {
            Err(error) if !files::is_absence(&error) => return Err(error),
            _ => {}
        }
        self.release(bytes);
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == u64::MAX {
            return Ok(());
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |used: &Used| used.bytes.saturating_add(bytes) <= limit;
        let is_fresh = used.counted.is_some_and(|counted| counted.elapsed() < COUNT_INTERVAL);
        // Somebody may have made room since.
        if !is_fresh || !fits(&used) {
            used.bytes = self.count().map_err(|error| files::failed(&self.directory, error))?;
            used.counted = Some(Instant::now());
        }
        if fits(&used) {
            used.bytes += bytes;
            return Ok(());
        }
        Err(Error::new(codes::UPLOAD_LIMIT, format!("unfinished uploads may have {limit} bytes together"))
            .with_help("try again when other pushes have ended; dead ones are given up after a while"))
    }

    fn release(&self, bytes: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.bytes = used.bytes.saturating_sub(bytes);
    }

    fn count(&self) -> io::Result<u64> {
        let data = files::names(&self.directory)?.into_iter().map(|id| self.directory.join(id).join("data"));
        Ok(data.filter_map(|path| fs::metadata(path).ok()).map(|found| found.len()).sum())
    }
}

#[cfg(test)]
mod tests;
