//! How full the store is.

use super::metrics::Level;
use crate::store::Store;

/// The numbers of this moment; zero where they cannot be had. Blocks on the disk.
pub(super) fn of(store: &Store) -> Level {
    let (uploads, upload_bytes) = store.upload_usage().unwrap_or_default();
    let Ok(found) = rustix::fs::statvfs(store.root()) else {
        return Level { uploads, upload_bytes, ..Level::default() };
    };
    Level {
        uploads,
        upload_bytes,
        free_bytes: found.f_bavail * found.f_frsize,
        used_bytes: (found.f_blocks - found.f_bfree) * found.f_frsize,
    }
}
