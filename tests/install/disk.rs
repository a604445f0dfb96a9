//! Files of the machine as its programs keep them: whole or not there, and a disk that fails is an error of theirs.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The files below the root of a machine. What its programs remember lies below `/state`.
pub struct Disk(pub PathBuf);

impl Disk {
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The content of a file; empty if there is none.
    pub fn read(&self, path: &str) -> io::Result<String> {
        match fs_err::read_to_string(self.path(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    /// Replaces a file, as dpkg and systemd do it.
    pub fn write(&self, path: &str, content: &str) -> io::Result<()> {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        let new = path.with_extension("new");
        fs_err::write(&new, content)?;
        fs_err::rename(new, path)
    }

    /// Removes a file or a directory, if it is there.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        let removed = if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
        match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
