//! The section `apt`: what is said for all targets, then each target with its own.

mod archive;
mod package;
mod pin;
mod repository;
mod signed_by;
mod target;
mod wish;

use std::collections::BTreeSet;

use crate::debian::universe::pins::Pin;
use crate::error::codes;
use crate::oci::platform::Platform;
use crate::spec::apt::{Repository, Target};
use crate::spec::nvidia::Nvidia;
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::yaml::{Given, Located};

use self::package::{Groups, Listed};
use super::{Check, lacking};

/// Most targets of one bundle. What is said for all is copied into each, so a small file must not ask for many.
const MAX_TARGETS: usize = 64;

/// What the rest of the file says, as far as it is not wrong itself.
pub(super) struct Surroundings<'a> {
    /// The platforms of the bundle.
    pub platforms: Option<&'a [Platform]>,
    /// The distributions of the nodes.
    pub hosts: Option<&'a [String]>,
}

/// What may be said for all targets and for one.
struct Wishes {
    packages: Vec<Listed>,
    holds: BTreeSet<String>,
    pins: Vec<Pin>,
    repositories: Vec<Repository>,
}

/// All targets.
pub(super) fn apt(
    check: &mut Check<'_>,
    section: &Located<raw::Apt>,
    surroundings: &Surroundings<'_>,
) -> Option<Vec<Target>> {
    let raw = &section.value;
    let groups = package::groups(check, raw.groups.as_ref());
    let common = wishes(check, &raw.packages, &raw.hold, &raw.pins, &raw.repositories, groups.as_ref());
    let entries = entries(check, section)?;
    let names = target::names(check, entries, surroundings.platforms);
    let targets =
        check.each(entries, |check, entry| target::target(check, entry, surroundings, groups.as_ref()));
    groups?;
    let (common, names) = (common?, names?);
    let recommends = raw.recommends.unwrap_or(false);
    let complete =
        targets?.into_iter().zip(names).map(|(own, name)| own.with(check, name, &common, recommends));
    complete.collect()
}

/// The entries of `targets`, of which there must be at least one.
fn entries<'a>(check: &mut Check<'_>, section: &'a Located<raw::Apt>) -> Option<&'a [Located<raw::Target>]> {
    let list = section.value.targets.as_ref();
    let entries = list.map(|list| list.value.as_slice()).unwrap_or_default();
    if let Some(first_too_many) = entries.get(MAX_TARGETS) {
        let message =
            format!("`apt` has {} targets, more than the {MAX_TARGETS} that are allowed", entries.len());
        let error = check.source.error(codes::SPEC_BUDGET, message, &first_too_many.span, "");
        return check
            .keep(Err(error.with_help("a target is a kind of node, not a node; else split the bundle")));
    }
    if !entries.is_empty() {
        return Some(entries);
    }
    let span = list.map_or(&section.span, |list| &list.span);
    let help = "add `targets: [{host: debian-12}]`, with the distribution of the nodes";
    check.keep(Err(lacking(check.source, span, "`apt` has no targets to carry packages for", help)))
}

fn wishes(
    check: &mut Check<'_>,
    packages: &Given<Vec<Text>>,
    hold: &Given<Vec<Text>>,
    pins: &Given<Vec<Located<raw::Pin>>>,
    repositories: &Given<Vec<Located<raw::Repository>>>,
    groups: Option<&Groups>,
) -> Option<Wishes> {
    let packages = check.each(packages.as_deref().unwrap_or_default(), |check, value| {
        check.keep(package::listed(check.source, value, groups))
    });
    let holds = check.each(hold.as_deref().unwrap_or_default(), |check, value| {
        check.keep(wish::name(check.source, value))
    });
    let pins = check.each(pins.as_deref().unwrap_or_default(), pin::pin);
    let repositories = check.each(repositories.as_deref().unwrap_or_default(), repository::repository);
    Some(Wishes {
        packages: packages?,
        holds: holds?.into_iter().collect(),
        pins: pins?,
        repositories: repositories?,
    })
}

/// Sees to it that every target gets packages from somewhere.
pub(super) fn something_for_each(
    check: &mut Check<'_>,
    section: &Located<raw::Apt>,
    targets: &[Target],
    nvidia: Option<&Nvidia>,
) {
    let gets_drivers = |target: &Target| {
        nvidia.is_some_and(|nvidia| nvidia.wants_packages() && nvidia.targets.contains(&target.name))
    };
    let entries = section.value.targets.as_ref().map(|list| list.value.as_slice()).unwrap_or_default();
    for (entry, target) in entries.iter().zip(targets) {
        if target.packages.is_empty() && !gets_drivers(target) {
            let message = format!("no packages are wanted for target `{}`", target.name);
            let help = "add `packages: [nfs-common]` under `apt` for all targets, or here for this one";
            check.keep::<()>(Err(lacking(check.source, &entry.span, message, help)));
        }
    }
}
