//! What many nodes need of the kernel that they share: the one setting of this machine that a lab changes.

use fs_err as fs;

use super::Result;

/// How many inotify instances a user may have (inotify(7)), all nodes together. A systemd has about ten.
const INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";
/// Enough for a hundred nodes. Few machines have more than 128 by themselves, which is not enough for a dozen.
const NEEDED: u64 = 1024;

/// Raises it where it is lower, until this machine is booted again.
pub fn raise() -> Result<()> {
    let found: u64 = fs::read_to_string(INSTANCES)?.trim().parse()?;
    if found < NEEDED { Ok(fs::write(INSTANCES, NEEDED.to_string())?) } else { Ok(()) }
}
