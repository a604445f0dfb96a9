//! Where k3s keeps what others read.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Result;

/// The directories that everything is below.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `/etc/rancher`
    pub etc: PathBuf,
    /// `/var/lib/rancher/k3s`, unless `--data-dir` says otherwise
    pub data: PathBuf,
}

impl Paths {
    /// Those of a node, with this data directory.
    pub fn new(data: &str) -> Paths {
        Paths { etc: PathBuf::from("/etc/rancher"), data: PathBuf::from(data) }
    }

    /// Of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.etc.join("k3s/k3s.yaml")
    }

    /// By which the servers know a node again.
    pub fn node_password(&self) -> PathBuf {
        self.etc.join("node/password")
    }

    /// A file below `server/`.
    pub fn server(&self, path: &str) -> PathBuf {
        self.data.join("server").join(path)
    }

    /// A file below `agent/`.
    pub fn agent(&self, path: &str) -> PathBuf {
        self.data.join("agent").join(path)
    }
}

/// Writes a file with the mode, and the directories above it. It has its name when it is complete.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let partial = path.with_added_extension("partial");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let _ = fs::remove_file(&partial);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
    file.write_all(content)?;
    Ok(fs::rename(&partial, path)?)
}
