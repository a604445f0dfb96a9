//! The directory a proof works in: one at a time, and nothing is left of it.

use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result, codes};

/// A directory of its own, locked against other proofs, and removed when dropped.
#[derive(Debug)]
pub(super) struct Workspace {
    path: PathBuf,
    _lock: fs::File,
}

impl Workspace {
    /// Makes `directory`/`prove`. What a killed proof has left there is removed first.
    ///
    /// # Errors
    /// `E0875` if another proof works there, `E0876` if the path cannot be used or written.
    pub(super) fn open(directory: &Path) -> Result<Workspace> {
        let path = absolute(directory)?.join("prove");
        fs::create_dir_all(directory).map_err(|error| cannot_write(&path, error))?;
        let lock =
            fs::File::create(path.with_extension("lock")).map_err(|error| cannot_write(&path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let message = format!("another proof is running in {}", path.display());
            Error::new(codes::PROVE_BUSY, message)
                .with_source(std::io::Error::from(error))
                .with_help("wait for it, or give this one another cache with `--cache-dir DIR`")
        })?;
        let workspace = Workspace { path, _lock: lock };
        workspace.clear()?;
        Ok(workspace)
    }

    /// Where to work. Nothing is there yet, not even the directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes everything, so that the next target has the room.
    ///
    /// # Errors
    /// `E0876` if something cannot be removed, or if something is mounted there: deleting through a mount would
    /// delete what belongs to others.
    pub(super) fn clear(&self) -> Result<()> {
        let failed = |error| cannot_write(&self.path, error);
        if !self.path.exists() {
            return Ok(());
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed)?;
        if let Some(mount) = mount_below(&mounts, &self.path) {
            let message = format!("something is mounted in {}", self.path.display());
            return Err(Error::new(codes::PROVE_WORKSPACE, message)
                .with_help(format!("run `umount --recursive {mount}`")));
        }
        fs::remove_dir_all(&self.path).map_err(failed)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed now is removed, or complained about, by the next proof.
        let _ = self.clear();
    }
}

/// The first mount at or below `path`, of a text like `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn mount_below<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.into_iter().find(|point| Path::new(point).starts_with(path))
}

/// apt's sources and mmdebstrap take the path as a word of a line.
fn absolute(directory: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(directory).map_err(|error| cannot_write(directory, error))?;
    let is_plain =
        |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._+-".contains(letter));
    if path.to_str().is_some_and(is_plain) {
        return Ok(path);
    }
    let message = format!(
        "apt cannot work in {}: the path has white space or other special characters",
        path.display()
    );
    Err(Error::new(codes::PROVE_WORKSPACE, message)
        .with_help("give a cache with a plain path: `--cache-dir DIR`"))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Error {
    let message = format!("the proof cannot write to {}", path.display());
    Error::new(codes::PROVE_WORKSPACE, message)
        .with_source(error)
        .with_help("choose a directory on a local disk that root may write to: `--cache-dir DIR`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_proof_left_is_removed_and_so_is_what_this_one_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("prove/root/etc");
        fs::create_dir_all(&left).unwrap();
        let workspace = Workspace::open(directory.path()).unwrap();
        assert!(!workspace.path().exists());
        fs::create_dir_all(&left).unwrap();
        drop(workspace);
        assert!(!left.exists());
    }

    #[test]
    fn one_proof_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Workspace::open(directory.path()).unwrap();
        let error = Workspace::open(directory.path()).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::PROVE_BUSY, 10));
    }

    #[test]
    fn a_mount_in_it_is_found() {
        let mounts =
            "22 1 0:20 / / rw - ext4 /dev/vda rw\n36 22 0:5 / /c/prove/root/proc rw - proc proc rw\n";
        assert_eq!(mount_below(mounts, Path::new("/c/prove")), Some("/c/prove/root/proc"));
        assert_eq!(mount_below(mounts, Path::new("/c/pro")), None);
    }

    #[test]
    fn a_path_that_apt_would_misread_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = Workspace::open(&directory.path().join("my cache")).unwrap_err();
        assert_eq!(error.code(), codes::PROVE_WORKSPACE);
    }
}
