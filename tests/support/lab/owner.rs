//! Whose lab it is: a lock that dies with its holder, so that what a killed test has left can be told from what runs.

use std::path::Path;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::Result;

/// Holds the lock of a lab.
pub struct Owner {
    _lock: fs::File,
}

impl Owner {
    /// Makes this process the owner of the lab in `directory`.
    pub fn claim(directory: &Path) -> Result<Owner> {
        let lock = fs::File::create(directory.join("owner"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Owner { _lock: lock })
    }
}

/// Calls `remove` with the name of every lab whose owner has gone. One that has not been claimed yet is left
/// alone.
pub fn sweep(cache: &Path, remove: impl Fn(&str)) -> Result<()> {
    let labs = cache.join("labs");
    fs::create_dir_all(&labs)?;
    for entry in fs::read_dir(&labs)? {
        let directory = entry?.path();
        let Ok(lock) = fs::File::open(directory.join("owner")) else { continue };
        let is_abandoned = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if let (true, Some(name)) = (is_abandoned, directory.file_name()) {
            remove(&name.to_string_lossy());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn only_labs_without_a_living_owner_are_swept() {
        let cache = tempfile::tempdir().unwrap();
        let lab = |name: &str| {
            let directory = cache.path().join("labs").join(name);
            fs::create_dir_all(&directory).unwrap();
            directory
        };
        lab("lasting");
        drop(Owner::claim(&lab("abandoned")).unwrap());
        let _owner = Owner::claim(&lab("owned")).unwrap();
        let removed = RefCell::new(Vec::new());
        sweep(cache.path(), |name| removed.borrow_mut().push(name.to_owned())).unwrap();
        assert_eq!(*removed.borrow(), ["abandoned"]);
    }
}
