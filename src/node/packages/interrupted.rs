//! What an interrupted dpkg has left, and whether that was ours.
//!
//! Before apt unpacks anything its names are written down. If packages are half done later, and all of them are among
//! those names, it was a run of ours that was killed, and dpkg is told to go on. Anything else is not ours to mend.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{DIRECTORY, Database, Entry, Packages};
use crate::debian::transaction::{Transaction, Unpacked};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::node::machine::{Call, Machine};
use crate::node::work::Work;
use crate::quote::quote;

/// How long dpkg may take to go on; kernel modules may be built meanwhile.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

fn path() -> String {
    format!("{DIRECTORY}/transaction")
}

/// Packages that a run of ours has left half done.
pub(super) fn left_by_us(machine: &Machine, database: &Database) -> Result<Vec<String>> {
    let Some(text) = machine.read_text(&path())? else { return Ok(Vec::new()) };
    let ours: BTreeSet<&str> = text.lines().collect();
    Ok(database.unfinished().into_iter().filter(|name| ours.contains(name.as_str())).collect())
}

/// Writes down what apt is about to unpack, besides what an earlier run had begun: it may not be configured yet.
pub(super) fn begin(work: &mut Work<'_>, transaction: &Transaction) -> Result<()> {
    let earlier = work.machine().read_text(&path())?.unwrap_or_default();
    let names =
        earlier.lines().map(str::to_owned).chain(transaction.installs.iter().map(Unpacked::full_name));
    let names: BTreeSet<String> = names.collect();
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
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

/// Brings to an end what a killed run of ours has left. The repository is there already.
///
/// # Errors
/// [`codes::PACKAGES_BROKEN`] if packages are half done that are not ours.
pub(super) fn mend(work: &mut Work<'_>, packages: &Packages) -> Result<()> {
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
    let halves = packages.archives_of(&database, &ours);
    if !halves.is_empty() {
        work.run(dpkg("--unpack").with(halves))?;
    }
    // It cannot configure a package whose dependencies are not even unpacked; apt sees to those afterwards.
    let finished = machine.run(&dpkg("--configure").with(["-a"]))?;
    if !finished.is_well() {
        let said = transcript::last_lines(&finished.errors).into_iter().last().unwrap_or_default();
        work.note(&format!("dpkg leaves the rest to apt: {said}"));
    }
    Ok(())
}

impl Packages {
    /// The archives of those among `names` of which only a part is unpacked. apt would take them for installed.
    fn archives_of(&self, database: &Database, names: &[String]) -> Vec<String> {
        let is_half = |name: &&String| database.find(name, "").is_some_and(Entry::is_half_unpacked);
        let archive = |name: &String| {
            let package = self.apt.packages.iter().find(|package| {
                name.split_once(':') == Some((package.name.as_str(), package.architecture.as_str()))
            })?;
            Some(self.path_of(&package.path))
        };
        names.iter().filter(is_half).filter_map(archive).collect()
    }
}

fn dpkg(action: &str) -> Call {
    let call = Call::new("dpkg").with(["--force-confdef", "--force-confold", action]);
    call.variable("DEBIAN_FRONTEND", "noninteractive").within(DEADLINE)
}

fn broken(names: &[String], message: &str) -> Error {
    let error = Error::new(codes::PACKAGES_BROKEN, format!("{message}: {}", quote(&names.join(", "))));
    error.with_help(
        "run `dpkg --configure -a` and `apt-get --fix-broken install`, then the same command again",
    )
}
