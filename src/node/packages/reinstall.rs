//! Unpacks packages again whose files were damaged, from the repository of the bundle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::install::run;
use super::{Database, Modified, Packages, call, hold, interrupted, judgement, locks};
use crate::debian::transaction;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How long others may work with dpkg before we give up.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How long it may take; scripts of packages may build kernel modules.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

/// The step that unpacks packages again.
pub struct Reinstall {
    packages: Arc<Packages>,
    /// Full names and versions of what was found modified and is in the bundle.
    names: BTreeSet<(String, String)>,
}

impl Reinstall {
    /// For those of `modified` that the bundle has; nothing if there are none.
    pub fn of(packages: &Arc<Packages>, modified: &[Modified]) -> Option<Reinstall> {
        let names = modified.iter().filter(|package| package.is_in_bundle);
        let names: BTreeSet<_> =
            names.map(|package| (package.name.clone(), package.version.clone())).collect();
        (!names.is_empty()).then(|| Reinstall { packages: packages.clone(), names })
    }
}

impl Step for Reinstall {
    fn name(&self) -> &'static str {
        names::PACKAGES_REINSTALL
    }

    fn title(&self) -> String {
        "Unpack damaged packages again".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE + PATIENCE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let modified = self.packages.modified(machine, &self.names)?;
        let change = |package: Modified| {
            Change::new(Verb::Install, package.name).with_detail(format!("{} again", package.version))
        };
        Ok(modified.into_iter().map(change).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        locks::wait(work, PATIENCE)?;
        let apt = self.packages.apt_get();
        self.packages.make_repository(work, &apt)?;
        interrupted::mend(work, &self.packages)?;
        let modified = self.packages.modified(work.machine(), &self.names)?;
        let wanted: Vec<String> =
            modified.iter().map(|package| format!("{}={}", package.name, package.version)).collect();
        // What we hold ourselves is held again by its own step.
        let short = self.names.iter().filter_map(|(name, _)| name.split(':').next());
        hold::release(work, &short.map(str::to_owned).collect::<Vec<_>>())?;
        run(work, "read the repository of the bundle", call(apt.update()))?;
        let simulated = run(work, "plan the installation", call(apt.simulate_reinstall(&wanted)))?;
        let transaction = transaction::parse(&simulated.output);
        judgement::judge(&transaction, &Database::read(work.machine())?)?;
        interrupted::begin(work, &transaction)?;
        run(work, "install the packages", call(apt.reinstall(&wanted)).within(DEADLINE))?;
        interrupted::end(work)?;
        Ok(Outcome::Done)
    }
}
