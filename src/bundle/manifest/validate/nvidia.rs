//! The rules of what an apt repository says about NVIDIA GPUs.

use super::text::{is_absolute, is_dotted_number, is_kernel_release, is_package_version};
use super::{Check, demand, unique};
use crate::bundle::manifest::apt::{Apt, Driver, Nvidia, Purpose};
use crate::bundle::manifest::{Artifact, Manifest};

/// Whether the record is sane and fits what is installed.
pub(super) fn check(apt: &Apt, manifest: &Manifest) -> Check {
    purposes(apt)?;
    let Some(nvidia) = &apt.nvidia else { return Ok(()) };
    let Nvidia { driver, fabric_manager, container_toolkit } = nvidia;
    if let Some(driver) = driver {
        self::driver(driver, manifest)?;
        let same = fabric_manager.as_ref().is_none_or(|version| *version == driver.version);
        demand(same, || "Fabric Manager has not the version of the driver".to_owned())?;
    }
    let version = fabric_manager.as_deref().is_none_or(is_dotted_number);
    demand(version, || "the version of Fabric Manager".to_owned())?;
    let version = container_toolkit.as_deref().is_none_or(is_package_version);
    demand(version, || "the version of the container toolkit".to_owned())
}

/// The record names exactly those parts that have packages; the driver may be an installer instead.
fn purposes(apt: &Apt) -> Check {
    let installs = |purpose| apt.install.iter().any(|entry| entry.purpose == purpose);
    let nvidia = apt.nvidia.as_ref();
    let driver = nvidia.and_then(|nvidia| nvidia.driver.as_ref());
    let fabric_manager = nvidia.is_some_and(|nvidia| nvidia.fabric_manager.is_some());
    let container_toolkit = nvidia.is_some_and(|nvidia| nvidia.container_toolkit.is_some());
    let by_packages = driver.is_some_and(|driver| driver.run_file.is_none());
    let fits = match installs(Purpose::Driver) {
        true => driver.is_some(),
        false => !by_packages,
    };
    demand(
        fits && installs(Purpose::FabricManager) == fabric_manager
            && installs(Purpose::ContainerToolkit) == container_toolkit,
        || "`nvidia` and `install` do not name the same parts".to_owned(),
    )
}

fn driver(driver: &Driver, manifest: &Manifest) -> Check {
    let version = is_dotted_number(&driver.version);
    demand(version, || format!("driver version `{}`", driver.version))?;
    for kernel in &driver.kernels {
        demand(is_kernel_release(&kernel.release), || format!("kernel `{}`", kernel.release))?;
    }
    unique("`kernels`", driver.kernels.iter().map(|kernel| &kernel.release))?;
    let Some(path) = &driver.run_file else { return Ok(()) };
    demand(is_absolute(path), || format!("the path of the installer `{path}`"))?;
    let is_it = |artifact: &Artifact| matches!(artifact, Artifact::File(file) if file.path == *path);
    let carried = manifest.artifacts.iter().any(is_it);
    demand(carried, || format!("the installer `{path}` is no file of the bundle"))?;
    let built = driver.kernels.iter().all(|kernel| !kernel.prebuilt);
    demand(built, || "an installer has no modules that are built already".to_owned())
}
