//! The step that installs packages for some purposes; see the [module](super) for what happens in which order.

use std::sync::Arc;
use std::time::Duration;

use super::{Database, Packages, call, hold, interrupted, judgement, locks};
use crate::bundle::manifest::apt::{self, Purpose};
use crate::debian::apt_get::AptGet;
use crate::debian::transaction::{self, Transaction};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Finished, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

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
        let database = Database::read(machine)?;
        judgement::judge(&transaction, &database)?;
        match finished.is_well() {
            true => Ok(transaction),
            false => Err(judgement::unplannable(&finished, &self.packages.apt, &database)),
        }
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
        judgement::check_holds(&missing)?;
        let wanted: Vec<String> = missing
            .iter()
            .map(|Missing { wanted, .. }| format!("{}={}", wanted.package, wanted.version))
            .collect();
        self.install(work, &apt, &wanted)?;
        Ok(Outcome::Done)
    }
}

/// Calls apt, and tells what it says if it fails.
pub(super) fn run(work: &Work<'_>, what: &str, call: Call) -> Result<Finished> {
    let finished = work.machine().run(&call.clone().within(call.deadline().min(work.time_left())))?;
    match finished.is_well() {
        true => Ok(finished),
        false => Err(judgement::refused(what, &finished)),
    }
}

fn in_words(transaction: &Transaction) -> String {
    let new = transaction.installs.iter().filter(|package| package.old.is_none()).count();
    let upgraded = transaction.installs.len() - new;
    format!("apt installs {new} packages and upgrades {upgraded}")
}
