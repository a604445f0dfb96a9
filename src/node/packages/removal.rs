//! Removing the packages that were not there before us; for the reset, where that is asked for.

use std::time::Duration;

use serde::Serialize;

use super::{Database, call};
use crate::debian::apt_get::AptGet;
use crate::debian::transaction;
use crate::error::{Error, Result, codes};
use crate::node::machine::{Call, Machine};
use crate::node::owned::{Owned, Possessions};
use crate::quote::quote;

/// How long removing may take.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What becomes of the packages that are there because of us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Those that go, with their configuration.
    pub gone: Vec<String>,
    /// Those that stay, since packages of others need them.
    pub needed: Vec<Needed>,
}

/// A package of ours that others need by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// Its name.
    pub name: String,
    /// A package that was there before us, or came later.
    pub by: String,
}

impl Removal {
    /// Asks apt what it would remove. The packages of a journal that are not there any more count for nothing.
    ///
    /// # Errors
    /// [`codes::PACKAGES_REMOVAL`] if apt cannot say.
    pub fn of(machine: &Machine, owned: &Possessions) -> Result<Removal> {
        let database = Database::read(machine)?;
        let ours = owned.iter().filter_map(|owned| match owned {
            Owned::Package { name } => Some(name.clone()),
            _ => None,
        });
        let ours: Vec<String> = ours.filter(|name| database.find(name, "").is_some()).collect();
        if ours.is_empty() || others(machine, &ours, &ours)?.is_empty() {
            return Ok(Removal { gone: ours, needed: Vec::new() });
        }
        let removal = one_by_one(machine, &ours)?;
        match others(machine, &removal.gone, &removal.gone)?.as_slice() {
            [] => Ok(removal),
            others => Err(refused(others)),
        }
    }

    /// What removes them.
    pub fn call(&self) -> Option<Call> {
        if self.gone.is_empty() {
            return None;
        }
        let purge = Call::new("dpkg").with(["--purge"]).with(without_all(&self.gone));
        Some(purge.variable("DEBIAN_FRONTEND", "noninteractive").within(DEADLINE))
    }
}

/// Tells those that others need from the rest, by asking for each of them.
fn one_by_one(machine: &Machine, ours: &[String]) -> Result<Removal> {
    let mut removal = Removal::default();
    for name in ours {
        match others(machine, std::slice::from_ref(name), ours)?.first() {
            Some(by) => removal.needed.push(Needed { name: name.clone(), by: by.clone() }),
            None => removal.gone.push(name.clone()),
        }
    }
    Ok(removal)
}

/// For simulations only: removing takes no repository. Nothing of ours is at its places, nor need it be: a reset asks
/// again when the repository is gone.
fn apt_get() -> AptGet {
    AptGet { directory: "/run".into(), recommends: false, status: None }
}

/// The architecture `all` is never named.
fn without_all(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.strip_suffix(":all").unwrap_or(name).to_owned()).collect()
}

/// What apt would remove together with `names` that is not among `ours`.
fn others(machine: &Machine, names: &[String], ours: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let finished = machine.run(&call(apt_get().simulate_purge(&without_all(names))))?;
    if !finished.is_well() {
        let said = crate::debian::transcript::last_lines(&format!("{}{}", finished.output, finished.errors));
        let error = Error::new(codes::PACKAGES_REMOVAL, "apt cannot remove the packages of the bundle")
            .with_help("mend what it says, or leave the packages on the node");
        return Err(said.into_iter().fold(error, Error::with_detail));
    }
    let is_ours = |name: &String| {
        let without = |own: &String| own.split(':').next() == name.split(':').next();
        ours.iter().any(|own| own == name || (!name.contains(':') && without(own)))
    };
    let removals = transaction::parse(&finished.output).removals;
    Ok(removals.into_iter().filter(|name| !is_ours(name)).collect())
}

fn refused(others: &[String]) -> Error {
    let others = quote(&others.join(" "));
    let message =
        format!("with the packages of the bundle apt would remove {others}, which airlock did not install");
    Error::new(codes::PACKAGES_REMOVAL, message).with_help(format!(
        "remove them yourself, `apt-get remove {others}`, or leave the packages on the node"
    ))
}
