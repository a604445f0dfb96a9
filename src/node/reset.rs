//! Makes a node what it was before: everything that the journal says is ours goes, in the order that is safe, and
//! nothing else does.
//!
//! Containers end before their mounts go, mounts before trees, so that no volume of somebody is emptied by the
//! way; a tree with something mounted in it is never removed. The program goes after everything but the
//! directories, the journal last of all. Like every change of a node it is a list of steps: it can be shown before,
//! ended at any instant and run again. The last step proves the result before it forgets: it asks every other one
//! whether there is anything left to do.

mod address;
mod containers;
mod driver;
mod files;
mod firewall;
mod forget;
mod holds;
mod kept;
mod kernel;
mod links;
mod marked;
pub mod membership;
mod mounts;
mod nouveau;
mod packages;
mod removal;
mod services;
mod trees;

use std::net::IpAddr;

pub use self::kept::Kept;
use super::STATE_DIRECTORY;
use super::availability;
use super::disk_usage;
use super::journal::Journal;
use super::k3s::paths;
use super::machine::{self, Machine};
use super::nvidia;
use super::owned::{Owned, Possessions};
use super::plan::Plan;
use super::registry::STORE;
use super::settings::{self, Settings};
use super::step::{Step, names};
use crate::error::Result;

/// Where the identity of a node in its cluster lies.
const IDENTITY: &str = "/etc/rancher/node";

/// What is spared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    /// Data of the cluster, what they can be read with, and the identity of the node in it.
    pub data: bool,
    /// The blobs of the registry.
    pub store: bool,
    /// Packages and drivers that were installed.
    pub packages: bool,
}

/// A reset: of what, and how far.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Everything that is ours.
    pub owned: Possessions,
    /// Where k3s keeps its data.
    pub data_directory: String,
    /// The virtual address, if this node may hold it because of us.
    pub virtual_address: Option<IpAddr>,
    /// What stays.
    pub spared: Spared,
}

impl Reset {
    /// What there is to reset on a machine: what the journal lists, and what `preflight --fix` has made without one.
    /// Nothing where airlock has never been.
    ///
    /// # Errors
    /// [`codes::NODE_JOURNAL`](crate::error::codes::NODE_JOURNAL),
    /// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE).
    pub fn of(machine: &Machine, spared: Spared) -> Result<Option<Reset>> {
        let mut owned = Journal::possessions(machine)?;
        marked::add(&mut owned, machine)?;
        if owned.is_empty() && machine.metadata(STATE_DIRECTORY)?.is_none() {
            return Ok(None);
        }
        // Settings that cannot be understood must not keep anybody from getting rid of them.
        let settings = machine.read(settings::PATH)?.and_then(|bytes| Settings::parse(&bytes).ok());
        let Settings { data_directory, virtual_address, .. } = settings.unwrap_or_default();
        let virtual_address = virtual_address.and_then(|setting| setting.address());
        let virtual_address = virtual_address.filter(|_| availability::may_hold(&owned));
        Ok(Some(Reset { owned, data_directory, virtual_address, spared }))
    }

    /// The steps that take everything away, and prove it.
    pub fn steps(&self) -> Vec<Box<dyn Step>> {
        let mut steps = self.undoing();
        steps.push(Box::new(forget::Forget { reset: self.clone() }));
        steps
    }

    /// What the steps would change now, with the sizes of what would be lost.
    ///
    /// # Errors
    /// Those of [`Plan::make`].
    pub fn plan(&self, machine: &Machine) -> Result<Plan> {
        let mut plan = Plan::make(&self.steps(), machine)?;
        let trees = plan.steps.iter_mut().filter(|step| step.name == names::RESET_TREES);
        for change in trees.flat_map(|step| &mut step.changes) {
            change.bytes = Some(disk_usage::of_tree(&machine.path(&change.what)));
        }
        Ok(plan)
    }

    /// What of ours would stay on the machine, and why.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE), and those of [`Removal::of`](super::packages::Removal::of).
    pub fn kept(&self, machine: &Machine) -> Result<Vec<Kept>> {
        kept::kept(self, machine)
    }

    /// Directories of ours that have stayed, when the reset is done: others have files there.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE).
    pub fn filled_directories(&self, machine: &Machine) -> Result<Vec<Kept>> {
        kept::filled(self, machine)
    }

    /// All steps but the proof.
    fn undoing(&self) -> Vec<Box<dyn Step>> {
        let owned: Vec<Owned> = self.owned.iter().rev().cloned().collect();
        let data_directory = || self.data_directory.clone();
        let mut steps: Vec<Box<dyn Step>> = vec![Box::new(services::Services::of(&owned))];
        if self.has_k3s() {
            steps.push(Box::new(containers::Containers { data_directory: data_directory() }));
            steps.push(Box::new(mounts::Mounts));
            steps.push(Box::new(firewall::Firewall { data_directory: data_directory() }));
        }
        steps.extend(
            self.virtual_address.map(|address| Box::new(address::Address { address }) as Box<dyn Step>),
        );
        steps.push(Box::new(links::Links { of_k3s: self.has_k3s() }));
        steps.push(Box::new(holds::Holds::of(&owned)));
        if !self.spared.packages {
            steps.push(Box::new(packages::Packages { owned: self.owned.clone() }));
            steps.push(Box::new(driver::Driver::of(&owned)));
        }
        steps.push(Box::new(trees::Trees::of(self)));
        if self.owned.has_file(nvidia::nouveau::PATH) {
            steps.push(Box::new(nouveau::Nouveau));
        }
        steps.push(Box::new(kernel::Kernel::of(&owned)));
        steps.push(Box::new(files::Files::of(self)));
        steps
    }

    fn has_k3s(&self) -> bool {
        self.owned.iter().any(|owned| matches!(owned, Owned::Unit { name } if name.starts_with("k3s")))
    }

    /// Whether a file or directory stays because that was asked for.
    fn spares(&self, path: &str) -> bool {
        // Data of a server are encrypted with the token, and its networks are among the settings.
        let data = [self.data_directory.as_str(), IDENTITY, paths::TOKEN, settings::PATH];
        self.spared.data && data.contains(&path) || self.spared.store && path == STORE
    }

    /// Whether something that stays lies in a directory.
    fn holds_spared(&self, directory: &str) -> bool {
        let is_inside = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        self.owned.iter().filter_map(Owned::path).any(|path| self.spares(path) && is_inside(path))
    }
}

/// How an error about a path is made here as everywhere.
fn failed(action: &str, path: &str, error: std::io::Error) -> crate::error::Error {
    machine::failed(action, path, error)
}

#[cfg(test)]
mod tests;
