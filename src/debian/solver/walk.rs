//! The decision procedure of apt 2.4 to 3.0: a walk from the requested packages through what they need, which
//! settles every choice when it comes to it and rarely looks back.

use super::relations::Need;
use super::state::State;
use super::{Profile, Reason, choice, explain, sweep};
use crate::debian::universe::{PackageId, VersionId};
use crate::error::{Error, Result, codes};

/// The longest chain of packages that is followed, each needing the next. Real ones have some hundred.
const LONGEST_CHAIN: usize = 1500;

/// How often what the walk left broken is repaired before the request counts as unsatisfiable.
const REPAIRS: usize = 12;

/// Decides everything that `wanted`, already chosen, needs.
pub(super) fn run(state: &mut State<'_, '_>, wanted: &[VersionId]) -> Result<()> {
    for &version in wanted {
        let mut walk = Walk { state, depth: 0 };
        if !walk.settle(version)? {
            return Err(explain::unsatisfiable(state, version));
        }
    }
    finish(state)
}

/// Repairs what is broken and drops what is not needed in the end.
pub(super) fn finish(state: &mut State<'_, '_>) -> Result<()> {
    repair(state)?;
    sweep::drop_unneeded(state)
}

/// Upgrades what the walk left without something it needs, as long as that helps.
fn repair(state: &mut State<'_, '_>) -> Result<()> {
    for _ in 0..REPAIRS {
        let broken = broken(state)?;
        if broken.is_empty() {
            return Ok(());
        }
        for version in broken {
            let package = state.universe.package_of(version);
            let mut walk = Walk { state, depth: 0 };
            match walk.state.is_candidate(version) {
                true => walk.settle(version)?,
                false => walk.install(package, Reason::Repair)?,
            };
        }
    }
    match broken(state)?.first() {
        None => Ok(()),
        Some(version) => Err(explain::unsatisfiable(state, *version)),
    }
}

/// Chosen versions that lack something or are in conflict, although the baseline was fine.
fn broken(state: &State<'_, '_>) -> Result<Vec<VersionId>> {
    let mut found = Vec::new();
    for version in state.all_chosen() {
        let relations = state.relations(version)?;
        let lacks = |need: &Need<'_>| {
            need.is_hard() && !state.is_met(&need.any_of, version) && !was_broken(state, version, need)
        };
        if relations.needs.iter().any(lacks) || !state.in_conflict_with(version)?.is_empty() {
            found.push(version);
        }
    }
    Ok(found)
}

/// Whether an installed package already lacked this in the baseline; that is not for us to repair.
fn was_broken(state: &State<'_, '_>, version: VersionId, need: &Need<'_>) -> bool {
    let universe = state.universe;
    let is_installed = |version: VersionId| universe.installed(universe.package_of(version)) == Some(version);
    is_installed(version) && !state.meeting(&need.any_of, version).into_iter().any(is_installed)
}

/// Recommendations count for new packages; for upgrades only those that are new or were followed before.
pub(super) fn wants_recommended(state: &State<'_, '_>, need: &Need<'_>, version: VersionId) -> Result<bool> {
    let universe = state.universe;
    if !state.options.recommends {
        return Ok(false);
    }
    let Some(installed) = universe.installed(universe.package_of(version)) else {
        return Ok(true);
    };
    let before = state.relations(installed)?;
    let is_old = before.needs.iter().any(|old| old.any_of == need.any_of);
    let is_installed = |version: VersionId| universe.installed(universe.package_of(version)) == Some(version);
    let was_met = || state.meeting(&need.any_of, installed).into_iter().any(is_installed);
    Ok(!is_old || was_met())
}

struct Walk<'s, 'u, 'a> {
    state: &'s mut State<'u, 'a>,
    depth: usize,
}

