//! The driver from NVIDIA's CUDA repository, by DKMS (NVIDIA's driver installation guide, "compute-only").
//!
//! For Ubuntu the names of packages end in the branch up to 580; from 590 on they are the same for all branches, and
//! the repository has all versions under them, which is what the pins are for. For Debian they never had a branch.

use super::kernels;
use super::release::{self, Release};
use super::{Order, Wanted};
use crate::bundle::manifest::apt::Purpose;
use crate::error::Result;
use crate::spec::nvidia::{Flavour, help};

/// The first branch without its number in the names of packages for Ubuntu.
const FIRST_UNSUFFIXED: u32 = 590;
/// Is part of another package in older branches.
const PERSISTENCE_DAEMON: &str = "nvidia-persistenced";

/// Adds the driver.
///
/// # Errors
/// `E0860`-`E0862`.
pub(super) fn add(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let catalogue = order.catalogue.of_cuda();
    let names = names(order);
    let help = || help::cuda(order.host, order.platform);
    if let (Some(metapackage), Some(branch)) = (catalogue.latest(&names[0]), release::branch(order.driver)) {
        release::check_not_transitional(metapackage, branch)?;
    }
    let Release { version, latest, packages } = release::find(order, catalogue, &names, help)?;
    let daemon = catalogue.of_upstream(PERSISTENCE_DAEMON, version);
    for package in packages.into_iter().chain(daemon) {
        wanted.ask_exactly(Purpose::Driver, package.name, package.version.as_str());
    }
    wanted.warn_of_older(version, latest);
    let kernels = kernels::of(order)?;
    let built = kernels::add_build_tools(order, &kernels, || kernels::with_headers(order), wanted)?;
    wanted.add_driver(order, version, built);
    Ok(())
}

fn names(order: &Order<'_, '_>) -> Vec<String> {
    let is_open = order.driver.flavour == Flavour::Open;
    if !order.host.starts_with("ubuntu-") {
        let modules = if is_open { "nvidia-kernel-open-dkms" } else { "nvidia-kernel-dkms" };
        return vec!["nvidia-driver-cuda".to_owned(), modules.to_owned()];
    }
    let open = if is_open { "-open" } else { "" };
    let branch = release::branch(order.driver);
    let number = branch.and_then(|branch| branch.parse::<u32>().ok());
    match branch.filter(|_| number.is_some_and(|number| number < FIRST_UNSUFFIXED)) {
        Some(branch) => vec![
            format!("nvidia-headless-no-dkms-{branch}{open}"),
            format!("nvidia-dkms-{branch}{open}"),
            format!("nvidia-utils-{branch}"),
        ],
        None => vec![format!("nvidia-headless-no-dkms{open}"), format!("nvidia-dkms{open}")],
    }
}
