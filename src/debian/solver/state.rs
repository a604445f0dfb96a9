//! The decisions so far, and how to take them back.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::relations::{RelationCache, Relations};
use super::{Choice, Options, Reason, Solution};
use crate::debian::relation::{AnyOf, Relation};
use crate::debian::universe::mention::Mention;
use crate::debian::universe::{PackageId, Universe, VersionId};
use crate::error::Result;

/// How a package stood before a decision.
#[derive(Debug)]
struct Before<'a> {
    package: PackageId,
    chosen: Option<VersionId>,
    reason: Option<Reason<'a>>,
}

/// What will be on the machine, as far as it is decided.
pub(super) struct State<'u, 'a> {
    pub universe: &'u Universe<'a>,
    pub options: &'u Options,
    /// What the user asked for: never given up.
    pub requested: HashSet<PackageId>,
    candidates: Vec<Option<VersionId>>,
    chosen: Vec<Option<VersionId>>,
    reasons: HashMap<PackageId, Reason<'a>>,
    relations: RelationCache<'a>,
    /// Names that some chosen version conflicts with or breaks. May hold versions that are no longer chosen.
    excluders: HashMap<&'a str, Vec<VersionId>>,
    journal: Vec<Before<'a>>,
    mentions: RefCell<HashMap<PackageId, Mention>>,
}

impl<'u, 'a> State<'u, 'a> {
    /// Nothing is decided: what is installed stays.
    pub(super) fn new(universe: &'u Universe<'a>, options: &'u Options) -> Result<Self> {
        let is_held = |package| options.holds.contains(universe.name(package));
        let candidate = |package| match universe.installed(package) {
            Some(installed) if is_held(package) => Some(installed),
            _ => universe.candidate(package, &options.preferences),
        };
        let mut state = State {
            universe,
            options,
            requested: HashSet::new(),
            candidates: universe.packages().map(candidate).collect(),
            chosen: universe.packages().map(|package| universe.installed(package)).collect(),
            reasons: HashMap::new(),
            relations: RelationCache::default(),
            excluders: HashMap::new(),
            journal: Vec::new(),
            mentions: RefCell::default(),
        };
        for &version in universe.baseline() {
            state.note_exclusions(version)?;
        }
        Ok(state)
    }

