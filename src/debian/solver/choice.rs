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

/// The candidates that meet one alternative, the preferred one first.
pub(super) fn ranked(state: &State<'_, '_>, relation: &Relation<'_>, holder: VersionId) -> Vec<VersionId> {
    let architecture = state.universe.architecture(state.universe.package_of(holder));
    let mut versions = state.universe.meeting(relation, architecture);
    versions.retain(|version| state.is_candidate(*version));
    versions.sort_by_cached_key(|version| rank(state, relation, *version));
    versions
}

/// Smaller is preferred. Of equals the older apt takes what it read last, the newer one the first by name.
fn rank<'a>(
    state: &State<'_, 'a>,
    relation: &Relation<'_>,
    version: VersionId,
) -> (impl Ord, Reverse<Option<VersionId>>, Option<&'a str>) {
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
    let (read, name) = match state.options.profile {
        Profile::Solver3 => (None, Some(stanza.name)),
        Profile::Apt24 | Profile::Classic => (Some(version), None),
    };
    ((qualities.map(Reverse), stanza.priority), Reverse(read), name)
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
