//! The machine that is looked at: its files, and what no file tells.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat, statvfs};

/// A machine to look at.
pub struct Host {
    /// Where its files are: `/` for the machine we run on.
    pub root: PathBuf,
    /// What no file tells.
    pub system: Box<dyn System>,
}

impl Host {
    /// The machine we run on.
    pub fn this() -> Host {
        Host { root: PathBuf::from("/"), system: Box::new(RunningSystem) }
    }
}

/// Questions to a kernel that no file answers.
pub trait System {
    /// Seconds since 1970, by the machine's clock.
    fn now(&self) -> i64;

    /// The architecture as `uname -m` prints it.
    fn machine(&self) -> String;

    /// Room in the file system of a directory that exists.
    ///
    /// # Errors
    /// What the system says, for example that the caller may not see the directory.
    fn space(&self, directory: &Path) -> io::Result<Space>;

    /// Whether the file system of a directory stores the type of a file beside its name, without which
    /// overlayfs cannot work (XFS made with `ftype=0` does not); `None` if that cannot be found out.
    fn stores_file_types(&self, directory: &Path) -> Option<bool>;
}

/// Room in a file system, in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What is free, including what is reserved for root.
    pub free: u64,
    /// What everybody may use.
    pub available: u64,
    /// Inodes; 0 where the file system makes them as it needs them.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

/// The system we run on.
#[derive(Clone, Copy, Debug)]
pub struct RunningSystem;

impl System for RunningSystem {
    fn now(&self) -> i64 {
        let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => seconds(after),
            Err(before) => -seconds(before.duration()),
        }
    }

    fn machine(&self) -> String {
        rustix::system::uname().machine().to_string_lossy().into_owned()
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        let found = statvfs(directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space {
            total: bytes(found.f_blocks),
            free: bytes(found.f_bfree),
            available: bytes(found.f_bavail),
            inodes: found.f_files,
            free_inodes: found.f_ffree,
        })
    }

    fn stores_file_types(&self, directory: &Path) -> Option<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened: OwnedFd = openat(CWD, directory, flags, Mode::empty()).ok()?;
        // Every directory lists itself, and its own type is known where types are stored.
        let own = Dir::new(opened).ok()?.filter_map(Result::ok).find(|entry| entry.file_name() == c".")?;
        Some(own.file_type() != FileType::Unknown)
    }
}
