//! Removes files of one directory that are waste and old.
//!
//! There may be a million of them. Names are read bit by bit; each portion is worked through in the order in
//! which its inodes lie on the disk, because the file system keeps names in an order of its own and reading
//! inodes in that one would seek for each. Several threads remove at once: a file system that tells the disk
//! of every block that becomes free (`discard`) waits for its answer file by file, and much longer than
//! everything else takes. Nothing is synced: what a loss of power brings back is waste as
//! before, and removing it needs no space.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat, unlinkat};
use rustix::io::Errno;

use super::super::directory::Directory;
use super::super::files;
use super::Mode;

/// How many names are held at once.
const PORTION: usize = 32 * 1024;

/// How many files are deleted before others may write names again, and by how many threads. These wait for
/// the disk more than they compute.
const AT_ONCE: usize = 1024;
const THREADS: usize = 16;

/// Removes what is old.
#[derive(Clone, Copy)]
pub(super) struct Sweeper<'a> {
    pub(super) directory: &'a Directory,
    /// Files from this time on are young.
    pub(super) limit: SystemTime,
    pub(super) mode: Mode,
}

/// Files that were, or would be, removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Swept {
    fn add(&mut self, more: Swept) {
        self.files += more.files;
        self.bytes += more.bytes;
    }
}

/// A name and the inode it stands for.
type Entry = (u64, CString);

impl Sweeper<'_> {
    /// Removes the old ones of the files whose names `is_waste`. A directory that does not exist has none.
    pub(super) fn sweep(&self, path: &Path, is_waste: &dyn Fn(&str) -> bool) -> io::Result<Swept> {
        let directory = match fs::File::open(path) {
            Err(error) if files::is_absence(&error) => return Ok(Swept::default()),
            directory => directory?,
        };
        let (mut swept, mut portion) = (Swept::default(), Vec::new());
        for entry in Dir::read_from(directory.file())? {
            let entry = entry?;
            let is_file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            if is_file && is_waste(&entry.file_name().to_string_lossy()) {
                portion.push((entry.ino(), entry.file_name().to_owned()));
            }
            if portion.len() == PORTION {
                self.remove(directory.file().as_fd(), &mut portion, &mut swept)?;
            }
        }
        self.remove(directory.file().as_fd(), &mut portion, &mut swept)?;
        Ok(swept)
    }

    /// Removes one file if it is old; whether it was, or would be.
    pub(super) fn one(&self, path: &Path) -> io::Result<bool> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
        let directory = fs::File::open(parent)?;
        let _alone = self.directory.exclude()?;
        let name = CString::new(name.as_bytes())?;
        Ok(self.remove_old(directory.file().as_fd(), &name)?.is_some())
    }

    fn remove(
        &self,
        directory: BorrowedFd<'_>,
        portion: &mut Vec<Entry>,
        swept: &mut Swept,
    ) -> io::Result<()> {
        portion.sort_unstable();
        for some in portion.chunks(AT_ONCE) {
            // Nobody can make them young any more.
            let _alone = self.directory.exclude()?;
            let parts = some.chunks(AT_ONCE / THREADS);
            if parts.len() == 1 {
                swept.add(self.remove_some(directory, some)?);
                continue;
            }
            std::thread::scope(|scope| -> io::Result<()> {
                let threads: Vec<_> =
                    parts.map(|part| scope.spawn(move || self.remove_some(directory, part))).collect();
                threads.into_iter().try_for_each(|thread| {
                    let removed =
                        thread.join().map_err(|_| io::Error::other("a thread ended unexpectedly"))?;
                    swept.add(removed?);
                    Ok(())
                })
            })?;
        }
        portion.clear();
        Ok(())
    }

    fn remove_some(&self, directory: BorrowedFd<'_>, some: &[Entry]) -> io::Result<Swept> {
        let mut swept = Swept::default();
        for (_, name) in some {
            let removed = self.remove_old(directory, name)?;
            swept.add(removed.map_or_else(Swept::default, |bytes| Swept { files: 1, bytes }));
        }
        Ok(swept)
    }

    /// The size of the file if it was removed, or would be.
    fn remove_old(&self, directory: BorrowedFd<'_>, name: &CString) -> io::Result<Option<u64>> {
        let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            found => found?,
        };
        if modified(&found) >= self.limit || FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Ok(None);
        }
        if self.mode == Mode::Remove {
            match unlinkat(directory, name, AtFlags::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                result => result?,
            }
        }
        Ok(Some(found.st_size.unsigned_abs()))
    }
}

/// When a file was written; what is older than 1970 is old.
fn modified(found: &Stat) -> SystemTime {
    let seconds = u64::try_from(found.st_mtime).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(seconds, found.st_mtime_nsec as u32)
}
