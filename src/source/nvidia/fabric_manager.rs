//! Fabric Manager and what belongs to it, for hosts with NVSwitch (NVIDIA's Fabric Manager user guide).
//!
//! Fabric Manager refuses to start with a driver of any other version, and then CUDA does not start either. A range
//! or pattern of versions is not enough: the repositories have later ones.

use super::release::listed;
use super::{Order, Wanted};
use crate::bundle::manifest::apt::Purpose;
use crate::debian::package::Package;
use crate::error::{Error, Result, codes};
use crate::spec::nvidia::{DriverSource, help};

/// Of exactly the driver's version. With the branch behind their names in Ubuntu's archive, without it in NVIDIA's
/// repository from 580 on.
const PACKAGES: [&str; 2] = ["nvidia-fabricmanager", "libnvidia-nscq"];
/// The same, where there are such: for NVLink between hosts and for its switches of the fifth generation.
const COMPANIONS: [&str; 2] = ["nvidia-imex", "libnvsdm"];
/// The subnet manager for those switches and what it works with; they have versions of their own.
const SUBNET_MANAGER: [&str; 2] = ["nvlsm", "infiniband-diags"];

/// Adds Fabric Manager in the version of the driver, which is planned already.
///
/// # Errors
/// [`codes::NVIDIA_FABRIC_MANAGER`] with the versions that there are.
pub(super) fn add(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let Some(version) = wanted.record.driver.as_ref().map(|driver| driver.version.clone()) else {
        return Ok(());
    };
    for name in PACKAGES {
        let package = find(order, name, &version).ok_or_else(|| missing(order, name, &version))?;
        wanted.ask_exactly(Purpose::FabricManager, package.name, package.version.as_str());
    }
    for package in COMPANIONS.iter().filter_map(|name| find(order, name, &version)) {
        wanted.ask_exactly(Purpose::FabricManager, package.name, package.version.as_str());
    }
    if order.catalogue.latest(SUBNET_MANAGER[0]).is_some() {
        SUBNET_MANAGER.iter().for_each(|name| wanted.ask(Purpose::FabricManager, name));
    }
    wanted.record.fabric_manager = Some(version);
    Ok(())
}

/// The package in that version, under either of its names. If the driver is the distribution's, so is the package.
fn find<'o, 'a>(order: &Order<'o, 'a>, name: &str, version: &str) -> Option<&'o Package<'a>> {
    let catalogue = match order.driver.source {
        DriverSource::Cuda => order.catalogue.of_cuda(),
        _ => order.catalogue,
    };
    names(name, version).iter().find_map(|name| catalogue.of_upstream(name, version))
}

fn names(name: &str, version: &str) -> [String; 2] {
    let branch = version.split('.').next().unwrap_or_default();
    [format!("{name}-{branch}"), name.to_owned()]
}

fn missing(order: &Order<'_, '_>, name: &str, version: &str) -> Error {
    let message = format!(
        "hosts with NVSwitch need `{name}` in exactly the version of the driver, {version}, and no repository has it"
    );
    let names = names(name, version);
    let known: Vec<&str> = names
        .iter()
        .flat_map(|name| order.catalogue.versions(name))
        .map(|package| package.version.upstream())
        .collect();
    let error = Error::new(codes::NVIDIA_FABRIC_MANAGER, message);
    match (known.is_empty(), order.host.starts_with("ubuntu-"), &order.driver.source) {
        (false, _, _) => error.with_help(format!(
            "write one of these versions under `driver.version`, if the driver is there in it, too: {}",
            listed(known)
        )),
        (true, true, DriverSource::Distribution) => error.with_help(help::components(order.host)),
        _ => error.with_help(help::cuda(order.host, order.platform)),
    }
}
