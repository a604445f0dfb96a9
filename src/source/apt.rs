//! Packages: from the targets of the spec to a pinned repository for each.

use std::path::PathBuf;

use crate::error::Result;
use crate::lock;
use crate::source::shelf::Blob;
use crate::spec::nvidia::Nvidia;
use crate::spec::{HostSettings, apt};

/// What this machine's own apt is configured with, by which the archive of a distribution is found. Read by the
/// command line; empty on a machine without apt.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Texts of `/etc/apt/sources.list` and of the files of `sources.list.d`, with their paths, in apt's order.
    pub sources: Vec<(PathBuf, String)>,
    /// Directories in which keyrings without a path are looked for: `/usr/share/keyrings`, `/etc/apt/trusted.gpg.d`.
    pub keyring_directories: Vec<PathBuf>,
}

/// A target whose every byte is pinned.
#[derive(Debug)]
pub struct Opened {
    /// Its entry in the lock.
    pub locked: lock::apt::Apt,
    /// The `.deb`s, in the order of `locked.packages`: their paths within the repository and their bytes.
    pub packages: Vec<(String, Blob)>,
    /// The metadata in the order in which it may be published, the keyring first and `InRelease` last.
    pub files: Vec<(String, Blob)>,
}
