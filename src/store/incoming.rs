//! One blob on its way into a store from somewhere else than a push: written under a temporary name by
//! whoever holds its lock, hashed as it passes, renamed when it is right.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::directory;
use super::{Store, files};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{ContentDigest, ContentHasher};

/// Bytes that are read at once to be hashed.
const BUFFER: usize = 256 << 10;

/// A blob that this process brings, and nobody else meanwhile. What is written to it as a [`Sink`](crate::fetch::Sink)
/// is hashed.
pub struct Incoming<'a> {
    store: &'a Store,
    digest: ContentDigest,
    file: fs::File,
    hasher: ContentHasher,
}

/// Whether to wait for another process that brings the same blob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Wait,
    GiveUp,
}

impl<'a> Incoming<'a> {
    /// Takes the blob into this process's hands, empty; nothing if another process has it and we do not wait.
    pub(super) fn open(store: &'a Store, digest: ContentDigest, patience: Patience) -> Result<Option<Self>> {
        let Some(mut incoming) = Incoming::take(store, digest, patience)? else { return Ok(None) };
        incoming.restart().map_err(|error| files::failed(incoming.file.path(), error))?;
        Ok(Some(incoming))
    }

    /// The same with what an earlier process has left of it, which is hashed; nothing of that if it is more than
    /// `size` bytes.
    pub(super) fn go_on(
        store: &'a Store,
        digest: ContentDigest,
        size: u64,
        patience: Patience,
    ) -> Result<Option<Self>> {
        let Some(mut incoming) = Incoming::take(store, digest, patience)? else { return Ok(None) };
        incoming.hash_rest(size).map_err(|error| files::failed(incoming.file.path(), error))?;
        Ok(Some(incoming))
    }

    fn take(store: &'a Store, digest: ContentDigest, patience: Patience) -> Result<Option<Self>> {
        let path = store.directory().incoming().join(directory::dashed(&digest));
        let operation = match patience {
            Patience::Wait => FlockOperation::LockExclusive,
            Patience::GiveUp => FlockOperation::NonBlockingLockExclusive,
        };
        let open = || -> io::Result<Option<fs::File>> {
            loop {
                let file =
                    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
                match flock(file.file(), operation) {
                    Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                    Err(rustix::io::Errno::INTR) => continue,
                    result => result?,
                }
                // Whoever had it before may have renamed or removed it.
                if fs::metadata(&path).is_ok_and(|named| Some(named.ino()) == inode(&file)) {
                    return Ok(Some(file));
                }
            }
        };
        let file = open().map_err(|error| files::failed(&path, error))?;
        let hasher = ContentHasher::new(digest.algorithm());
        Ok(file.map(|file| Incoming { store, digest, file, hasher }))
    }

    fn hash_rest(&mut self, size: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > size {
            return self.restart();
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.hasher.update(&buffer[..count]),
            }
        }
    }

    /// The file, for bytes that are checked by their source.
    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    /// Takes the next bytes and hashes them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// How many bytes were taken.
    pub(super) fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = ContentHasher::new(self.digest.algorithm());
        Ok(())
    }

    /// Whether what was taken is right.
    ///
    /// # Errors
    /// [`codes::WRONG_DIGEST`] if not.
    pub fn check(&self) -> Result<()> {
        let found = self.hasher.clone().finish();
        if found == self.digest {
            return Ok(());
        }
        Err(Error::new(codes::WRONG_DIGEST, format!("what came for blob {} is {found}", self.digest))
            .with_help("take it from somewhere else: `--from` a bundle or another node"))
    }

    /// Ends the blob if what was taken is right; else nothing of it stays.
    pub(super) fn commit(self) -> Result<()> {
        match self.check() {
            Ok(()) => self.publish(),
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Gives the file its name; its bytes are known to be right.
    pub(super) fn publish(self) -> Result<()> {
        let publish = || -> io::Result<()> {
            self.file.sync_data()?;
            let mut batch = self.store.directory().batch();
            batch.place(self.file.path(), &self.store.directory().blob(&self.digest))
        };
        publish().map_err(|error| files::failed(self.file.path(), error))
    }

    /// Leaves nothing behind.
    pub(super) fn give_up(self) {
        // If that fails, the file is waste, and is collected as such.
        let _ = files::remove(self.file.path());
    }
}

fn inode(file: &fs::File) -> Option<u64> {
    file.metadata().ok().map(|metadata| metadata.ino())
}
