//! The step that installs packages for some purposes; see the [module](super) for what happens in which order.

use std::sync::Arc;
use std::time::Duration;

use super::{Database, Packages, call, hold, interrupted, locks};
use crate::bundle::manifest::apt::{self, Purpose};
use crate::debian::apt_get::AptGet;
use crate::debian::transaction::{self, Transaction, Unpacked};
use crate::debian::transcript;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Finished, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;
use crate::quote::quote;

/// How long others may work with dpkg before we give up: unattended-upgrades takes minutes.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How long all of it may take. Building kernel modules on a slow machine is the longest there is.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

/// Installs the packages for some purposes.
pub struct Install {
    name: &'static str,
    title: String,
    packages: Arc<Packages>,
    purposes: Vec<Purpose>,
    patience: Duration,
}

impl Install {
    /// A step of this name and heading.
    pub fn new(
        name: &'static str,
        title: impl Into<String>,
        packages: Arc<Packages>,
        purposes: Vec<Purpose>,
    ) -> Install {
        Install { name, title: title.into(), packages, purposes, patience: PATIENCE }
    }

    /// The same, which waits so long for others that work with dpkg.
    pub fn with_patience(self, patience: Duration) -> Install {
        Install { patience, ..self }
    }

    /// Whether the bundle has anything for these purposes.
    pub fn is_needed(&self) -> bool {
        self.packages.wanted(&self.purposes).next().is_some()
    }

    /// The packages that are not there, or older, each with the version that is.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn missing(&self, machine: &Machine) -> Result<Vec<Missing<'_>>> {
        let database = Database::read(machine)?;
        let native = self.packages.apt.platform.architecture();
        let missing = self.packages.wanted(&self.purposes).filter_map(|wanted| {
            let found = database.find(&wanted.package, native);
            let is_there =
                found.is_some_and(|entry| entry.is_finished() && entry.is_at_least(&wanted.version));
            (!is_there).then(|| Missing {
                wanted,
                old: found.map(|entry| entry.version.clone()),
                is_held: found.is_some_and(|entry| entry.is_held()),
            })
        });
        Ok(missing.collect())
    }

    fn install(&self, work: &mut Work<'_>, apt: &AptGet, wanted: &[String]) -> Result<()> {
        let machine = work.machine();
        let output = run(work, "read the repository of the bundle", call(apt.update()))
            .and_then(|_| self.simulate(machine, apt, wanted))?;
        for package in output.installs.iter().filter(|package| package.old.is_none()) {
            work.own(Owned::Package { name: package.full_name() })?;
        }
        interrupted::begin(work, &output)?;
        work.note(&in_words(&output));
        run(work, "install the packages", call(apt.install(wanted)).within(DEADLINE))?;
        interrupted::end(work)
    }

    /// What apt would do, if that may be done.
    fn simulate(&self, machine: &Machine, apt: &AptGet, wanted: &[String]) -> Result<Transaction> {
        let finished = machine.run(&call(apt.simulate(wanted)))?;
        let transaction = transaction::parse(&finished.output);
        judge(&transaction, &Database::read(machine)?)?;
        match finished.is_well() {
            true => Ok(transaction),
            false => Err(self.unplannable(&finished)),
        }
    }
}

impl Install {
    /// apt sees no way: what the bundle was made for is not what is here.
    fn unplannable(&self, finished: &Finished) -> Error {
        let baseline = &self.packages.apt.baseline;
        let error = refused("plan the installation", finished)
            .with_detail(format!("the bundle assumes that nodes have the packages of `{}`", quote(baseline)));
        let status = "with what this machine has, `baseline: {status: FILE}` and its /var/lib/dpkg/status";
        error.with_help(match baseline.as_str() {
            "essential" => format!("build the bundle anew {status}"),
            _ => format!("build the bundle anew with `baseline: essential`, or {status}"),
        })
    }
}

/// A package that is not there, or older.
#[derive(Clone, Debug)]
pub struct Missing<'a> {
    /// The one that should be there.
    pub wanted: &'a apt::Install,
    /// The version that is.
    pub old: Option<String>,
    /// Whether the administrator keeps it at that.
    pub is_held: bool,
}

impl Packages {
    /// What is installed by name for some purposes, in the order of the bundle.
    pub(super) fn wanted<'a>(&'a self, purposes: &'a [Purpose]) -> impl Iterator<Item = &'a apt::Install> {
        self.apt.install.iter().filter(|install| purposes.contains(&install.purpose))
    }
}

