//! The lock of a node: one command changes it at a time, and the others learn which.

use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::machine::{self, Machine};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Where it lies.
pub const PATH: &str = "/var/lib/airlock/lock";

/// How long a lock may be without the name of its holder, who writes it right after taking it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often that is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

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
        let end = Instant::now() + PATIENCE;
        loop {
            match take(&path, holder).map_err(|error| machine::failed("write", PATH, error))? {
                Some(file) => return Ok(Lock { file }),
                // It is held, and its holder is about to write its name, or has just removed it.
                None if read(machine).is_none() && Instant::now() < end => std::thread::sleep(INTERVAL),
                None => return Err(busy(read(machine))),
            }
        }
    }
}

/// Takes the lock, unless somebody has it. The kernel gives it back however a process ends, so that neither the name
/// of a dead process in the file nor a new process with its number keeps anybody out.
fn take(path: &Path, holder: &Holder) -> io::Result<Option<fs::File>> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        result => result?,
    }
    // A reset removes the file while it holds it: who locks what has no name any more holds nothing.
    if !fs::metadata(path).is_ok_and(|found| found.ino() == file.metadata().map_or(0, |held| held.ino())) {
        return Ok(None);
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(holder)?)?;
    Ok(Some(file))
}

/// Who has written its name into the lock.
fn read(machine: &Machine) -> Option<Holder> {
    let bytes = machine.read(PATH).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
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
    let Some(holder) = read(machine) else { return Ok(None) };
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
    holder(machine)?.map_or(Ok(()), |holder| Err(busy(Some(holder))))
}

fn busy(holder: Option<Holder>) -> Error {
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
    fn the_name_of_a_dead_process_keeps_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::new(directory.path(), Arc::new(SystemPrograms));
        let path = machine.path(PATH);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let since = || "2026-01-01T00:00:00Z".to_owned();
        // Its number belongs to a process that lives: this one.
        let dead = Holder { pid: std::process::id(), command: "reset".to_owned(), since: since() };
        let holder = Holder { pid: 4711, command: "install".to_owned(), since: since() };
        for left in [serde_json::to_vec(&dead).unwrap(), b"{\"pid\":".to_vec(), vec![0; 100], Vec::new()] {
            fs::write(&path, left).unwrap();
            let lock = Lock::take(&machine, &holder).unwrap();
            assert_eq!(read(&machine), Some(holder.clone()));
            drop(lock);
        }
    }

    #[test]
    fn a_holder_without_a_name_is_waited_for_and_then_told_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::new(directory.path(), Arc::new(SystemPrograms));
        let holder = Holder { pid: 4711, command: "install".to_owned(), since: String::new() };
        let lock = Lock::take(&machine, &holder).unwrap();
        fs::write(machine.path(PATH), "").unwrap();
        let error = Lock::take(&machine, &holder).err().unwrap();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_BUSY, 10));
        assert_eq!(error.message(), "another airlock is changing this node");
        drop(lock);
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
