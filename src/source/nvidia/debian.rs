//! Debian's own driver, from the component `non-free`. There is one branch for each release, always by DKMS.
//!
//! Debian's metapackage `nvidia-driver` draws in X; what computing needs is asked for by name instead: the modules
//! with their GSP firmware, CUDA's driver library, and the tools that manage the device.

use super::kernels;
use super::release::{self, Release};
use super::{Order, Wanted};
use crate::bundle::manifest::apt::Purpose;
use crate::error::Result;
use crate::spec::nvidia::{Flavour, help};

/// Of the driver's version. The first one is in Debian only, not in NVIDIA's own repository for Debian.
const PACKAGES: [&str; 4] = ["nvidia-smi", "libcuda1", "libnvidia-cfg1", "firmware-nvidia-gsp"];
/// Libraries that not every branch has: PTX is compiled by the first from 525 on.
const WHERE_THERE_ARE: [&str; 1] = ["libnvidia-nvvm4"];
/// Has versions of its own.
const PERSISTENCE_DAEMON: &str = "nvidia-persistenced";

/// Adds the driver.
///
/// # Errors
/// `E0860`-`E0862`.
pub(super) fn add(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let modules = match order.driver.flavour {
        Flavour::Open => "nvidia-open-kernel-dkms",
        Flavour::Proprietary => "nvidia-kernel-dkms",
    };
    let names: Vec<String> = PACKAGES.iter().chain([&modules]).map(|name| (*name).to_owned()).collect();
    let help = || help::components(order.host);
    let Release { version, latest, packages } = release::find(order, order.catalogue, &names, help)?;
    let further = WHERE_THERE_ARE.iter().filter_map(|name| order.catalogue.of_upstream(name, version));
    for package in packages.into_iter().chain(further) {
        wanted.ask_exactly(Purpose::Driver, package.name, package.version.as_str());
    }
    let branch = version.split('.').next();
    let mut daemons = order.catalogue.versions(PERSISTENCE_DAEMON);
    // The latest could be one from NVIDIA's own repository, for another branch.
    if let Some(daemon) = daemons.find(|package| package.version.upstream().split('.').next() == branch) {
        wanted.ask_exactly(Purpose::Driver, daemon.name, daemon.version.as_str());
    }
    wanted.warn_of_older(version, latest);
    let kernels = kernels::of(order)?;
    let built = kernels::add_build_tools(order, &kernels, || kernels::with_headers(order), wanted)?;
    wanted.add_driver(order, version, built);
    Ok(())
}
