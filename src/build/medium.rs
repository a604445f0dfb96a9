//! Writing to a stick that may be slow, full, or lying about what it kept.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use fs_err as fs;
use rustix::fs::{Advice, fadvise};

use crate::error::{Error, Result, codes};
use crate::oci::digest::{Digest, Hasher};
use crate::progress::{Event, Progress, Stage};
use crate::store::cache::BUFFER;

/// After so many bytes the medium is asked to begin taking them, without waiting for it.
const NUDGE: u64 = 4 << 20;

/// The writer is never more than this many bytes ahead of what the medium has confirmed, twice at most.
/// Without that the kernel would collect gigabytes in memory, progress would race ahead, and the last fsync
/// would seem to hang for minutes.
const STRETCH: u64 = 64 << 20;

/// A file that is written front to back, hashed on the way, and kept on the medium as it grows.
pub struct MediumFile {
    file: fs::File,
    hasher: Hasher,
    unsynced: u64,
    unnudged: u64,
    syncer: Syncer,
}

impl MediumFile {
    /// Creates `path`, replacing a leftover of an earlier run.
    pub fn create(path: &Path) -> Result<MediumFile> {
        let file = fs::File::create(path).map_err(|error| failed("create", path, error))?;
        let syncer = Syncer::start(&file).map_err(|error| failed("create", path, error))?;
        Ok(MediumFile { file, hasher: Hasher::new(), unsynced: 0, unnudged: 0, syncer })
    }

    /// Waits until everything is on the medium; digest and length of what was written.
    pub fn finish(self) -> Result<(Digest, u64)> {
        let path = self.file.path().to_owned();
        self.syncer.stop().map_err(|error| failed("write", &path, error))?;
        self.file.sync_all().map_err(|error| failed("write", &path, error))?;
        let length = self.hasher.length();
        Ok((self.hasher.finish(), length))
    }
}

impl Write for MediumFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.unsynced += count as u64;
        self.unnudged += count as u64;
        if self.unnudged >= NUDGE {
            self.unnudged = 0;
            // Linux starts to write dirty pages that are said to be no longer needed, and does not wait for
            // them (`generic_fadvise`). Nothing depends on it, so a refusal does not matter.
            let _ = fadvise(self.file.file(), 0, None, Advice::DontNeed);
        }
        if self.unsynced >= STRETCH {
            self.unsynced = 0;
            self.syncer.sync()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl std::io::Seek for MediumFile {
    /// Tells the position; going elsewhere is not supported, since everything is hashed in order.
    fn seek(&mut self, position: std::io::SeekFrom) -> std::io::Result<u64> {
        match position {
            std::io::SeekFrom::Current(0) => Ok(self.hasher.length()),
            _ => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A thread that keeps the medium busy while the next stretch is being written.
struct Syncer {
    requests: SyncSender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Syncer {
    fn start(file: &fs::File) -> std::io::Result<Syncer> {
        let file = file.try_clone()?;
        // No slot: the writer is never more than one stretch ahead of the medium.
        let (requests, stretches) = sync_channel::<()>(0);
        let thread = std::thread::spawn(move || stretches.iter().try_for_each(|()| file.sync_data()));
        Ok(Syncer { requests, thread })
    }

    /// Begins to write out what is there; waits while the previous stretch is still under way.
    fn sync(&mut self) -> std::io::Result<()> {
        self.requests.send(()).map_err(|_| std::io::Error::other("the medium stopped taking data"))
    }

    /// Ends the thread; the error that stopped it, if one did.
    fn stop(self) -> std::io::Result<()> {
        drop(self.requests);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the writing thread ended unexpectedly")))
    }
}

/// Reads a finished file back from the medium, not from memory, and compares.
pub fn read_back(path: &Path, expected: (Digest, u64), progress: &dyn Progress) -> Result<()> {
    let mut file = fs::File::open(path).map_err(|error| failed("read back", path, error))?;
    fadvise(file.file(), 0, None, Advice::DontNeed)
        .map_err(|error| failed("read back", path, error.into()))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer).map_err(|error| failed("read back", path, error))? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                progress.event(Event::Advanced { stage: Stage::Check, bytes: count as u64 });
            }
        }
    }
    let length = hasher.length();
    if (hasher.finish(), length) == expected {
        return Ok(());
    }
    Err(Error::new(codes::TARGET_CHANGED, format!("{} does not hold what was written to it", path.display()))
        .with_detail(format!("{} bytes were written, {length} came back", expected.1))
        .with_help("the medium is broken or smaller than it claims: use another one; the cache keeps everything that was fetched"))
}

/// Makes renames in `directory` last.
pub fn sync_directory(directory: &Path) -> Result<()> {
    fs::File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|error| failed("write", directory, error))
}

/// Writes a small file under its temporary name, with its permission bits, onto the medium.
pub fn write_small(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| failed("write", path, error))
}

/// Lets everybody run a file, where the file system has permission bits; FAT gives all files the same.
pub fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            Err(failed("change", path, error))
        }
        _ => Ok(()),
    }
}

/// The temporary name of a file that is not complete yet. Safe to delete at any time.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// An I/O error on the medium; running out of space is told apart, since the remedy differs.
pub fn failed(verb: &str, path: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return Error::new(codes::NO_SPACE, format!("the medium is full: cannot {verb} {}", path.display()))
            .with_source(error)
            .with_help("free some space on it, or use a larger one; nothing on it was replaced, nothing fetched is lost");
    }
    Error::new(codes::TARGET_IO, format!("cannot {verb} {}", path.display()))
        .with_source(error)
        .with_help("check that the medium is still there and writable, then run the same command again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn what_was_written_is_hashed_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        let body = vec![7u8; 70 << 20];
        let mut file = MediumFile::create(&path).unwrap();
        file.write_all(&body).unwrap();
        let written = file.finish().unwrap();
        assert_eq!(written, (Digest::of(&body), body.len() as u64));
        read_back(&path, written, &Silent).unwrap();
    }

    #[test]
    fn a_medium_that_lies_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        let mut file = MediumFile::create(&path).unwrap();
        file.write_all(b"airlock").unwrap();
        let written = file.finish().unwrap();
        for kept in ["airlocK", "airloc", ""] {
            fs::write(&path, kept).unwrap();
            let error = read_back(&path, written, &Silent).unwrap_err();
            assert_eq!((error.code(), error.kind().exit_status()), (codes::TARGET_CHANGED, 4));
        }
    }

    #[test]
    fn a_full_medium_is_told_as_such() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let error = write_small(full, b"x").unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::NO_SPACE, 7));
        let mut file = MediumFile::create(full).unwrap();
        assert_eq!(file.write(b"x").unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}
