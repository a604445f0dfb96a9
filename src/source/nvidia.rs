//! What nodes with NVIDIA GPUs need: from the section `nvidia` of the spec to packages, an image and files.
//!
//! Pure planning. Which packages a driver is made of is known here; which versions there are is looked up among the
//! packages of the target's repositories, and what those need in turn is found by the solver. Kernel modules, GSP
//! firmware, libraries and Fabric Manager of a driver work in one and the same version only, and archives often
//! hold several; so a version is chosen once, and pinned for everything.
//!
//! All nodes are servers: only what computing needs comes along, nothing that draws in X.

mod catalogue;
mod cuda;
mod debian;
mod device_plugin;
mod fabric_manager;
mod kernels;
mod release;
mod run_file;
mod toolkit;
mod ubuntu;

use self::catalogue::Catalogue;
pub use self::device_plugin::{PATH as DEVICE_PLUGIN, WANTED_BY, images};
use crate::bundle::manifest::apt::{Driver, Kernel, Nvidia as Record, Purpose};
use crate::debian::solver::{Request, Selector};
use crate::debian::universe::Universe;
use crate::debian::universe::pins::{Pin, PinTarget};
use crate::error::{Error, Result};
use crate::oci::platform::Platform;
use crate::spec::nvidia::{self, DriverSource, Flavour, Nvidia};
use crate::spec::{FileEntry, apt};

/// Priority of the version of a package that is asked for by name. Below 1000: nothing installed is downgraded.
const ASKED_FOR: i32 = 990;
/// Priority of other packages of the same build, then of the same version.
const SAME_BUILD: i32 = 985;
const SAME_VERSION: i32 = 980;

/// Packages that have the version of the driver, by patterns.
const OF_THE_DRIVER: [&str; 6] =
    ["*nvidia*", "libcuda1", "libnvcuvid1", "libnvsdm*", "libxnvctrl*", "cuda-drivers*"];

/// What the nodes of one target get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What to install by name, in order. A package whose name ends in a kernel of
    /// `record.driver.kernels` is for nodes that run that kernel.
    pub requests: Vec<(Purpose, Request)>,
    /// To be put before the pins of the user.
    pub pins: Vec<Pin>,
    /// What the manifest says about it.
    pub record: Record,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A driver to plan, and where for.
struct Order<'o, 'a> {
    driver: &'o nvidia::Driver,
    host: &'o str,
    platform: Platform,
    catalogue: Catalogue<'o, 'a>,
}

/// Plans the packages for nodes on `host`, such as `ubuntu-24.04`. `universe` has the packages of the target's
/// repositories.
///
/// # Errors
/// `E0860`-`E0865`, with the line of the spec: something is not in the repositories, or not in one version.
pub fn packages(nvidia: &Nvidia, host: &str, platform: Platform, universe: &Universe<'_>) -> Result<Wanted> {
    let catalogue = Catalogue::new(universe);
    let record = Record { driver: None, fabric_manager: None, container_toolkit: None };
    let mut wanted = Wanted { requests: Vec::new(), pins: Vec::new(), record, warnings: Vec::new() };
    if let Some(driver) = &nvidia.driver {
        let order = Order { driver, host, platform, catalogue };
        add_driver(&order, &mut wanted)
            .and_then(
                |()| if nvidia.fabric_manager { fabric_manager::add(&order, &mut wanted) } else { Ok(()) },
            )
            .map_err(|error| at(error, driver.line, "driver"))?;
    }
    if let Some(wish) = &nvidia.container_toolkit {
        toolkit::add(wish, catalogue, &mut wanted)
            .map_err(|error| at(error, wish.line, "container toolkit"))?;
    }
    wanted.pins.sort_by_key(|pin| std::cmp::Reverse(pin.priority));
    Ok(wanted)
}

/// The files to carry: the installer of the driver, if it comes that way, for each platform that a GPU target has,
/// and the manifest of the device plugin. `targets` are all of the spec.
pub fn files(nvidia: &Nvidia, targets: &[apt::Target]) -> Vec<FileEntry> {
    let mut files = run_file::files(nvidia, targets);
    files.extend(device_plugin::manifest(nvidia));
    files
}

fn add_driver(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    match (&order.driver.source, order.host.starts_with("ubuntu-")) {
        (DriverSource::Distribution, true) => ubuntu::add(order, wanted),
        (DriverSource::Distribution, false) => debian::add(order, wanted),
        (DriverSource::Cuda, _) => cuda::add(order, wanted),
        (DriverSource::RunFile { .. }, _) => run_file::add(order, wanted),
    }
}

fn at(error: Error, line: usize, what: &str) -> Error {
    error.with_detail(format!("line {line} of bundle.yaml: {what}"))
}

impl Wanted {
    /// Asks for whatever version the pins prefer.
    fn ask(&mut self, purpose: Purpose, name: &str) {
        let request = Request { name: name.to_owned(), architecture: None, selector: Selector::Candidate };
        self.requests.push((purpose, request));
    }

    /// Asks for one version, and pins it, so that it is also taken where another package needs it.
    fn ask_exactly(&mut self, purpose: Purpose, name: &str, version: &str) {
        let (name, version) = (name.to_owned(), version.to_owned());
        let target = PinTarget::Version(version.clone());
        self.pins.push(Pin { packages: vec![name.clone()], target, priority: ASKED_FOR });
        let request = Request { name, architecture: None, selector: Selector::Version(version) };
        self.requests.push((purpose, request));
    }

    /// Tells of a driver that is not the latest one asked for.
    fn warn_of_older(&mut self, version: &str, latest: &str) {
        if version != latest {
            self.warnings.push(format!(
                "the NVIDIA driver is taken in version {version}: in {latest} not all of its packages are there"
            ));
        }
    }

    /// Writes down the driver, and prefers its version of everything that belongs to it. The first of the requests
    /// so far is its metapackage; what is built together with that comes first. Two archives may have the same
    /// version of the driver in packages that differ.
    fn add_driver(&mut self, order: &Order<'_, '_>, version: &str, kernels: Vec<Kernel>) {
        let mut prefer = |pattern: String, priority| {
            let packages = OF_THE_DRIVER.iter().map(|name| (*name).to_owned()).collect();
            self.pins.push(Pin { packages, target: PinTarget::Version(pattern), priority });
        };
        if let Some((_, Request { selector: Selector::Version(build), .. })) = self.requests.first() {
            prefer(build.clone(), SAME_BUILD);
        }
        prefer(format!("{version}-*"), SAME_VERSION);
        let open = order.driver.flavour == Flavour::Open;
        self.record.driver = Some(Driver { version: version.to_owned(), open, kernels, run_file: None });
    }
}

#[cfg(test)]
mod tests;
