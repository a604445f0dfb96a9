//! A driver that NVIDIA's own installer has put there, taken away by its own uninstaller.

use std::time::Duration;

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step};
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
        "reset-driver"
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