impl<'a> Walk<'_, '_, 'a> {
    /// Chooses the candidate of `package` and all it needs. Without success everything is as before, but for
    /// candidates that are now known to be impossible.
    fn install(&mut self, package: PackageId, reason: Reason<'a>) -> Result<bool> {
        let Some(candidate) = self.state.candidate(package) else {
            return Ok(false);
        };
        if self.state.is_chosen(candidate) {
            return Ok(true);
        }
        let moment = self.state.moment();
        if self.is_satisfiable(candidate)? {
            self.state.choose(candidate, reason)?;
            if self.settle(candidate)? {
                return Ok(true);
            }
        }
        self.state.take_back(moment);
        self.state.discard_candidate(package);
        Ok(false)
    }

    /// Whether everything `version` cannot do without is there or could be; looks one step ahead only.
    fn is_satisfiable(&self, version: VersionId) -> Result<bool> {
        let state = &self.state;
        let could_be = |need: &Need<'_>| {
            let mut meeting = state.meeting(&need.any_of, version).into_iter();
            meeting.any(|possible| state.is_chosen(possible) || state.is_candidate(possible))
        };
        Ok(state.relations(version)?.needs.iter().filter(|need| need.is_hard()).all(could_be))
    }

    /// Makes room for `version`, which is chosen, and chooses what it needs.
    fn settle(&mut self, version: VersionId) -> Result<bool> {
        if self.depth >= LONGEST_CHAIN {
            let message = format!("more than {LONGEST_CHAIN} packages need each other in a chain");
            return Err(Error::new(codes::DEBIAN_UNIVERSE, message)
                .with_help("this is no ordinary repository; check where it comes from"));
        }
        self.depth += 1;
        let settled =
            self.make_room(version)? && self.upgrade_siblings(version)? && self.meet_needs(version)?;
        self.depth -= 1;
        Ok(settled)
    }

    /// Moves what conflicts with `version` out of the way: by an upgrade if there is one that does not.
    fn make_room(&mut self, version: VersionId) -> Result<bool> {
        for other in self.state.in_conflict_with(version)? {
            let package = self.state.universe.package_of(other);
            if !self.state.is_chosen(other) || self.upgrade_out_of_the_way(package, other, version)? {
                continue;
            }
            if self.state.requested.contains(&package) {
                return Ok(false);
            }
            self.state.remove(package);
        }
        Ok(true)
    }

    fn upgrade_out_of_the_way(
        &mut self,
        package: PackageId,
        other: VersionId,
        version: VersionId,
    ) -> Result<bool> {
        let candidate = self.state.candidate(package).filter(|candidate| *candidate != other);
        match candidate {
            Some(candidate) if !self.state.are_in_conflict(candidate, version)? => {
                self.install(package, Reason::MakesRoom { by: version })
            }
            _ => Ok(false),
        }
    }

    /// Upgrades what is installed of the same source, so that a source is not there in two versions
    /// (`APT::Get::Upgrade-By-Source-Package`, apt 2.5.2).
    fn upgrade_siblings(&mut self, version: VersionId) -> Result<bool> {
        if self.state.options.profile != Profile::Apt24 {
            for package in self.state.siblings(version) {
                self.install(package, Reason::SameSource { with: version })?;
            }
        }
        Ok(true)
    }

    fn meet_needs(&mut self, version: VersionId) -> Result<bool> {
        let relations = self.state.relations(version)?;
        for need in &relations.needs {
            let skipped = !need.is_hard() && !wants_recommended(self.state, need, version)?;
            if skipped || self.state.is_met(&need.any_of, version) {
                continue;
            }
            if !self.meet(need, version)? && need.is_hard() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tries the possibilities to meet `need`, in order of preference. What is only recommended must not
    /// cost anything installed; apt would remove it.
    fn meet(&mut self, need: &Need<'a>, version: VersionId) -> Result<bool> {
        let removed = self.state.removed().count();
        for package in choice::possibilities(self.state, &need.any_of, version) {
            let moment = self.state.moment();
            let reason =
                Reason::Needed { by: version, strength: need.strength, requirement: need.any_of.clone() };
            if !self.install(package, reason)? {
                continue;
            }
            if need.is_hard() || self.state.removed().count() == removed {
                return Ok(true);
            }
            self.state.take_back(moment);
        }
        Ok(false)
    }
}
