//! Where machines of tests lie: in memory if there is a file system for that, since all that they keep is written through
//! to the disk, file by file. What is killed here is a process, never the power, so that the disk makes no difference.

use std::path::Path;

use tempfile::TempDir;

/// Where Linux has one (shm_overview(7)).
const PLACE: &str = "/dev/shm";

/// Free bytes from which on it is used: tests run side by side.
const ENOUGH: u64 = 2 << 30;

/// A temporary directory in memory, else on the disk.
pub fn directory() -> TempDir {
    let free = rustix::fs::statvfs(PLACE).map_or(0, |found| found.f_bavail * found.f_frsize);
    let chosen = Some(Path::new(PLACE)).filter(|_| free >= ENOUGH);
    chosen.and_then(|place| tempfile::tempdir_in(place).ok()).unwrap_or_else(|| tempfile::tempdir().unwrap())
}
