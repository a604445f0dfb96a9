//! A driver that NVIDIA's own installer has put there, taken away by its own uninstaller.

use std::time::Duration;

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Where the installer leaves its uninstaller.
const UNINSTALLER: &str = "/usr/bin/nvidia-uninstall";

/// DKMS removes the modules of every kernel, one after the other.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The step that runs it.
pub(super) struct Driver {
    owned: Option<Owned>,
}

impl Driver {
    pub(super) fn of(owned: &[Owned]) -> Driver {
        Driver { owned: owned.iter().find(|owned| matches!(owned, Owned::Driver { .. })).cloned() }
    }
}

/// Whether there is a driver that can be taken away so.
pub(super) fn is_there(machine: &Machine) -> Result<bool> {
    Ok(machine.metadata(UNINSTALLER)?.is_some())
}

/// What takes it away.
pub(super) fn call() -> Call {
    Call::new(UNINSTALLER).with(["--silent"]).within(DEADLINE)
}

impl Step for Driver {
    fn name(&self) -> &'static str {
        names::RESET_DRIVER
    }

    fn title(&self) -> String {
        "Remove the NVIDIA driver".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let is_ours = self.owned.is_some() && is_there(machine)?;
        Ok(is_ours.then(|| Change::new(Verb::Run, call().to_string())).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.run(call())
            .map_err(|error| error.with_detail("the whole story is in /var/log/nvidia-installer.log"))?;
        self.owned.iter().try_for_each(|owned| work.disown(owned.clone()))?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::node::driver::execute;
    use crate::node::journal::Journal;
    use crate::node::machine::{Finished, Programs};
    use crate::progress::Silent;

    /// An uninstaller that removes itself, as NVIDIA's does.
    struct Uninstaller(PathBuf);

    impl Programs for Uninstaller {
        fn run(&self, call: &Call) -> io::Result<Finished> {
            assert_eq!(call.to_string(), "/usr/bin/nvidia-uninstall --silent");
            fs_err::remove_file(&self.0)?;
            Ok(Finished { status: Some(0), ..Finished::default() })
        }
    }

    #[test]
    fn a_driver_of_ours_goes_and_one_of_others_stays() {
        let root = tempfile::tempdir().unwrap();
        let uninstaller = root.path().join("usr/bin/nvidia-uninstall");
        fs_err::create_dir_all(uninstaller.parent().unwrap()).unwrap();
        fs_err::write(&uninstaller, "").unwrap();
        let machine = Machine::new(root.path(), Arc::new(Uninstaller(uninstaller.clone())));
        assert!(Driver::of(&[]).check(&machine).unwrap().is_empty(), "somebody else has installed it");
        let ours = Owned::Driver { version: "570.86.15".to_owned() };
        let mut journal = Journal::open(&machine).unwrap();
        journal.own(ours.clone()).unwrap();
        let steps: [Box<dyn Step>; 1] = [Box::new(Driver::of(&[ours]))];
        execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert!(!uninstaller.exists() && journal.owned().is_empty());
    }
}
