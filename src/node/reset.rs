//! Makes a node what it was before: everything that the journal says is ours goes, in the order that is safe, and
//! nothing else does.
//!
//! Containers end before their mounts go, mounts before trees, so that no volume of somebody is emptied by the
//! way; a tree with something mounted in it is never removed. Like every change of a node it is a list of steps:
//! it can be shown before, ended at any instant and run again, and it is done when nothing is left to do.

mod containers;
mod files;
mod firewall;
mod kernel;
mod links;
mod mounts;
mod removal;
mod services;
mod trees;

use super::STATE_DIRECTORY;
use super::journal;
use super::lock;
use super::machine::{self, Machine};
use super::owned::{Owned, Possessions};
use super::settings;
use super::step::Step;
use crate::error::Result;

/// What is spared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    /// Data of the cluster, and the identity of the node in it.
    pub data: bool,
    /// The blobs of the registry.
    pub store: bool,
}

/// The steps that take everything away that is ours.
pub fn steps(possessions: &Possessions, data_directory: &str, spared: Spared) -> Vec<Box<dyn Step>> {
    let owned: Vec<Owned> = possessions.iter().rev().cloned().collect();
    let of_k3s = owned.iter().any(|owned| matches!(owned, Owned::Unit { name } if name.starts_with("k3s")));
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(services::Services::of(&owned))];
    if of_k3s {
        steps.push(Box::new(containers::Containers { data_directory: data_directory.to_owned() }));
        steps.push(Box::new(mounts::Mounts));
        steps.push(Box::new(links::Links));
        steps.push(Box::new(firewall::Firewall));
    }
    steps.push(Box::new(trees::Trees::of(&owned, data_directory, spared)));
    steps.push(Box::new(files::Files::of(&owned)));
    steps.push(Box::new(kernel::Kernel::of(&owned)));
    steps
}

/// Removes what is left of us when all steps are done: the journal, last of all. What was spared stays.
///
/// # Errors
/// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE).
pub fn forget(machine: &Machine) -> Result<()> {
    removal::tree(machine, &format!("{STATE_DIRECTORY}/replaced"))?;
    for path in [settings::PATH, "/var/lib/airlock/state.json", lock::PATH, journal::PATH] {
        removal::file(machine, path)?;
    }
    removal::empty_directory(machine, STATE_DIRECTORY)
}

/// Everything of the file system that is still there although it was ours; for the proof at the end.
///
/// # Errors
/// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE).
pub fn left_over(possessions: &Possessions, machine: &Machine) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for owned in possessions.iter() {
        let path = match owned {
            Owned::File { path } | Owned::Tree { path } => path,
            _ => continue,
        };
        if machine.metadata(path)?.is_some() {
            left.push(path.clone());
        }
    }
    Ok(left)
}

/// How an error about a path is made here as everywhere.
fn failed(action: &str, path: &str, error: std::io::Error) -> crate::error::Error {
    machine::failed(action, path, error)
}

#[cfg(test)]
mod tests;
