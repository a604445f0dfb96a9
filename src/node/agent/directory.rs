//! A directory of our own among those of others, which is gone when we are.

use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, flock};

/// How old a directory is before somebody else may find that nobody uses it: it is made first and locked then.
const SETTLED: Duration = Duration::from_secs(60);

/// A directory that nobody else can enter. It is removed when this is dropped; what a killed process has left is removed
/// by the next one that makes a directory with the same prefix.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    _lock: fs_err::File,
}

impl PrivateDirectory {
    /// Makes `PREFIX-PID-NUMBER` in `parent`, mode 0700.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn create(parent: &Path, prefix: &str) -> io::Result<PrivateDirectory> {
        sweep(parent, prefix);
        let mut number = 0;
        let path = loop {
            let path = parent.join(format!("{prefix}-{}-{number}", process::id()));
            match make(&path) {
                // Names that are taken, by whomever, are left alone.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                made => break made.map(|()| path)?,
            }
        };
        let lock = fs_err::File::open(&path)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(PrivateDirectory { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file in it, mode 0600.
    ///
    /// # Errors
    /// If it cannot be written, or is there already.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        io::Write::write_all(&mut file, bytes)?;
        Ok(path)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn make(path: &Path) -> io::Result<()> {
    rustix::fs::mkdir(path, rustix::fs::Mode::RWXU)?;
    Ok(())
}

/// Nothing in it is a directory: we made all of it.
fn remove(directory: &Path) {
    for entry in fs_err::read_dir(directory).into_iter().flatten().flatten() {
        let _ = fs_err::remove_file(entry.path());
    }
    let _ = fs_err::remove_dir(directory);
}

fn sweep(parent: &Path, prefix: &str) {
    for entry in fs_err::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_named_so =
            name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_prefix('-')).is_some();
        if is_named_so && is_abandoned(&entry.path()) {
            remove(&entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = fs_err::symlink_metadata(path) else { return false };
    let is_ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    let age = found.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    if !is_ours || age.is_none_or(|age| age < SETTLED) {
        return false;
    }
    let lock = fs_err::File::open(path);
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn age(path: &Path) {
        let long_ago = FileTimes::new().set_modified(SystemTime::now() - 2 * SETTLED);
        fs_err::File::open(path).unwrap().set_times(long_ago).unwrap();
    }

    #[test]
    fn it_is_private_and_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let directory = PrivateDirectory::create(parent.path(), "airlock-test").unwrap();
        let file = directory.write("settings", b"{}").unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(directory.path()), mode(&file)), (0o700, 0o600));
        assert!(directory.write("settings", b"").is_err());
        drop(directory);
        assert_eq!(fs_err::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_has_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let left = |name: &str| {
            let path = parent.path().join(name);
            fs_err::create_dir(&path).unwrap();
            fs_err::write(path.join("settings"), "{}").unwrap();
            path
        };
        let [abandoned, young, foreign] = ["airlock-test-1-0", "airlock-test-2-0", "airlock-tests"].map(left);
        let used = PrivateDirectory::create(parent.path(), "airlock-test").unwrap();
        for path in [&abandoned, &foreign, used.path()] {
            age(path);
        }
        let next = PrivateDirectory::create(parent.path(), "airlock-test").unwrap();
        assert!(!abandoned.exists());
        assert!([&young, &foreign, used.path(), next.path()].iter().all(|path| path.exists()));
    }
}
