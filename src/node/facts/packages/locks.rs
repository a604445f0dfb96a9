//! Who holds the locks of dpkg and apt: `/proc/locks` (proc(5)), which names files by device and inode.

use std::os::unix::fs::MetadataExt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::facts::root::Root;

/// Files that dpkg and apt lock while they work.
const FILES: [&str; 4] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
];

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockHolder {
    /// The file.
    pub file: String,
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: Option<String>,
}

pub(super) fn gather(root: &Root<'_>) -> Vec<LockHolder> {
    let Some(locks) = root.text("/proc/locks") else { return Vec::new() };
    let held = FILES.into_iter().filter_map(|file| {
        let found = fs_err::metadata(root.at(file)).ok()?;
        let pid = holder(&locks, found.dev(), found.ino())?;
        Some(LockHolder { file: file.to_owned(), pid, process: root.line(&format!("/proc/{pid}/comm")) })
    });
    held.collect()
}

/// The process in `1: POSIX  ADVISORY  WRITE 17102 fe:00:12010592 0 EOF`. Lines with `->` only wait.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    let lines = locks.lines().filter(|line| !line.contains("->"));
    let held = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    held.filter(|words| words.get(5) == Some(&file.as_str())).find_map(|words| words.get(4)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_device_and_inode() {
        let locks =
            "1: POSIX  ADVISORY  WRITE 17102 fe:00:77 0 EOF\n1: -> POSIX  ADVISORY  WRITE 5 fe:00:78 0 EOF\n";
        let device = rustix::fs::makedev(0xfe, 0);
        assert_eq!(holder(locks, device, 77), Some(17102));
        assert_eq!(holder(locks, device, 78), None);
        assert_eq!(holder(locks, device, 7), None);
    }
}
