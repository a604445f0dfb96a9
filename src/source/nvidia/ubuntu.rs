//! Ubuntu's own driver, from the components `restricted` and `multiverse`: the `-server` packages.
//!
//! Modules that Canonical built and signed come first: they need no compiler, and Secure Boot accepts them without
//! anybody at the console. They exist for certain kernels in a certain version of the driver. Every GPU node of a
//! target installs the same packages, and DKMS and prebuilt modules exclude each other; so if one of the kernels has
//! no prebuilt modules, or in another version than the rest, DKMS builds for all of them.
//!
//! Metapackages such as `linux-modules-nvidia-580-server-generic` are only read, never installed: they follow the
//! newest kernel, and a node would lose its driver with the next one.

use super::catalogue::needs_from;
use super::kernels::{self, Kernels};
use super::release::{self, Release};
use super::{Order, Wanted};
use crate::bundle::manifest::apt::{Kernel, Purpose};
use crate::debian::package::Package;
use crate::error::{Error, Result, codes};
use crate::spec::nvidia::{Flavour, help};

/// The names of the packages of one branch in one flavour.
struct Names {
    branch: String,
    open: &'static str,
}

impl Names {
    fn headless(&self) -> String {
        format!("nvidia-headless-no-dkms-{}-server{}", self.branch, self.open)
    }

    fn utils(&self) -> String {
        format!("nvidia-utils-{}-server", self.branch)
    }

    fn dkms(&self) -> String {
        format!("nvidia-dkms-{}-server{}", self.branch, self.open)
    }

    /// What modules for `kernel` are called.
    fn modules(&self, kernel: &str) -> String {
        format!("linux-modules-nvidia-{}-server{}-{kernel}", self.branch, self.open)
    }

    /// What prebuilt modules depend on in the version they were built from.
    fn kernel_common(&self) -> String {
        format!("nvidia-kernel-common-{}-server", self.branch)
    }
}

/// Adds the driver.
///
/// # Errors
/// `E0860`-`E0863`.
pub(super) fn add(order: &Order<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let branch = release::branch(order.driver).ok_or_else(|| {
        Error::new(codes::NVIDIA_DRIVER, "Ubuntu has several branches of the driver, and none is asked for")
            .with_help("write `driver: {branch: \"580\"}`")
    })?;
    let open = if order.driver.flavour == Flavour::Open { "-open" } else { "" };
    let names = Names { branch: branch.to_owned(), open };
    if let Some(headless) = order.catalogue.latest(&names.headless()) {
        release::check_not_transitional(headless, branch)?;
    }
    let user_space = [names.headless(), names.utils()];
    let help = || branches(order, &names);
    let versions = release::versions(order, order.catalogue, &user_space[0], help)?;
    let kernels = self::kernels(order, &names)?;
    let latest = versions[0];
    let complete = |version: &&str| order.catalogue.of_upstream(&names.utils(), version).is_some();
    for version in versions.into_iter().filter(complete) {
        if let Some(modules) = prebuilt(order, &names, &kernels, version)? {
            add_user_space(order, &user_space, version, wanted);
            wanted.warn_of_older(version, latest);
            add_prebuilt(order, &kernels, modules, version, wanted);
            return Ok(());
        }
    }
    add_dkms(order, &names, &kernels, wanted)
}

/// The kernels of the nodes. If none is named, the newest with prebuilt modules, else the newest at all.
fn kernels<'o>(order: &Order<'o, '_>, names: &Names) -> Result<Kernels<'o>> {
    if order.driver.kernels.is_empty() {
        let metapackage = names.modules("generic");
        if let Some(newest) = kernels::newest(order.catalogue, &metapackage, &names.modules(""))? {
            return Ok(Kernels { releases: vec![newest], travel: true });
        }
    }
    kernels::of(order)
}

/// The prebuilt modules of `version` for each kernel; `None` if one of them has none.
fn prebuilt<'o, 'a>(
    order: &Order<'o, 'a>,
    names: &Names,
    kernels: &Kernels<'_>,
    version: &str,
) -> Result<Option<Vec<&'o Package<'a>>>> {
    let mut found = Vec::new();
    for kernel in &kernels.releases {
        let mut of_version = None;
        for modules in order.catalogue.versions(&names.modules(kernel)) {
            // Their own version is that of the kernel.
            if needs_from(modules, &names.kernel_common())? == Some(version) {
                of_version = Some(modules);
                break;
            }
        }
        match of_version {
            Some(modules) => found.push(modules),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn add_user_space(order: &Order<'_, '_>, names: &[String], version: &str, wanted: &mut Wanted) {
    for package in names.iter().filter_map(|name| order.catalogue.of_upstream(name, version)) {
        wanted.ask_exactly(Purpose::Driver, package.name, package.version.as_str());
    }
}

fn add_prebuilt(
    order: &Order<'_, '_>,
    kernels: &Kernels<'_>,
    modules: Vec<&Package<'_>>,
    version: &str,
    wanted: &mut Wanted,
) {
    for package in modules {
        wanted.ask_exactly(Purpose::Driver, package.name, package.version.as_str());
    }
    kernels::add_kernel(order, kernels, wanted);
    let record = |release: &&str| Kernel { release: (*release).to_owned(), prebuilt: true };
    wanted.add_driver(order, version, kernels.releases.iter().map(record).collect());
}

fn add_dkms(order: &Order<'_, '_>, names: &Names, kernels: &Kernels<'_>, wanted: &mut Wanted) -> Result<()> {
    let packages = [names.headless(), names.utils(), names.dkms()];
    let known = || with_modules(order, names);
    let unbuilt =
        format!("there are no prebuilt modules of one version for {}", release::listed(&kernels.releases));
    let Release { version, latest, packages } = release::find(order, order.catalogue, &packages, known)
        .map_err(|error| error.with_detail(&unbuilt))?;
    for package in packages {
        wanted.ask_exactly(Purpose::Driver, package.name, package.version.as_str());
    }
    wanted.warn_of_older(version, latest);
    wanted.warnings.push(format!(
        "{unbuilt} of the NVIDIA driver: nodes build them, and under Secure Boot somebody has to enrol a key at the console"
    ));
    let built = kernels::add_build_tools(order, kernels, known, wanted)?;
    wanted.add_driver(order, version, built);
    Ok(())
}

/// The branches that there are, as help for one that there is not.
fn branches(order: &Order<'_, '_>, names: &Names) -> String {
    let suffix = format!("-server{}", names.open);
    let known = order.catalogue.names_between("nvidia-headless-no-dkms-", &suffix);
    let branches: Vec<&str> = known.into_iter().filter(|name| release::is_branch(name)).rev().collect();
    match branches.is_empty() {
        true => help::components(order.host),
        false => format!("write one of these under `driver.branch`: {}", release::listed(branches)),
    }
}

/// The kernels with prebuilt modules, as help for one without anything.
fn with_modules(order: &Order<'_, '_>, names: &Names) -> String {
    let known = order.catalogue.names_between(&names.modules(""), "");
    let kernels = kernels::latest_first(known.into_iter());
    match kernels.is_empty() {
        true => kernels::with_headers(order),
        false => kernels::boot_one_of("modules", kernels),
    }
}
