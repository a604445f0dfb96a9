//! Removing the packages that were not there before us; for the reset, where that is asked for.

use std::time::Duration;

use super::{DIRECTORY, Database, call};
use crate::debian::apt_get::AptGet;
use crate::debian::transaction;
use crate::error::{Error, Result, codes};
use crate::node::machine::{Call, Machine};
use crate::node::owned::{Owned, Possessions};
use crate::quote::quote;

/// How long removing may take.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The calls that remove our packages with their configuration, and let the others that we hold be upgraded again,
/// in their order. apt simulates it now.
///
/// # Errors
/// [`codes::PACKAGES_REMOVAL`] if packages that were there before, or came later, would be removed as well, or apt
/// cannot say.
pub fn removal(machine: &Machine, owned: &Possessions) -> Result<Vec<Call>> {
    let database = Database::read(machine)?;
    let held = owned.iter().filter_map(|owned| match owned {
        Owned::Hold { name } => Some(name.clone()),
        _ => None,
    });
    let held: Vec<String> = held.filter(|name| database.has(name)).collect();
    let ours = owned.iter().filter_map(|owned| match owned {
        Owned::Package { name } => Some(name.clone()),
        _ => None,
    });
    let ours: Vec<String> = ours.filter(|name| database.find(name, "").is_some()).collect();
    let mut calls = Vec::new();
    if !held.is_empty() {
        calls.push(Call::new("apt-mark").with(["unhold"]).with(held));
    }
    if !ours.is_empty() {
        let names = without_all(&ours);
        check(machine, &ours, &names)?;
        let purge = Call::new("dpkg").with(["--purge"]).with(names);
        calls.push(purge.variable("DEBIAN_FRONTEND", "noninteractive").within(DEADLINE));
    }
    Ok(calls)
}

/// For simulations only: removing takes no repository.
fn apt_get() -> AptGet {
    AptGet { directory: DIRECTORY.into(), recommends: false, status: None }
}

/// The architecture `all` is never named.
fn without_all(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.strip_suffix(":all").unwrap_or(name).to_owned()).collect()
}

fn check(machine: &Machine, ours: &[String], names: &[String]) -> Result<()> {
    let finished = machine.run(&call(apt_get().simulate_purge(names)))?;
    let removals = transaction::parse(&finished.output).removals;
    if !finished.is_well() {
        let said = crate::debian::transcript::last_lines(&format!("{}{}", finished.output, finished.errors));
        let error = Error::new(codes::PACKAGES_REMOVAL, "apt cannot remove the packages of the bundle")
            .with_help("mend what it says, or leave the packages on the node");
        return Err(said.into_iter().fold(error, Error::with_detail));
    }
    let is_ours = |name: &&String| {
        let without = |own: &String| own.split(':').next() == name.split(':').next();
        ours.iter().any(|own| own == *name || (!name.contains(':') && without(own)))
    };
    let others: Vec<String> = removals.iter().filter(|name| !is_ours(name)).cloned().collect();
    if others.is_empty() {
        return Ok(());
    }
    let others = quote(&others.join(" "));
    let message =
        format!("with the packages of the bundle apt would remove {others}, which airlock did not install");
    Err(Error::new(codes::PACKAGES_REMOVAL, message).with_help(format!(
        "remove them yourself, `apt-get remove {others}`, or leave the packages on the node"
    )))
}
