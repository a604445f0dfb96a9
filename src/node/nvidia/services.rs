//! Services of the driver: the persistence daemon, and Fabric Manager on machines with NVSwitch.

use std::sync::Arc;

use super::Nvidia;
use super::driver::Driver;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{unit_state, with_log};
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

const PERSISTENCE: &str = "nvidia-persistenced.service";
const FABRIC_MANAGER: &str = "nvidia-fabricmanager.service";

/// The step that starts them.
pub(super) struct Services {
    pub(super) nvidia: Arc<Nvidia>,
}

impl Services {
    /// Units that should run: those that are installed. Without an NVSwitch Fabric Manager would only fail.
    fn units(&self, machine: &Machine) -> Result<Vec<&'static str>> {
        let mut wanted = vec![PERSISTENCE];
        if !self.nvidia.devices.switches.is_empty() {
            wanted.push(FABRIC_MANAGER);
        }
        let mut installed = Vec::new();
        for unit in wanted {
            if !unit_state(machine, unit)?.file.is_empty() {
                installed.push(unit);
            }
        }
        Ok(installed)
    }

    /// On machines with NVSwitch CUDA does nothing without a Fabric Manager of exactly the driver's version.
    fn check_fabric_manager(&self, machine: &Machine, units: &[&str]) -> Result<()> {
        if self.nvidia.devices.switches.is_empty() {
            return Ok(());
        }
        let carried = self.nvidia.packages.as_ref().and_then(|packages| packages.apt.nvidia.as_ref());
        let version = carried.and_then(|nvidia| nvidia.fabric_manager.clone());
        if !units.contains(&FABRIC_MANAGER) {
            let message = "this machine has an NVSwitch, but no Fabric Manager is installed";
            return Err(Error::new(codes::GPU_FABRIC_MANAGER, message)
                .with_help("write `fabricManager: true` under `nvidia` in bundle.yaml and build it again"));
        }
        let loaded = Driver::look(machine)?.loaded;
        match (version, loaded) {
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

impl Step for Services {
    fn name(&self) -> &'static str {
        "nvidia-services"
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
        self.check_fabric_manager(machine, &units)?;
        for unit in units {
            if is_up(machine, unit)? {
                continue;
            }
            work.own(Owned::Unit { name: unit.to_owned() })?;
            machine.run(&Call::new("systemctl").with(["reset-failed", unit]))?;
            work.run(Call::new("systemctl").with(["enable", "--quiet", "--now", unit]))
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
