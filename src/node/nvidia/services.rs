//! Services of the driver: the persistence daemon, and Fabric Manager on machines with NVSwitch.

use std::sync::Arc;
use std::time::Duration;

use super::Nvidia;
use super::driver::Driver;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{unit_state, with_log};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

const PERSISTENCE: &str = "nvidia-persistenced.service";
const FABRIC_MANAGER: &str = "nvidia-fabricmanager.service";

/// Fabric Manager first makes all GPUs known to each other.
const DEADLINE: Duration = Duration::from_secs(100);

/// The step that starts them.
pub(super) struct Services {
    pub(super) nvidia: Arc<Nvidia>,
}

impl Services {
    /// Units that should run: the persistence daemon where it is installed, and with an NVSwitch Fabric Manager, which
    /// would only fail elsewhere.
    fn units(&self, machine: &Machine) -> Result<Vec<&'static str>> {
        let has_switch = !self.nvidia.devices.switches.is_empty();
        let mut units = Vec::new();
        if is_installed(machine, PERSISTENCE)? {
            units.push(PERSISTENCE);
        }
        if has_switch && (self.nvidia.fabric_manager().is_some() || is_installed(machine, FABRIC_MANAGER)?) {
            units.push(FABRIC_MANAGER);
        }
        Ok(units)
    }

    /// Fabric Manager of the bundle starts only with exactly the driver of the bundle.
    fn check_version(&self, machine: &Machine) -> Result<()> {
        let loaded = Driver::look(machine)?.loaded;
        match (self.nvidia.fabric_manager(), loaded) {
            (Some(version), Some(loaded))
                if version != loaded && !self.nvidia.has_foreign_driver(machine)? =>
            {
                let message = format!("Fabric Manager is {version}, but the driver is {loaded}");
                Err(Error::new(codes::GPU_FABRIC_MANAGER, message).with_help(
                    "restart the machine, so that the driver of the bundle is loaded, and run it again",
                ))
            }
            _ => Ok(()),
        }
    }
}

/// On machines with NVSwitch CUDA does nothing without Fabric Manager: whether there is one, or will be.
///
/// # Errors
/// [`codes::GPU_FABRIC_MANAGER`].
pub(super) fn check_fabric_manager(nvidia: &Nvidia, machine: &Machine) -> Result<()> {
    let is_needed = !nvidia.devices.switches.is_empty() && nvidia.driver().is_some();
    if !is_needed || nvidia.fabric_manager().is_some() || is_installed(machine, FABRIC_MANAGER)? {
        return Ok(());
    }
    let message = "this machine has an NVSwitch, but the bundle has no Fabric Manager";
    Err(Error::new(codes::GPU_FABRIC_MANAGER, message)
        .with_help("write `fabricManager: true` under `nvidia` in bundle.yaml and build it again"))
}

fn is_installed(machine: &Machine, unit: &str) -> Result<bool> {
    Ok(!unit_state(machine, unit)?.file.is_empty())
}

impl Step for Services {
    fn name(&self) -> &'static str {
        names::NVIDIA_SERVICES
    }

    fn title(&self) -> String {
        "Start the services of the NVIDIA driver".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for unit in self.units(machine)? {
            if !is_up(machine, unit)? {
                changes.push(Change::new(Verb::Start, unit));
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        let units = self.units(machine)?;
        self.check_version(machine)?;
        for unit in units {
            if is_up(machine, unit)? {
                continue;
            }
            work.own(Owned::Unit { name: unit.to_owned() })?;
            machine.run(&Call::new("systemctl").with(["reset-failed", unit]))?;
            work.run(Call::new("systemctl").with(["enable", "--quiet", "--now", unit]).within(DEADLINE))
                .map_err(|error| with_log(error, machine, unit))?;
        }
        Ok(Outcome::Done)
    }
}

/// Whether a unit runs now, and will after the next boot: `static` units are started by others.
fn is_up(machine: &Machine, unit: &str) -> Result<bool> {
    let state = unit_state(machine, unit)?;
    Ok(state.active == "active" && state.file != "disabled")
}
