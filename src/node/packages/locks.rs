//! Waits for whoever works with dpkg, and says who that is: unattended-upgrades, an administrator, an apt of ours
//! that has outlived a killed run.

use std::io;
use std::time::Duration;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::error::{Error, Result, codes};
use crate::node::machine::{self, Machine};
use crate::node::work::Work;
use crate::quote::quote;

/// The locks that keep others from changing packages; the first is held for the whole run of an apt.
const FILES: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];

/// Waits until nobody holds the locks of dpkg.
///
/// # Errors
/// [`codes::PACKAGES_LOCKED`] with the name and the id of the process if it takes longer than `patience`.
pub(super) fn wait(work: &Work<'_>, patience: Duration) -> Result<()> {
    let machine = work.machine();
    let Some(first) = holder(machine)? else { return Ok(()) };
    work.note(&format!("waiting for {first}, which works with the packages of this machine"));
    let mut last = first;
    let waited = work.wait_for("the packages of this machine", patience, || match holder(machine)? {
        None => Ok(Ok(())),
        Some(holder) => {
            last = holder;
            Ok(Err(last.clone()))
        }
    });
    waited.map_err(|error| match error.code() {
        codes::NODE_DEADLINE => {
            let message =
                format!("{last} has worked with the packages of this machine for {} s", patience.as_secs());
            Error::new(codes::PACKAGES_LOCKED, message)
                .with_help("let it end, or end it, then run the same command again")
        }
        _ => error,
    })
}

/// Who holds a lock of dpkg: `unattended-upgr (process 812)`.
fn holder(machine: &Machine) -> Result<Option<String>> {
    for file in FILES {
        let pid = holder_of(machine, file).map_err(|error| machine::failed("read", file, error))?;
        let Some(pid) = pid else { continue };
        let name = machine.read_text(&format!("/proc/{pid}/comm"))?.unwrap_or_default();
        return Ok(Some(match (pid, name.trim()) {
            (0, _) => "a process outside of this container".to_owned(),
            (pid, "") => format!("process {pid}"),
            (pid, name) => format!("{} (process {pid})", quote(name)),
        }));
    }
    Ok(None)
}

/// The process that holds the lock on a file; 0 if we cannot see it.
fn holder_of(machine: &Machine, file: &str) -> io::Result<Option<i32>> {
    let file = match fs_err::File::open(machine.path(file)) {
        Err(error) if machine::is_missing(&error) => return Ok(None),
        opened => opened?,
    };
    let found = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
    let held = found.filter(|lock| lock.typ != FlockType::Unlocked);
    Ok(held.map(|lock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get())))
}
