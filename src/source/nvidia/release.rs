//! Which version of a driver to take: the latest in which all of its packages are there.

use super::Order;
use super::catalogue::{Catalogue, depends};
use crate::debian::package::Package;
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::nvidia::Driver;

/// More versions than an error lists.
const LISTED: usize = 12;

/// A driver that is there completely.
#[derive(Debug)]
pub(super) struct Release<'u, 'a> {
    /// Its version, such as `580.126.20`.
    pub version: &'a str,
    /// Its packages, in the order they were named.
    pub packages: Vec<&'u Package<'a>>,
}

/// The branch that is asked for, if one is: as written, or of the exact version.
pub(super) fn branch(driver: &Driver) -> Option<&str> {
    let of_version = driver.version.as_deref().and_then(|version| version.split('.').next());
    driver.branch.as_deref().or(of_version)
}

/// Whether a version of the driver is one that is asked for.
fn fits(driver: &Driver, version: &str) -> bool {
    match (&driver.version, branch(driver)) {
        (Some(exact), _) => exact == version,
        (None, Some(branch)) => version.split('.').next() == Some(branch),
        (None, None) => true,
    }
}

/// The versions of `name` that are asked for, the latest first, each once.
///
/// # Errors
/// [`codes::NVIDIA_DRIVER`] if there are none; `help` is for when no repository knows the name at all.
pub(super) fn versions<'a>(
    order: &Order<'_, 'a>,
    catalogue: Catalogue<'_, 'a>,
    name: &str,
    help: impl FnOnce() -> String,
) -> Result<Vec<&'a str>> {
    let mut known: Vec<&str> = catalogue.versions(name).map(|package| package.version.upstream()).collect();
    known.dedup();
    let fitting: Vec<&str> = known.iter().copied().filter(|version| fits(order.driver, version)).collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let Driver { version, .. } = order.driver;
    let asked =
        version.as_deref().or(branch(order.driver)).map(|text| format!(" {text}")).unwrap_or_default();
    let message =
        format!("no repository for {} has `{}`, which driver{asked} needs", order.host, quote(name));
    Err(match known.is_empty() {
        true => Error::new(codes::NVIDIA_DRIVER, message).with_help(help()),
        false => Error::new(codes::NVIDIA_DRIVER, format!("{message}, in that version"))
            .with_help(format!("write one of these under `driver.version`: {}", listed(&known))),
    })
}

/// The latest version asked for in which all packages called `names` are there. The first is the one that decides
/// what versions there are.
///
/// # Errors
/// As [`versions`]; [`codes::NVIDIA_MISMATCH`] if the packages are there, but never all in one version.
pub(super) fn find<'u, 'a>(
    order: &Order<'_, 'a>,
    catalogue: Catalogue<'u, 'a>,
    names: &[String],
    help: impl Fn() -> String,
) -> Result<Release<'u, 'a>> {
    let known: Vec<Vec<&str>> =
        names.iter().map(|name| versions(order, catalogue, name, &help)).collect::<Result<_>>()?;
    let complete = |version: &&&str| known.iter().all(|versions| versions.contains(version));
    let Some(version) = known.iter().flatten().find(complete) else {
        return Err(mismatch(names, &known));
    };
    let packages = names.iter().filter_map(|name| catalogue.of_upstream(name, version)).collect();
    Ok(Release { version, packages })
}

fn mismatch(names: &[String], known: &[Vec<&str>]) -> Error {
    let message = "the packages of the driver are in the repositories, but not all in one version";
    let mut error = Error::new(codes::NVIDIA_MISMATCH, message);
    for (name, versions) in names.iter().zip(known) {
        error = error.with_detail(format!("{name}: {}", listed(versions)));
    }
    error.with_help(
        "write the other `driver.flavour` or another `driver.branch`; or use a snapshot of the archive in which they agree",
    )
}

/// Refuses a metapackage that only leads to another branch.
///
/// # Errors
/// [`codes::NVIDIA_TRANSITIONAL`] with the branch it leads to.
pub(super) fn check_not_transitional(package: &Package<'_>, branch: &str) -> Result<()> {
    let names =
        depends(package)?.into_iter().map(|relation| relation.name).filter(|name| name.contains("nvidia"));
    let branches: Vec<&str> = names.filter_map(|name| name.split('-').find(|part| is_branch(part))).collect();
    match branches.iter().find(|other| **other != branch) {
        Some(other) if !branches.contains(&branch) => {
            let message = format!(
                "branch {branch} of the driver has ended: `{}` {} installs branch {other}",
                package.name, package.version
            );
            Err(Error::new(codes::NVIDIA_TRANSITIONAL, message).with_help(format!(
                "write `branch: \"{other}\"` to go along, or use a snapshot of the archive that still has {branch}"
            )))
        }
        _ => Ok(()),
    }
}

/// Whether a part of a name is a branch: a number of three or four digits.
pub(super) fn is_branch(part: &str) -> bool {
    matches!(part.len(), 3 | 4) && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names or versions as an error shows them.
pub(super) fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    let more = if items.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", items[..items.len().min(LISTED)].join(", "))
}
