//! NVIDIA GPUs on a node: the driver, Fabric Manager, the container toolkit, and what Kubernetes is told of them.
//!
//! A GPU is seen on the PCI bus ([`facts`]). A driver that works and did not come from the bundle is left
//! alone, and so is everything around it. Otherwise, in this order (each is a step and looks at the world):
//!
//! 1. `nvidia-packages`: driver, or what builds it, and on machines with NVSwitch Fabric Manager, by apt.
//! 2. `nouveau`: the driver of the kernel itself must not be loaded, now and at the next boot.
//! 3. `nvidia-installer`: `NVIDIA-Linux-….run`, if the driver of the bundle comes that way.
//! 4. `nvidia-module`: modules for the running kernel are there, loaded, and of the version of the libraries.
//! 5. `nvidia-services`: the persistence daemon, and Fabric Manager where there is an NVSwitch.
//! 6. `nvidia-toolkit`, before k3s starts, which looks for it then; `nvidia-cdi`; `nvidia-hold`.
//!
//! Where nouveau cannot be unloaded, a loaded driver cannot be exchanged, or the modules are for another kernel that
//! is installed, the machine has to be restarted, once; if that did not help, it is an error.
//!
//! [`facts`]: super::facts::Gpu

mod cdi;
mod driver;
mod installer;
mod labels;
mod manifests;
mod module;
pub mod nouveau;
mod runtimes;
mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::driver::Driver;
pub use self::labels::{labels, labels_of};
pub use self::manifests::manifests;
pub use self::runtimes::runtimes;
use super::facts;
use super::machine::Machine;
use super::packages::{Database, Hold, Install, Packages};
use super::settings::Gpu;
use super::step::{Outcome, Step, names};
use super::work::Work;
use crate::bundle::manifest::apt::{self, Purpose};
use crate::error::{Error, Result, codes};
use crate::node::change::Change;

/// Everything that the steps follow from.
#[derive(Clone)]
pub struct Nvidia {
    /// Whether the operator wants GPUs.
    pub wanted: Gpu,
    /// What is on the PCI bus.
    pub devices: facts::Gpu,
    /// Whether the firmware checks the signatures of modules.
    pub secure_boot: bool,
    /// The packages of the bundle for this node, unless it goes without.
    pub packages: Option<Arc<Packages>>,
}

/// The steps for the GPUs of a node; none if it has none, or if nothing can be done for them: no driver works, and
/// the bundle has none.
///
/// # Errors
/// [`codes::GPU_MISSING`] in these cases if the operator has said that there are GPUs;
/// [`codes::GPU_FABRIC_MANAGER`] if there is an NVSwitch and the bundle has a driver only; those of [`Driver::look`].
pub fn steps(nvidia: &Arc<Nvidia>, machine: &Machine) -> Result<Vec<Box<dyn Step>>> {
    let why = match nvidia.wanted {
        Gpu::No => return Ok(Vec::new()),
        _ if nvidia.devices.devices.is_empty() => "there is no NVIDIA GPU on the PCI bus of this machine",
        _ if nvidia.driver().is_none() && !Driver::look(machine)?.works() => {
            "no NVIDIA driver works on this machine, and the bundle has none for it"
        }
        _ => {
            services::check_fabric_manager(nvidia, machine)?;
            return Ok(all(nvidia, machine));
        }
    };
    match nvidia.wanted {
        Gpu::Yes => Err(Error::new(codes::GPU_MISSING, why).with_help(
            "see `lspci -d 10de:` and `airlock bundle inspect`; without GPUs: `install --gpu no`",
        )),
        _ => Ok(Vec::new()),
    }
}

fn all(nvidia: &Arc<Nvidia>, machine: &Machine) -> Vec<Box<dyn Step>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    if let (Some(packages), Some(driver)) = (&nvidia.packages, nvidia.driver()) {
        let purposes = nvidia.driver_purposes();
        let install =
            Install::new(names::NVIDIA_PACKAGES, "Install the NVIDIA driver", packages.clone(), purposes);
        if install.is_needed() {
            steps.push(Box::new(DriverPackages { nvidia: nvidia.clone(), install }));
        }
        steps.push(Box::new(nouveau::Nouveau { nvidia: nvidia.clone() }));
        let run_file = driver.run_file.as_ref().map(|path| installer::Installer::new(packages, driver, path));
        steps.extend(run_file.flatten().map(|step| Box::new(step) as Box<dyn Step>));
    }
    steps.push(Box::new(module::Module { nvidia: nvidia.clone() }));
    steps.push(Box::new(services::Services { nvidia: nvidia.clone() }));
    let mut has_toolkit = machine.path("/usr/bin/nvidia-ctk").exists();
    if let Some(packages) = &nvidia.packages {
        let purposes = vec![Purpose::ContainerToolkit];
        let title = "Install the NVIDIA container toolkit";
        let install = Install::new(names::NVIDIA_TOOLKIT, title, packages.clone(), purposes);
        if install.is_needed() {
            steps.push(Box::new(install));
            has_toolkit = true;
        }
    }
    if has_toolkit {
        steps.push(Box::new(cdi::Cdi));
    }
    if let Some(packages) = &nvidia.packages {
        let purposes = vec![Purpose::Driver, Purpose::FabricManager, Purpose::ContainerToolkit];
        steps.push(Box::new(Hold::new(names::NVIDIA_HOLD, packages.clone(), purposes)));
    }
    steps
}

impl Nvidia {
    /// The driver in the bundle.
    fn driver(&self) -> Option<&apt::Driver> {
        self.packages.as_ref()?.apt.nvidia.as_ref()?.driver.as_ref()
    }

    /// The version of Fabric Manager in the bundle.
    fn fabric_manager(&self) -> Option<String> {
        self.packages.as_ref()?.apt.nvidia.as_ref()?.fabric_manager.clone()
    }

    /// What is installed together with the driver.
    fn driver_purposes(&self) -> Vec<Purpose> {
        match self.devices.switches.is_empty() {
            true => vec![Purpose::Driver],
            false => vec![Purpose::Driver, Purpose::FabricManager],
        }
    }

    /// Whether a driver works that did not come from the bundle: none of the driver's packages is there.
    fn has_foreign_driver(&self, machine: &Machine) -> Result<bool> {
        if !Driver::look(machine)?.works() {
            return Ok(false);
        }
        let Some(packages) = &self.packages else { return Ok(true) };
        let database = Database::read(machine)?;
        let mut ours = packages.apt.install.iter().filter(|install| install.purpose == Purpose::Driver);
        let has_run_file = self.driver().is_some_and(|driver| driver.run_file.is_some());
        Ok(!has_run_file && !ours.any(|install| database.has(&install.package)))
    }
}

/// Installs the packages of the driver, unless another one works.
struct DriverPackages {
    nvidia: Arc<Nvidia>,
    install: Install,
}

impl Step for DriverPackages {
    fn name(&self) -> &'static str {
        self.install.name()
    }

    fn title(&self) -> String {
        self.install.title()
    }

    fn deadline(&self) -> std::time::Duration {
        self.install.deadline()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        match self.nvidia.has_foreign_driver(machine)? {
            true => Ok(Vec::new()),
            false => self.install.check(machine),
        }
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.install.act(work)
    }
}
