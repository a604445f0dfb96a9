//! What an interrupted dpkg has left, and whether that was ours.
//!
//! Before apt unpacks anything its names are written down. If packages are half done later, and all of them are among
//! those names, it was a run of ours that was killed, and dpkg is told to go on. Anything else is not ours to mend.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{DIRECTORY, Database};
use crate::debian::transaction::{Transaction, Unpacked};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::node::machine::{Call, Machine};
use crate::node::work::Work;
use crate::quote::quote;

/// How long dpkg may take to configure what is unpacked; kernel modules may be built meanwhile.
const CONFIGURE: Duration = Duration::from_secs(30 * 60);

fn path() -> String {
    format!("{DIRECTORY}/transaction")
}

/// Packages that a run of ours has left half done.
pub(super) fn left_by_us(machine: &Machine, database: &Database) -> Result<Vec<String>> {
    let Some(text) = machine.read_text(&path())? else { return Ok(Vec::new()) };
    let ours: BTreeSet<&str> = text.lines().collect();
    Ok(database.unfinished().into_iter().filter(|name| ours.contains(name.as_str())).collect())
}

/// Writes down what apt is about to unpack.
pub(super) fn begin(work: &mut Work<'_>, transaction: &Transaction) -> Result<()> {
    let names = transaction.installs.iter().map(Unpacked::full_name);
    let text: String = names.map(|name| format!("{name}\n")).collect();
    work.write_file(&path(), text.as_bytes(), 0o644)
}

/// Everything is unpacked and configured.
///
/// # Errors
/// [`codes::PACKAGES_BROKEN`] if dpkg sees that otherwise.
pub(super) fn end(work: &mut Work<'_>) -> Result<()> {
    let unfinished = Database::read(work.machine())?.unfinished();
    if !unfinished.is_empty() {
        return Err(broken(&unfinished, "apt ended well, but dpkg is not through"));
    }
    work.remove_file(&path())
}

/// Brings to an end what a killed run of ours has left.
///
/// # Errors
/// [`codes::PACKAGES_BROKEN`] if packages are half done that are not ours.
pub(super) fn mend(work: &mut Work<'_>) -> Result<()> {
    let machine = work.machine();
    let database = Database::read(machine)?;
    let ours = left_by_us(machine, &database)?;
    let foreign: Vec<String> =
        database.unfinished().into_iter().filter(|name| !ours.contains(name)).collect();
    if !foreign.is_empty() {
        return Err(broken(&foreign, "packages of this machine are not installed properly"));
    }
    if ours.is_empty() && !database.is_torn {
        return Ok(());
    }
    work.note(&format!("an earlier run was interrupted; dpkg goes on with {} packages", ours.len()));
    // It cannot configure a package whose dependencies are not even unpacked; apt sees to those afterwards.
    let configure = Call::new("dpkg").with(["--force-confdef", "--force-confold", "--configure", "-a"]);
    let configure = configure.variable("DEBIAN_FRONTEND", "noninteractive").within(CONFIGURE);
    let finished = machine.run(&configure)?;
    if !finished.is_well() {
        let said = transcript::last_lines(&finished.errors).into_iter().last().unwrap_or_default();
        work.note(&format!("dpkg leaves the rest to apt: {said}"));
    }
    Ok(())
}

fn broken(names: &[String], message: &str) -> Error {
    let error = Error::new(codes::PACKAGES_BROKEN, format!("{message}: {}", quote(&names.join(", "))));
    error.with_help(
        "run `dpkg --configure -a` and `apt-get --fix-broken install`, then the same command again",
    )
}
