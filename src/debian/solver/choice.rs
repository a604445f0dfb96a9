//! Which of several possibilities to meet a requirement apt prefers.

use std::cmp::Reverse;

use super::Profile;
use super::state::State;
use crate::debian::package::MultiArch;
use crate::debian::relation::{AnyOf, Relation};
use crate::debian::universe::{PackageId, VersionId};

/// The packages whose candidate meets `any_of`, the preferred one first. Upgrades of what is there come before
/// anything new, whatever the order of the alternatives.
pub(super) fn possibilities(state: &State<'_, '_>, any_of: &AnyOf<'_>, holder: VersionId) -> Vec<PackageId> {
    let (mut upgrades, mut additions) = (Vec::new(), Vec::new());
    for relation in &any_of.alternatives {
        for version in ranked(state, relation, holder) {
            let package = state.universe.package_of(version);
            let list = match state.universe.installed(package) {
                Some(_) => &mut upgrades,
                None => &mut additions,
            };
            if !list.contains(&package) {
                list.push(package);
            }
        }
    }
    upgrades.append(&mut additions);
    upgrades
}

/// The candidates that meet `any_of`, in the order of [`possibilities`].
pub(super) fn solutions(state: &State<'_, '_>, any_of: &AnyOf<'_>, holder: VersionId) -> Vec<VersionId> {
    possibilities(state, any_of, holder).into_iter().filter_map(|package| state.candidate(package)).collect()
}

/// The candidates that meet one alternative, the preferred one first.
pub(super) fn ranked(state: &State<'_, '_>, relation: &Relation<'_>, holder: VersionId) -> Vec<VersionId> {
    let architecture = state.universe.architecture(state.universe.package_of(holder));
    let mut versions = state.universe.meeting(relation, architecture);
    versions.retain(|version| state.is_candidate(*version));
    versions.sort_by_cached_key(|version| qualities(state, relation, *version));
    break_ties(state, relation, &mut versions);
    versions
}

/// What makes a version the better choice, the most important first. Smaller is preferred.
fn qualities(state: &State<'_, '_>, relation: &Relation<'_>, version: VersionId) -> impl Ord + use<> {
    let universe = state.universe;
    let package = universe.package_of(version);
    let stanza = universe.stanza(version);
    let qualities = [
        state.requested.contains(&package),
        has_sibling(state, version),
        universe.installed(package).is_some(),
        stanza.name == relation.name,
        stanza.essential,
        stanza.important || stanza.protected,
        universe.architecture(package) == universe.native(),
    ];
    // No priority at all is better than any, as in apt.
    (qualities.map(Reverse), stanza.priority)
}

/// Orders equals: the older apt takes what it came across last, the newer one goes by name.
fn break_ties(state: &State<'_, '_>, relation: &Relation<'_>, versions: &mut [VersionId]) {
    let universe = state.universe;
    for equal in versions
        .chunk_by_mut(|left, right| qualities(state, relation, *left) == qualities(state, relation, *right))
    {
        let package = |version: &VersionId| universe.package_of(*version);
        match state.options.profile {
            _ if equal.len() == 1 => {}
            Profile::Solver3 => equal.sort_by_key(|version| universe.name(package(version))),
            Profile::Apt24 | Profile::Classic => {
                equal.sort_by_cached_key(|version| Reverse(state.first_mention(package(version))));
            }
        }
    }
}

/// Whether the same package is there for another architecture, and both may be.
fn has_sibling(state: &State<'_, '_>, version: VersionId) -> bool {
    let universe = state.universe;
    let package = universe.package_of(version);
    universe.stanza(version).multi_arch == MultiArch::Same
        && universe
            .packages_named(universe.name(package))
            .any(|other| other != package && universe.installed(other).is_some())
}
