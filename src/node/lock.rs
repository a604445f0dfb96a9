//! The lock of a node: one command changes it at a time, and the others learn which.

use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::machine::{self, Machine};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Where it lies.
pub const PATH: &str = "/var/lib/airlock/lock";

/// Who holds the lock. The kernel knows whether somebody holds it; this is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// What it does: `install`, `reset`, …
    pub command: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// Held until it is dropped or the process ends, however it ends.
pub struct Lock {
    file: fs::File,
}

impl Lock {
    /// Takes the lock of a machine, or tells at once who has it.
    ///
    /// # Errors
    /// [`codes::NODE_BUSY`] with the holder; [`codes::NODE_FILE`].
    pub fn take(machine: &Machine, holder: &Holder) -> Result<Lock> {
        let path = machine.path(PATH);
        let take = || -> io::Result<Option<fs::File>> {
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            let mut options = fs::OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                result => result?,
            }
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&serde_json::to_vec(holder)?)?;
            Ok(Some(file))
        };
        match take().map_err(|error| machine::failed("write", PATH, error))? {
            Some(file) => Ok(Lock { file }),
            None => Err(busy(machine)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who reads it from now on should not believe that we are still there.
        let _ = self.file.set_len(0);
    }
}

/// Who holds the lock of a machine, if anybody does. Nothing is locked to find that out.
///
/// # Errors
/// [`codes::NODE_FILE`].
pub fn holder(machine: &Machine) -> Result<Option<Holder>> {
    let Some(found) = machine.metadata(PATH)? else { return Ok(None) };
    let Some(holder) = written(machine) else { return Ok(None) };
    // `1: FLOCK  ADVISORY  WRITE 1234 fd:01:393226 0 EOF` (proc_locks(5)); devices are told apart by what cannot be
    // compared everywhere, process and inode by what can.
    let locks = machine.read_text("/proc/locks")?.unwrap_or_default();
    let (pid, inode) = (holder.pid.to_string(), found.ino().to_string());
    let is_it = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, file, ..] = fields[..] else { return false };
        process == pid && file.rsplit(':').next() == Some(inode.as_str())
    };
    Ok(locks.lines().any(is_it).then_some(holder))
}

/// Says who is changing a machine, before anybody is asked anything.
///
/// # Errors
/// [`codes::NODE_BUSY`] with the holder; [`codes::NODE_FILE`].
pub fn refuse_if_held(machine: &Machine) -> Result<()> {
    holder(machine)?.map_or(Ok(()), |_| Err(busy(machine)))
}

/// Whoever has written into the lock last.
fn written(machine: &Machine) -> Option<Holder> {
    let bytes = machine.read(PATH).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&bytes).ok()
}

fn busy(machine: &Machine) -> Error {
    let holder = written(machine);
    let (who, help) = match holder {
        Some(Holder { pid, command, since }) => (
            format!("`airlock {}` (process {pid}, since {})", quote(&command), quote(&since)),
            format!("wait until it has ended; `ps -fp {pid}` shows it"),
        ),
        None => {
            ("another airlock".to_owned(), "wait until it has ended; `ps -fC airlock` shows it".to_owned())
        }
    };
    Error::new(codes::NODE_BUSY, format!("{who} is changing this node")).with_help(help)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    #[test]
    fn the_second_one_learns_who_is_first() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::new(directory.path(), Arc::new(SystemPrograms));
        let holder =
            Holder { pid: 4711, command: "install".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() };
        let lock = Lock::take(&machine, &holder).unwrap();
        let error = Lock::take(&machine, &holder).err().unwrap();
        assert_eq!(error.code(), codes::NODE_BUSY);
        assert!(
            error.message().contains("install") && error.message().contains("4711"),
            "{}",
            error.message()
        );
        drop(lock);
        Lock::take(&machine, &holder).unwrap();
    }

    #[test]
    fn the_holder_is_known_without_touching_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::new(directory.path(), Arc::new(SystemPrograms));
        assert_eq!(holder(&machine).unwrap(), None);
        let now = || {
            fs::create_dir_all(directory.path().join("proc")).unwrap();
            let locks = fs::read_to_string("/proc/locks").unwrap();
            fs::write(directory.path().join("proc/locks"), locks).unwrap();
            holder(&machine).unwrap()
        };
        let pid = std::process::id();
        let mine = Holder { pid, command: "install".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() };
        let lock = Lock::take(&machine, &mine).unwrap();
        assert_eq!(now(), Some(mine));
        assert_eq!(refuse_if_held(&machine).unwrap_err().code(), codes::NODE_BUSY);
        drop(lock);
        assert_eq!(now(), None);
    }
}