impl Step for Install {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn deadline(&self) -> Duration {
        DEADLINE + self.patience
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let left = interrupted::left_by_us(machine, &Database::read(machine)?)?;
        let detail = format!("an earlier run was interrupted: {}", left.join(", "));
        let mend = Change::new(Verb::Run, "dpkg --configure -a").with_detail(detail);
        let mut changes: Vec<Change> = (!left.is_empty()).then_some(mend).into_iter().collect();
        let missing = self.missing(machine)?;
        if !missing.is_empty() {
            changes.extend(self.packages.check_repository(machine)?);
        }
        changes.extend(missing.into_iter().map(|Missing { wanted, old, .. }| {
            let old =
                old.filter(|old| *old != wanted.version).map(|old| format!("{old} to ")).unwrap_or_default();
            Change::new(Verb::Install, &wanted.package).with_detail(format!("{old}{}", wanted.version))
        }));
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        locks::wait(work, self.patience)?;
        let apt = self.packages.apt_get();
        self.packages.make_repository(work, &apt)?;
        interrupted::mend(work, &self.packages)?;
        let names: Vec<String> =
            self.packages.wanted(&self.purposes).map(|wanted| wanted.package.clone()).collect();
        hold::release(work, &names)?;
        let missing = self.missing(work.machine())?;
        check_holds(&missing)?;
        let wanted: Vec<String> = missing
            .iter()
            .map(|Missing { wanted, .. }| format!("{}={}", wanted.package, wanted.version))
            .collect();
        self.install(work, &apt, &wanted)?;
        Ok(Outcome::Done)
    }
}

fn run(work: &Work<'_>, what: &str, call: crate::node::machine::Call) -> Result<Finished> {
    let finished = work.machine().run(&call.clone().within(call.deadline().min(work.time_left())))?;
    match finished.is_well() {
        true => Ok(finished),
        false => Err(refused(what, &finished)),
    }
}

fn check_holds(missing: &[Missing<'_>]) -> Result<()> {
    let held: Vec<&str> = missing
        .iter()
        .filter(|missing| missing.is_held)
        .map(|missing| missing.wanted.package.as_str())
        .collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(is_held(&held)),
    }
}

fn is_held(names: &[&str]) -> Error {
    let names = quote(&names.join(" "));
    let message = format!("packages of this machine are held at a version that is too old: {names}");
    Error::new(codes::PACKAGES_HELD, message).with_help(format!(
        "if they may be upgraded, `apt-mark unhold {names}`, then run the same command again"
    ))
}

/// Whether apt may do that: nothing is removed, becomes older, or changes that the administrator holds.
fn judge(transaction: &Transaction, database: &Database) -> Result<()> {
    let installs = || transaction.installs.iter();
    if !transaction.removals.is_empty() {
        let removed = quote(&transaction.removals.join(" "));
        let message = format!("apt would have to remove packages of this machine: {removed}");
        return Err(Error::new(codes::PACKAGES_REFUSED, message).with_help(format!(
            "if nobody needs them, `apt-get remove {removed}`, then run the same command again; else leave out \
             of bundle.yaml what conflicts with them"
        )));
    }
    let older: Vec<&Unpacked> = installs().filter(|package| package.is_downgrade()).collect();
    if !older.is_empty() {
        let error = Error::new(codes::PACKAGES_REFUSED, "apt would have to replace packages by older ones")
            .with_help("build the bundle anew, with the status of this machine as baseline: `baseline: {status: FILE}`");
        return Err(older.into_iter().fold(error, |error, package| {
            let old = package.old.as_deref().unwrap_or_default();
            error.with_detail(format!(
                "{}: {} is here, {} in the bundle",
                package.full_name(),
                old,
                package.new
            ))
        }));
    }
    let entry = |package: &Unpacked| database.find(&package.full_name(), "").cloned();
    let held: Vec<String> =
        installs().filter_map(entry).filter(|entry| entry.is_held()).map(|entry| entry.name).collect();
    match held.is_empty() {
        true => Ok(()),
        false => Err(is_held(&held.iter().map(String::as_str).collect::<Vec<_>>())),
    }
}

fn in_words(transaction: &Transaction) -> String {
    let new = transaction.installs.iter().filter(|package| package.old.is_none()).count();
    let upgraded = transaction.installs.len() - new;
    format!("apt installs {new} packages and upgrades {upgraded}")
}

fn refused(what: &str, finished: &Finished) -> Error {
    let said = format!("{}{}", finished.output, finished.errors);
    let blamed = transcript::blamed(&said);
    let because = match blamed.is_empty() {
        true => String::new(),
        false => format!(" because of {}", quote(&blamed.join(", "))),
    };
    let error = Error::new(codes::PACKAGES_REFUSED, format!("apt failed to {what}{because}"))
        .with_help("mend what it says, then run the same command again; it continues");
    transcript::last_lines(&said).into_iter().fold(error, Error::with_detail)
}
