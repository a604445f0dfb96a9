//! The installer `NVIDIA-Linux-….run`: a file, and the packages it needs to build its modules.

use std::collections::BTreeSet;

use super::{Order, Wanted, kernels};
use crate::bundle::manifest::apt::Purpose;
use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;
use crate::spec::nvidia::{Driver, DriverSource, Nvidia, machine, run_file_url};
use crate::spec::{FileEntry, FileSource, apt};

/// Where installers lie on nodes.
const DIRECTORY: &str = "/opt/airlock/nvidia";
/// The installer tests the compiler with a program that includes headers of the C library.
const C_LIBRARY: &str = "libc6-dev";

/// Adds what the installer needs. It has no say in the packages' versions, but Fabric Manager must fit it.
///
/// # Errors
/// [`codes::NVIDIA_DRIVER`] without a version, and [`codes::NVIDIA_KERNEL`].
pub(super) fn add(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let Some(version) = &order.driver.version else {
        return Err(Error::new(codes::NVIDIA_DRIVER, "it is not said which version the installer has")
            .with_help("write `driver.version`, such as `580.126.20`"));
    };
    let kernels = kernels::of(order)?;
    let built = kernels::add_build_tools(order, &kernels, || kernels::with_headers(order), wanted)?;
    wanted.ask(Purpose::Driver, C_LIBRARY);
    wanted.add_driver(order, version, built);
    if let Some(driver) = &mut wanted.record.driver {
        driver.run_file = Some(path(order.platform, version));
    }
    Ok(())
}

/// The installers for the platforms of those targets that have GPUs; none if the driver comes as packages.
pub(super) fn files(nvidia: &Nvidia, targets: &[apt::Target]) -> Vec<FileEntry> {
    let Some(Driver { source: DriverSource::RunFile { url, digest }, version: Some(version), line, .. }) =
        &nvidia.driver
    else {
        return Vec::new();
    };
    let with_gpus = targets.iter().filter(|target| nvidia.targets.contains(&target.name));
    let platforms: BTreeSet<Platform> = with_gpus.map(|target| target.platform).collect();
    let file = |platform| FileEntry {
        source: FileSource::Url(run_file_url(url, platform)),
        path: path(platform, version),
        mode: 0o755,
        digest: *digest,
        allow_secret: false,
        line: *line,
    };
    platforms.into_iter().map(file).collect()
}

fn path(platform: Platform, version: &str) -> String {
    format!("{DIRECTORY}/NVIDIA-Linux-{}-{version}.run", machine(platform))
}
