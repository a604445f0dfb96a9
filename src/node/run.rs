//! A command that changes a node: under the lock, with the journal, step by step.

use std::time::Duration;

use jiff::Timestamp;

use super::driver::{self, Done};
use super::install::PROGRAM;
use super::journal::{Entry, Journal};
use super::lock::{Holder, Lock};
use super::machine::Machine;
use super::plan::Plan;
use super::reboot;
use super::settings;
use super::step::Step;
use super::work::Work;
use crate::error::Result;
use crate::progress::{Event, Progress};

/// How long the unit may take to be enabled that goes on after a restart.
const ARMED: Duration = Duration::from_secs(60);

/// Told where settings of an earlier run are there and its journal is not.
const LOST: &str = "the journal of this node, /var/lib/airlock/journal, is gone: what was installed before works on, \
                    but a reset does not know that it is airlock's";

/// Brings about what `steps` say, for the command of this name: `install`, `reset`, `node repair`. Writes nothing if
/// nothing is to be done.
///
/// # Errors
/// [`NODE_BUSY`](crate::error::codes::NODE_BUSY) with whoever is at work; those of [`driver::execute`].
pub fn run(
    command: &str,
    steps: &[Box<dyn Step>],
    machine: &Machine,
    progress: &dyn Progress,
) -> Result<Done> {
    let at = format!("{:.0}", Timestamp::now());
    let holder = Holder { pid: std::process::id(), command: command.to_owned(), since: at.clone() };
    let _lock = Lock::take(machine, &holder)?;
    let mut journal = Journal::open(machine)?;
    if journal.is_empty() && machine.metadata(settings::PATH)?.is_some() {
        progress.event(Event::Warning { text: LOST });
    }
    // The end of a run that was handed over is told by the program that goes on, even if nothing is left to do.
    let goes_on = journal.last_run().last() == Some(&Entry::Handover);
    if goes_on || !Plan::make(steps, machine)?.is_empty() {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        journal.add(Entry::Run { command: command.to_owned(), version, at })?;
    }
    let done = driver::execute(steps, machine, &mut journal, progress)?;
    if done.reboot_for.is_some() {
        // Settings are kept: whoever goes on after the restart needs no options.
        let words = [PROGRAM].into_iter().chain(command.split(' ')).chain(["--yes"]);
        let command: Vec<String> = words.map(str::to_owned).collect();
        let armed = reboot::arm(&mut Work::new(machine, &mut journal, progress, ARMED), &command);
        armed.map_err(|error| {
            error.with_detail("while the restart was prepared that the installation needs")
        })?;
    }
    Ok(done)
}
