//! What a step changes the world with. Everything that becomes ours is in the journal before it is made.

mod files;

use std::time::{Duration, Instant};

pub use self::files::replaced;
use super::journal::{Entry, Journal};
use super::machine::{Call, Finished, Machine};
use super::owned::{Owned, Possessions};
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress};

/// How often the world is looked at by [`Work::wait_for`].
const INTERVAL: Duration = Duration::from_millis(200);

/// The hands of a step.
pub struct Work<'a> {
    machine: &'a Machine,
    journal: &'a mut Journal,
    progress: &'a dyn Progress,
    end: Instant,
}

impl<'a> Work<'a> {
    /// For one step, which may take `deadline`.
    pub fn new(
        machine: &'a Machine,
        journal: &'a mut Journal,
        progress: &'a dyn Progress,
        deadline: Duration,
    ) -> Work<'a> {
        Work { machine, journal, progress, end: Instant::now() + deadline }
    }

    /// The machine that is changed.
    pub fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// Who hears about the work.
    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// What is left of the time of the step.
    pub fn time_left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Tells the user what was done on the way.
    pub fn note(&self, text: &str) {
        self.progress.event(Event::Note { text });
    }

    /// Tells the user something that deserves attention.
    pub fn warn(&self, text: &str) {
        self.progress.event(Event::Warning { text });
    }

    /// Records that something is about to be made that is ours from then on.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn own(&mut self, owned: Owned) -> Result<()> {
        self.journal.own(owned)
    }

    /// Records that a directory or file, which somebody is about to make for us, is ours with everything that will
    /// be in it. One that was there before us is not.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn own_tree(&mut self, path: &str) -> Result<()> {
        self.make_directories_above(path)?;
        let made = Owned::Directory { path: path.to_owned() };
        let is_ours = self.journal.owned().iter().any(|owned| *owned == made);
        match self.machine.metadata(path)? {
            Some(_) if !is_ours => Ok(()),
            _ => self.own(Owned::Tree { path: path.to_owned() }),
        }
    }

    /// What is ours.
    pub fn owned(&self) -> &Possessions {
        self.journal.owned()
    }

    /// Records that something of ours is gone, or was given back.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn disown(&mut self, owned: Owned) -> Result<()> {
        let is_known = self.journal.owned().iter().any(|known| *known == owned);
        match is_known {
            true => self.journal.add(Entry::Disowns { owned }),
            false => Ok(()),
        }
    }

    /// Runs a program that has to end well, within its own deadline and that of the step.
    ///
    /// # Errors
    /// As for [`Machine::run_well`].
    pub fn run(&self, call: Call) -> Result<Finished> {
        let deadline = call.deadline().min(self.time_left());
        self.machine.run_well(&call.within(deadline))
    }

    /// Waits until `look` finds what it looks for, `what` it is for messages. `look` says what it sees instead.
    ///
    /// # Errors
    /// Those of `look`; [`codes::NODE_DEADLINE`] with what was seen last.
    pub fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut() -> Result<Result<T, String>>,
    ) -> Result<T> {
        let end = Instant::now() + deadline.min(self.time_left());
        loop {
            let seen = match look()? {
                Ok(found) => return Ok(found),
                Err(seen) => seen,
            };
            if Instant::now() >= end {
                let message = format!("waited {} s in vain for {what}", deadline.as_secs());
                return Err(Error::new(codes::NODE_DEADLINE, message)
                    .with_detail(format!("last seen: {seen}"))
                    .with_help("see what keeps it, then run the same command again; it continues"));
            }
            std::thread::sleep(INTERVAL);
        }
    }
}
