//! Packages that stay at their version until the next bundle, such as drivers: what upgrades them by night breaks
//! what runs by day.

use std::sync::Arc;

use super::{Database, Packages};
use crate::bundle::manifest::apt::Purpose;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

/// The step that holds what is installed for some purposes.
pub struct Hold {
    name: &'static str,
    packages: Arc<Packages>,
    purposes: Vec<Purpose>,
}

impl Hold {
    /// Holds the packages of `purposes` that are installed, by a step of this name.
    pub fn new(name: &'static str, packages: Arc<Packages>, purposes: Vec<Purpose>) -> Hold {
        Hold { name, packages, purposes }
    }

    /// Those that are installed and not held.
    fn missing(&self, machine: &Machine) -> Result<Vec<String>> {
        let database = Database::read(machine)?;
        let native = self.packages.apt.platform.architecture();
        let wanted = self.packages.wanted(&self.purposes);
        let installed = wanted.filter_map(|wanted| Some((wanted, database.find(&wanted.package, native)?)));
        Ok(installed
            .filter(|(wanted, entry)| !entry.is_held() && entry.is_at_least(&wanted.version))
            .map(|(wanted, _)| wanted.package.clone())
            .collect())
    }
}

impl Step for Hold {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> String {
        "Keep drivers at their version".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let missing = self.missing(machine)?;
        Ok(missing.into_iter().map(|name| Change::new(Verb::Replace, name).with_detail("hold")).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let missing = self.missing(work.machine())?;
        for name in &missing {
            work.own(Owned::Hold { name: name.clone() })?;
        }
        work.run(Call::new("apt-mark").with(["hold"]).with(missing))?;
        Ok(Outcome::Done)
    }
}

/// Lets those of `names` be upgraded that are held by us. The step holds them again afterwards.
pub(super) fn release(work: &mut Work<'_>, names: &[String]) -> Result<()> {
    let ours =
        |name: &&String| work.owned().iter().any(|owned| *owned == Owned::Hold { name: (*name).clone() });
    let held: Vec<String> = names.iter().filter(ours).cloned().collect();
    if held.is_empty() {
        return Ok(());
    }
    work.run(Call::new("apt-mark").with(["unhold"]).with(held.clone()))?;
    held.into_iter().try_for_each(|name| work.disown(Owned::Hold { name }))
}
