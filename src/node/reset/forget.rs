//! The last step: proves that nothing is left, and removes the record of the node.

use super::{Reset, failed, removal};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::journal::{self, Journal};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::node::{STATE_DIRECTORY, lock};
use crate::quote::escape;

/// How many leftovers an error names.
const TOLD: usize = 20;

/// The step that does so. As long as data or store are spared the journal stays as well, so that a later reset
/// knows whose they are.
pub(super) struct Forget {
    pub(super) reset: Reset,
}

impl Forget {
    /// What the journal goes on to list: what is spared, and the directories that it lies in.
    fn stays(&self, machine: &Machine, owned: &Owned) -> Result<bool> {
        match owned {
            Owned::Tree { path } | Owned::File { path } => {
                Ok(self.reset.spares(path) && machine.metadata(path)?.is_some())
            }
            Owned::Directory { path } => Ok(self.reset.holds_spared(path)),
            _ => Ok(false),
        }
    }

    /// Everything that should be gone and is not.
    fn left(&self, work: &Work<'_>) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for step in self.reset.undoing() {
            left.extend(step.check(work.machine())?.iter().map(Change::to_string));
        }
        // What somebody has installed while we waited for the lock was in no plan.
        let planned = |owned: &&Owned| self.reset.owned.iter().any(|known| known == *owned);
        let later = work.owned().iter().filter(|owned| !planned(owned));
        left.extend(
            later.map(|owned| owned.path().unwrap_or("a unit or package that came later").to_owned()),
        );
        Ok(left)
    }

    /// Everything below our own directory but what is spared and the journal.
    fn remains(&self, machine: &Machine) -> Result<Vec<String>> {
        let unreadable = |error| failed("read", STATE_DIRECTORY, error);
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(machine.path(STATE_DIRECTORY)).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            paths.push(format!("{STATE_DIRECTORY}/{}", name.to_string_lossy()));
        }
        paths.retain(|path| path != journal::PATH && path != lock::PATH && !self.reset.spares(path));
        Ok(paths)
    }

    fn has_spared(&self, machine: &Machine) -> Result<bool> {
        for owned in self.reset.owned.iter() {
            if self.stays(machine, owned)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Step for Forget {
    fn name(&self) -> &'static str {
        names::RESET_RECORD
    }

    fn title(&self) -> String {
        "Check that nothing is left, and forget the node".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        if !self.has_spared(machine)? {
            if machine.metadata(STATE_DIRECTORY)?.is_some() {
                changes.push(Change::new(Verb::Remove, STATE_DIRECTORY).with_detail("record of the node"));
            }
            return Ok(changes);
        }
        for owned in Journal::possessions(machine)?.iter() {
            if !self.stays(machine, owned)? {
                let detail = "all but what is spared";
                changes.push(Change::new(Verb::Replace, journal::PATH).with_detail(detail));
                break;
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        let left = self.left(work)?;
        if !left.is_empty() {
            return Err(not_gone(&left));
        }
        for path in self.remains(machine)? {
            removal::tree(machine, &path)?;
        }
        if self.has_spared(machine)? {
            let all: Vec<Owned> = work.owned().iter().cloned().collect();
            for owned in all {
                if !self.stays(machine, &owned)? {
                    work.disown(owned)?;
                }
            }
            return Ok(Outcome::Done);
        }
        for path in [lock::PATH, journal::PATH] {
            removal::file(machine, path)?;
        }
        removal::empty_directory(machine, STATE_DIRECTORY)?;
        Ok(Outcome::Done)
    }
}

fn not_gone(left: &[String]) -> Error {
    let message = "the reset has done everything, but something of airlock is still there";
    let error = Error::new(codes::RESET_LEFTOVERS, message).with_help(
        "see who makes it again or holds it, such as a configuration management; then run the same command again",
    );
    let told = left.iter().take(TOLD);
    let error = told.fold(error, |error, left| error.with_detail(format!("still to do: {}", escape(left))));
    match left.len().saturating_sub(TOLD) {
        0 => error,
        more => error.with_detail(format!("and {more} more")),
    }
}