    /// What `version` needs and excludes.
    pub(super) fn relations(&self, version: VersionId) -> Result<Rc<Relations<'a>>> {
        self.relations.of(self.universe, version)
    }

    /// The version of `package` that may be installed.
    pub(super) fn candidate(&self, package: PackageId) -> Option<VersionId> {
        self.candidates[package.index()]
    }

    /// The version of `package` that will be on the machine.
    pub(super) fn chosen(&self, package: PackageId) -> Option<VersionId> {
        self.chosen[package.index()]
    }

    /// Whether `version` will be on the machine.
    pub(super) fn is_chosen(&self, version: VersionId) -> bool {
        self.chosen(self.universe.package_of(version)) == Some(version)
    }

    /// Whether `version` is what may be installed of its package.
    pub(super) fn is_candidate(&self, version: VersionId) -> bool {
        self.candidate(self.universe.package_of(version)) == Some(version)
    }

    /// Whether `package` changes compared to the baseline.
    pub(super) fn is_changed(&self, package: PackageId) -> bool {
        self.chosen(package) != self.universe.installed(package)
    }

    /// Every version that will be on the machine.
    pub(super) fn all_chosen(&self) -> impl Iterator<Item = VersionId> + '_ {
        self.chosen.iter().copied().flatten()
    }

    /// All versions that meet one of the alternatives for a package on the architecture of `holder`.
    pub(super) fn meeting(&self, any_of: &AnyOf<'_>, holder: VersionId) -> Vec<VersionId> {
        let architecture = self.universe.architecture(self.universe.package_of(holder));
        let of = |relation: &Relation<'_>| self.universe.meeting(relation, architecture);
        any_of.alternatives.iter().flat_map(of).collect()
    }

    /// Whether something that will be on the machine meets one of the alternatives.
    pub(super) fn is_met(&self, any_of: &AnyOf<'_>, holder: VersionId) -> bool {
        self.meeting(any_of, holder).into_iter().any(|version| self.is_chosen(version))
    }

    /// What will be on the machine and cannot be there together with `version`, in either direction.
    pub(super) fn in_conflict_with(&self, version: VersionId) -> Result<Vec<VersionId>> {
        let package = self.universe.package_of(version);
        let mut found = Vec::new();
        for relation in &self.relations(version)?.excludes {
            found.extend(self.universe.excluded(relation, package));
        }
        found.retain(|other| self.is_chosen(*other));
        for holder in self.possible_excluders(version)? {
            if self.is_chosen(holder) && !found.contains(&holder) && self.excludes(holder, version)? {
                found.push(holder);
            }
        }
        Ok(found)
    }

    /// Whether one of the two excludes the other.
    pub(super) fn are_in_conflict(&self, left: VersionId, right: VersionId) -> Result<bool> {
        Ok(self.excludes(left, right)? || self.excludes(right, left)?)
    }

    /// Installed packages of the same source as `version` that could move to the version of that source, and
    /// the same package on other architectures, which must have the same version if it allows both.
    pub(super) fn siblings(&self, version: VersionId) -> Vec<PackageId> {
        let universe = self.universe;
        let stanza = universe.stanza(version);
        let is_sibling = |package: &PackageId| {
            self.candidate(*package).filter(|candidate| !self.is_chosen(*candidate)).is_some_and(
                |candidate| {
                    let other = universe.stanza(candidate);
                    other.source == stanza.source && other.source_version == stanza.source_version
                },
            )
        };
        let installed = universe.baseline().iter().map(|installed| universe.package_of(*installed));
        installed.filter(is_sibling).collect()
    }

    /// Whether Conflicts or Breaks of `holder` mean `version`.
    fn excludes(&self, holder: VersionId, version: VersionId) -> Result<bool> {
        let package = self.universe.package_of(holder);
        let excludes = &self.relations(holder)?.excludes;
        Ok(excludes.iter().any(|relation| self.universe.excluded(relation, package).contains(&version)))
    }

    fn possible_excluders(&self, version: VersionId) -> Result<Vec<VersionId>> {
        let stanza = self.universe.stanza(version);
        let mut names = vec![stanza.name];
        names.extend(stanza.provides()?.iter().map(|provided| provided.name));
        let mut found: Vec<VersionId> =
            names.iter().filter_map(|name| self.excluders.get(name)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn note_exclusions(&mut self, version: VersionId) -> Result<()> {
        for relation in &self.relations(version)?.excludes {
            let holders = self.excluders.entry(relation.name).or_default();
            if !holders.contains(&version) {
                holders.push(version);
            }
        }
        Ok(())
    }

    /// Decides that `version` will be on the machine.
    pub(super) fn choose(&mut self, version: VersionId, reason: Reason<'a>) -> Result<()> {
        self.note_exclusions(version)?;
        self.set(self.universe.package_of(version), Some(version), Some(reason));
        Ok(())
    }

    /// Decides that `package` will stay as it is in the baseline, or away.
    pub(super) fn keep(&mut self, package: PackageId) {
        self.set(package, self.universe.installed(package), None);
    }

    /// Decides that `package` will not be on the machine.
    pub(super) fn remove(&mut self, package: PackageId) {
        self.set(package, None, None);
    }

    fn set(&mut self, package: PackageId, version: Option<VersionId>, reason: Option<Reason<'a>>) {
        let chosen = std::mem::replace(&mut self.chosen[package.index()], version);
        let reason = match reason {
            Some(reason) => self.reasons.insert(package, reason),
            None => self.reasons.remove(&package),
        };
        self.journal.push(Before { package, chosen, reason });
    }

    /// Gives up the version of `package` that could have been installed, for good.
    pub(super) fn discard_candidate(&mut self, package: PackageId) {
        self.candidates[package.index()] = self.universe.installed(package);
    }

    /// Names another version as the one to install, before anything is decided.
    pub(super) fn set_candidate(&mut self, version: VersionId) {
        self.candidates[self.universe.package_of(version).index()] = Some(version);
    }

    /// A moment to which [`State::take_back`] can return.
    pub(super) fn moment(&self) -> usize {
        self.journal.len()
    }

    /// Takes back all choices since `moment`. Candidates that were found to be impossible stay so.
    pub(super) fn take_back(&mut self, moment: usize) {
        for Before { package, chosen, reason } in self.journal.split_off(moment).into_iter().rev() {
            self.chosen[package.index()] = chosen;
            match reason {
                Some(reason) => drop(self.reasons.insert(package, reason)),
                None => drop(self.reasons.remove(&package)),
            }
        }
    }

    /// Where `package` was first mentioned in the indices; found once for each package.
    pub(super) fn first_mention(&self, package: PackageId) -> Mention {
        *self.mentions.borrow_mut().entry(package).or_insert_with(|| self.universe.first_mention(package))
    }

    /// Installed packages that would have to go.
    pub(super) fn removed(&self) -> impl Iterator<Item = VersionId> + '_ {
        let is_gone = |version: &VersionId| self.chosen(self.universe.package_of(*version)).is_none();
        self.universe.baseline().iter().copied().filter(is_gone)
    }

    /// What changes, by name and architecture.
    pub(super) fn into_solution(mut self) -> Solution<'a> {
        let changed = |package: &PackageId| self.is_changed(*package);
        let mut packages: Vec<PackageId> = self.universe.packages().filter(changed).collect();
        packages.sort_by_key(|package| (self.universe.name(*package), self.universe.architecture(*package)));
        let choices = packages.into_iter().filter_map(|package| {
            let version = self.chosen(package)?;
            let reason = self.reasons.remove(&package).unwrap_or(Reason::Repair);
            Some(Choice { version, reason })
        });
        Solution { choices: choices.collect() }
    }
}
