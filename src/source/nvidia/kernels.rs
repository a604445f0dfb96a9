//! The kernels of the nodes, and what DKMS needs to build modules for them.

use super::catalogue::{Catalogue, depends};
use super::release::listed;
use super::{Order, Wanted};
use crate::bundle::manifest::apt::{Kernel, Purpose};
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};

/// What DKMS builds with. It only recommends a compiler in some releases, and never the compressor that modules
/// of newer kernels need.
const BUILD_TOOLS: [&str; 4] = ["dkms", "gcc", "make", "zstd"];

/// The kernels that modules are wanted for.
pub(super) struct Kernels<'o> {
    /// As `uname -r` prints them; never empty.
    pub releases: Vec<&'o str>,
    /// The spec names none, and this is the newest: nodes get the kernel, too.
    pub travel: bool,
}

/// Those that the spec names, or the newest that the distribution has headers for.
///
/// # Errors
/// [`codes::NVIDIA_KERNEL`] if that cannot be found out.
pub(super) fn of<'o>(order: &Order<'o, '_>) -> Result<Kernels<'o>> {
    if !order.driver.kernels.is_empty() {
        let releases = order.driver.kernels.iter().map(String::as_str).collect();
        return Ok(Kernels { releases, travel: false });
    }
    let metapackage = match order.host.starts_with("ubuntu-") {
        true => "linux-headers-generic".to_owned(),
        false => format!("linux-headers-{}", order.platform.architecture()),
    };
    let newest = newest(order.catalogue, &metapackage, "linux-headers-")?;
    let releases = vec![newest.ok_or_else(|| {
        Error::new(
            codes::NVIDIA_KERNEL,
            format!("no repository has headers of a kernel by way of `{metapackage}`"),
        )
        .with_help("list the kernels of the nodes under `driver.kernels`, as `uname -r` prints them")
    })?];
    Ok(Kernels { releases, travel: true })
}

/// The kernel that a metapackage leads to: it needs a package called `prefix` and the kernel.
pub(super) fn newest<'a>(
    catalogue: Catalogue<'_, 'a>,
    metapackage: &str,
    prefix: &str,
) -> Result<Option<&'a str>> {
    let Some(metapackage) = catalogue.latest(metapackage) else { return Ok(None) };
    let names = depends(metapackage)?.into_iter().map(|relation| relation.name);
    let mut kernels = names.filter_map(|name| name.strip_prefix(prefix));
    Ok(kernels.find(|kernel| is_release(kernel)))
}

/// Whether this is a kernel and not a flavour such as `generic`.
fn is_release(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && text.contains('.')
}

/// Whether headers of this name are of one kernel, and not the part that several share: Ubuntu's `6.8.0-60`,
/// Debian's `6.1.0-40-common`.
fn has_flavour(release: &str) -> bool {
    let flavour = release.rsplit('-').next().unwrap_or_default();
    flavour.starts_with(|first: char| first.is_ascii_alphabetic()) && !release.contains("-common")
}

/// Asks for what DKMS builds with, and for the headers of every kernel. `known` lists kernels that would do, for
/// the error.
///
/// # Errors
/// [`codes::NVIDIA_KERNEL`] for a kernel whose headers no repository has.
pub(super) fn add_build_tools(
    order: &Order<'_, '_>,
    kernels: &Kernels<'_>,
    known: impl Fn() -> String,
    wanted: &mut Wanted,
) -> Result<Vec<Kernel>> {
    for tool in BUILD_TOOLS {
        wanted.ask(Purpose::Driver, tool);
    }
    for kernel in &kernels.releases {
        let headers = format!("linux-headers-{kernel}");
        if order.catalogue.latest(&headers).is_none() {
            let message = format!(
                "no repository for {} has modules of the driver for kernel {kernel}, nor `{headers}` to build them",
                order.host
            );
            return Err(Error::new(codes::NVIDIA_KERNEL, message).with_help(known()));
        }
        wanted.ask(Purpose::Driver, &headers);
    }
    add_kernel(order, kernels, wanted);
    let record = |release: &&str| Kernel { release: (*release).to_owned(), prebuilt: false };
    Ok(kernels.releases.iter().map(record).collect())
}

/// Asks for the kernel itself where nobody said which one the nodes run: the modules are for this one.
pub(super) fn add_kernel(order: &Order<'_, '_>, kernels: &Kernels<'_>, wanted: &mut Wanted) {
    for kernel in kernels.releases.iter().filter(|_| kernels.travel) {
        // Drivers of network cards are among the extra modules, where a release has such a package.
        for name in [format!("linux-image-{kernel}"), format!("linux-modules-extra-{kernel}")] {
            if order.catalogue.latest(&name).is_some() {
                wanted.ask(Purpose::Driver, &name);
            }
        }
    }
}

/// The headers that there are, as help for a kernel without any.
pub(super) fn with_headers(order: &Order<'_, '_>) -> String {
    let names = order.catalogue.names_between("linux-headers-", "");
    let kernels = latest_first(names.into_iter().filter(|name| has_flavour(name)));
    match kernels.is_empty() {
        true => "add the repository that has the headers of this kernel".to_owned(),
        false => boot_one_of("headers", kernels),
    }
}

/// Those of the names that are kernels, the latest first.
pub(super) fn latest_first<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let kernels = names.filter(|name| is_release(name));
    let mut kernels: Vec<Version<'_>> = kernels.filter_map(|name| Version::parse(name).ok()).collect();
    kernels.sort_by(|left, right| right.cmp(left));
    kernels.iter().map(Version::as_str).collect()
}

/// The help for a kernel that lacks `what`, which others have.
pub(super) fn boot_one_of(what: &str, kernels: Vec<&str>) -> String {
    format!(
        "boot a kernel that has {what}, and name it under `driver.kernels`: {}; or use a snapshot of the archive that still has it",
        listed(kernels)
    )
}
