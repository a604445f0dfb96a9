//! Packages that we hold at their version may be upgraded again.

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::packages::Database;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The step that lets them go.
pub(super) struct Holds {
    names: Vec<String>,
}

impl Holds {
    pub(super) fn of(owned: &[Owned]) -> Holds {
        let names = owned.iter().filter_map(|owned| match owned {
            Owned::Hold { name } => Some(name.clone()),
            _ => None,
        });
        Holds { names: names.collect() }
    }

    /// Those that are still held.
    fn held(&self, machine: &Machine) -> Result<Vec<String>> {
        if self.names.is_empty() {
            return Ok(Vec::new());
        }
        let database = Database::read(machine)?;
        let is_held = |name: &&String| {
            let mut entries = database.entries();
            entries.any(|entry| (entry.name == **name || entry.full_name() == **name) && entry.is_held())
        };
        Ok(self.names.iter().filter(is_held).cloned().collect())
    }
}

impl Step for Holds {
    fn name(&self) -> &'static str {
        names::RESET_HOLDS
    }

    fn title(&self) -> String {
        "Let packages be upgraded again".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let held = self.held(machine)?;
        Ok(held.into_iter().map(|name| Change::new(Verb::Replace, name).with_detail("unhold")).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let held = self.held(work.machine())?;
        work.run(Call::new("apt-mark").with(["unhold"]).with(held))?;
        self.names.iter().try_for_each(|name| work.disown(Owned::Hold { name: name.clone() }))?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::node::driver;
    use crate::node::journal::Journal;
    use crate::node::machine::{Finished, Programs};
    use crate::progress::Silent;

    /// An apt-mark that does as it is told.
    struct AptMark {
        status: std::path::PathBuf,
        calls: Mutex<Vec<String>>,
    }

    impl Programs for AptMark {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            self.calls.lock().unwrap().push(call.to_string());
            let text = fs_err::read_to_string(&self.status)?.replace("Status: hold", "Status: install");
            fs_err::write(&self.status, text)?;
            Ok(Finished { status: Some(0), ..Finished::default() })
        }
    }

    #[test]
    fn what_we_hold_is_let_go_and_what_is_gone_counts_for_nothing() {
        let root = tempfile::tempdir().unwrap();
        let status = root.path().join("var/lib/dpkg/status");
        fs_err::create_dir_all(status.parent().unwrap()).unwrap();
        fs_err::write(
            &status,
            "Package: nvidia-driver\nStatus: hold ok installed\nVersion: 1\nArchitecture: amd64\n",
        )
        .unwrap();
        let programs = Arc::new(AptMark { status, calls: Mutex::default() });
        let machine = Machine::new(root.path(), programs.clone());
        let mut journal = Journal::open(&machine).unwrap();
        let owned = ["nvidia-driver", "removed-since"].map(|name| Owned::Hold { name: name.to_owned() });
        owned.iter().for_each(|owned| journal.own(owned.clone()).unwrap());
        let steps: [Box<dyn Step>; 1] = [Box::new(Holds::of(&owned))];
        driver::execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert_eq!(*programs.calls.lock().unwrap(), ["apt-mark unhold nvidia-driver"]);
        assert!(journal.owned().iter().next().is_none(), "{:?}", journal.owned());
        assert!(Holds::of(&[]).check(&machine).unwrap().is_empty());
    }
}
