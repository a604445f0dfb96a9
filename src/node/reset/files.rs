//! Files, links, lines and directories of ours, the newest first; what was in the way comes back.

use std::os::unix::fs::MetadataExt as _;

use super::{Reset, removal};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::install::PROGRAM;
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{Block, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::{Work, replaced};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// The step that removes them.
pub(super) struct Files {
    owned: Vec<Owned>,
}

impl Files {
    /// Files first, the program that can do the rest behind them, and then the directories that they were in.
    pub(super) fn of(reset: &Reset) -> Files {
        let is_spared = |owned: &Owned| owned.path().is_some_and(|path| reset.spares(path));
        let is_file = |owned: &&Owned| {
            matches!(
                owned,
                Owned::File { .. } | Owned::Replaced { .. } | Owned::Block { .. } | Owned::Directory { .. }
            )
        };
        let files = reset.owned.iter().rev().filter(is_file).filter(|owned| !is_spared(owned));
        let mut owned: Vec<Owned> = files.cloned().collect();
        owned.sort_by_key(|owned| match owned {
            Owned::Directory { .. } => 2,
            owned if owned.path() == Some(PROGRAM) => 1,
            _ => 0,
        });
        Files { owned }
    }
}

/// What is to be done about one thing.
fn change(machine: &Machine, owned: &Owned) -> Result<Option<Change>> {
    match owned {
        Owned::File { path } => {
            Ok(machine.metadata(path)?.is_some().then(|| Change::new(Verb::Remove, path)))
        }
        Owned::Replaced { path, original, mode, owner } => {
            let is_done =
                is_original(machine, path, original, *mode, *owner)? || is_given_up(machine, path, original)?;
            Ok((!is_done).then(|| Change::new(Verb::Replace, path).with_detail("by what was there before")))
        }
        Owned::Block { path } => {
            let change = Block { path: path.clone(), lines: String::new() }.check(machine)?;
            Ok(change.map(|_| Change::new(Verb::Remove, path).with_detail("only our lines in it")))
        }
        Owned::Directory { path } => {
            let change = || Change::new(Verb::Remove, path).with_detail("directory");
            Ok(removal::is_empty_directory(machine, path).then(change))
        }
        _ => Ok(None),
    }
}

fn is_original(
    machine: &Machine,
    path: &str,
    original: &Digest,
    mode: u32,
    owner: (u32, u32),
) -> Result<bool> {
    let Some(found) = machine.metadata(path)? else { return Ok(false) };
    let is_as_before = found.mode() & 0o7777 == mode && (found.uid(), found.gid()) == owner;
    Ok(is_as_before && machine.read(path)?.is_some_and(|content| Digest::of(&content) == *original))
}

/// The original is lost, and the administrator has removed what we had put in its place; or it was part of a package
/// that is gone with its directory.
fn is_given_up(machine: &Machine, path: &str, original: &Digest) -> Result<bool> {
    let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let has_place = directory.is_empty() || machine.metadata(directory)?.is_some();
    Ok(!has_place || machine.metadata(path)?.is_none() && machine.metadata(&replaced(original))?.is_none())
}

fn undo(work: &mut Work<'_>, owned: &Owned) -> Result<()> {
    let machine = work.machine();
    match owned {
        Owned::File { path } => work.remove_file(path),
        Owned::Replaced { path, original, mode, owner } => {
            if is_original(machine, path, original, *mode, *owner)? || is_given_up(machine, path, original)? {
                return Ok(());
            }
            let kept = machine.read(&replaced(original))?.filter(|kept| Digest::of(kept) == *original);
            let kept = kept.ok_or_else(|| {
                Error::new(
                    codes::NODE_ORIGINAL_MISSING,
                    format!("what was at `{}` before is lost", quote(path)),
                )
                .with_help(format!(
                    "write the file anew, or remove it: `rm {path}`; then run the same command again"
                ))
            })?;
            work.put_back(path, &kept, *mode, *owner)
        }
        Owned::Block { path } => {
            let block = Block { path: path.clone(), lines: String::new() };
            if block.check(machine)?.is_some() { block.make(work) } else { Ok(()) }
        }
        Owned::Directory { path } => removal::empty_directory(machine, path),
        _ => Ok(()),
    }
}

impl Step for Files {
    fn name(&self) -> &'static str {
        names::RESET_FILES
    }

    fn title(&self) -> String {
        "Remove files, and put back what was there before".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        self.owned.iter().filter_map(|owned| change(machine, owned).transpose()).collect()
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for owned in &self.owned {
            undo(work, owned)?;
            // A directory that is not empty may be so when what is in it goes as well.
            let is_left =
                matches!(owned, Owned::Directory { path } if work.machine().metadata(path)?.is_some());
            if !is_left {
                work.disown(owned.clone())?;
            }
        }
        // Units are among the files. Where there is no systemd, there is nothing to tell.
        let reload = work.machine().run(&Call::new("systemctl").with(["daemon-reload"]));
        match reload {
            Err(error) if error.code() != codes::NODE_PROGRAM_MISSING => Err(error),
            _ => Ok(Outcome::Done),
        }
    }
}
