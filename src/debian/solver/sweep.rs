//! Drops what was chosen on the way and is needed by nothing in the end.

use std::collections::HashSet;

use super::state::State;
use crate::debian::package::Relationship;
use crate::debian::universe::{PackageId, VersionId};
use crate::error::Result;

/// Takes back new packages that nothing which stays needs, recommends or suggests.
pub(super) fn drop_unneeded(state: &mut State<'_, '_>) -> Result<()> {
    let universe = state.universe;
    let is_root = |version: &VersionId| {
        let package = universe.package_of(*version);
        state.requested.contains(&package) || universe.installed(package).is_some()
    };
    let mut pending: Vec<VersionId> = state.all_chosen().filter(is_root).collect();
    let mut reached: HashSet<VersionId> = pending.iter().copied().collect();
    while let Some(version) = pending.pop() {
        for needed in wanted_by(state, version)? {
            if reached.insert(needed) {
                pending.push(needed);
            }
        }
    }
    let unneeded: Vec<PackageId> = state
        .all_chosen()
        .filter(|version| !reached.contains(version))
        .map(|version| universe.package_of(version))
        .collect();
    for package in unneeded {
        state.keep(package);
    }
    Ok(())
}

/// What is chosen and meets something that `version` needs, recommends or suggests.
fn wanted_by(state: &State<'_, '_>, version: VersionId) -> Result<Vec<VersionId>> {
    let suggests = state.universe.stanza(version).relations(Relationship::Suggests)?;
    let relations = state.relations(version)?;
    let groups = relations.needs.iter().map(|need| &need.any_of).chain(&suggests);
    let mut found: Vec<VersionId> = groups.flat_map(|any_of| state.meeting(any_of, version)).collect();
    found.retain(|meeting| state.is_chosen(*meeting));
    Ok(found)
}
