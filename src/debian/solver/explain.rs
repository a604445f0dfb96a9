//! Says in words why a request cannot be fulfilled.

use std::collections::HashSet;

use super::relations::Need;
use super::request::{Request, Selector};
use super::state::State;
use crate::debian::relation::Relation;
use crate::debian::universe::{PackageId, Universe, VersionId};
use crate::error::{Error, Result, codes};

/// How many links of a chain are told; nobody reads more.
const LONGEST_CHAIN: usize = 12;
/// How many similar names or versions are listed.
const SUGGESTIONS: usize = 5;
/// How similar a name must be to be worth a mention, from 0 to 1 (Jaro-Winkler).
const SIMILAR: f64 = 0.88;

/// No repository has a package called `name`.
pub(super) fn unknown(universe: &Universe<'_>, name: &str) -> Error {
    let error = Error::new(
        codes::UNKNOWN_PACKAGE,
        format!("there is no package {} in the repositories", shown(name)),
    );
    match similar(universe, name).join(", ") {
        names if names.is_empty() => error
            .with_help("check the name, and whether its suite and component (contrib, non-free) are listed"),
        names => error.with_help(format!(
            "similar names: {names}; if it is none of these, list the suite or component (contrib, non-free) that has it"
        )),
    }
}

/// Several packages provide `name`.
pub(super) fn ambiguous(universe: &Universe<'_>, name: &str, providers: &[PackageId]) -> Error {
    let mut names: Vec<String> = providers.iter().map(|package| universe.display_name(*package)).collect();
    names.sort_unstable();
    Error::new(codes::AMBIGUOUS_PACKAGE, format!("{} is provided by several packages", shown(name)))
        .with_help(format!("name one of them: {}", names.join(", ")))
}

/// The package exists, but not as requested.
pub(super) fn no_such_version(universe: &Universe<'_>, package: PackageId, request: &Request) -> Error {
    let name = universe.display_name(package);
    let what = match &request.selector {
        Selector::Candidate => format!("no version of {name} may be installed: the pins forbid it"),
        Selector::Version(version) => format!("there is no version {} of {name}", shown(version)),
        Selector::Release(release) => format!("{name} is not in {}", shown(release)),
    };
    let mut known: Vec<String> = Vec::new();
    for &version in universe.versions(package).iter().take(SUGGESTIONS) {
        let suites: Vec<&str> = universe.provenances(version).map(|from| from.suite.as_str()).collect();
        known.push(format!("{} ({})", universe.stanza(version).version, suites.join(", ")));
    }
    Error::new(codes::UNKNOWN_PACKAGE, what).with_help(format!("known versions: {}", known.join(", ")))
}

/// `version` cannot be installed, or what was decided for it does not work together.
pub(super) fn unsatisfiable(state: &State<'_, '_>, version: VersionId) -> Error {
    let stanza = state.universe.stanza(version);
    let message = format!("{} {} cannot be installed", stanza.name, stanza.version);
    let mut chain = Chain { state, links: Vec::new(), seen: HashSet::new() };
    if let Err(error) = chain.follow(version) {
        return error;
    }
    let error = Error::new(codes::UNSATISFIABLE, message);
    chain.links.into_iter().fold(error, Error::with_detail).with_help(
        "request other versions (`name=version` or `name/suite`), add the repository that has what is missing, \
         or leave one of the packages out",
    )
}

/// Fulfilling the requests would remove installed packages.
pub(super) fn would_remove(state: &State<'_, '_>, removed: &[VersionId]) -> Result<Error> {
    let chain = Chain { state, links: Vec::new(), seen: HashSet::new() };
    let names: Vec<String> = removed.iter().map(|version| chain.shown_version(*version)).collect();
    let message = format!("the requested packages exclude what is installed: {}", names.join(", "));
    let mut error = Error::new(codes::WOULD_REMOVE, message);
    for &version in removed {
        for other in state.in_conflict_with(version)? {
            let (gone, new) = (chain.shown_version(version), chain.shown_version(other));
            error = error.with_detail(format!("{gone} conflicts with {new}"));
        }
    }
    Ok(error.with_help(
        "nothing is ever removed from a node; leave the new packages out, or remove the old \
        ones by hand and take the baseline again",
    ))
}

/// The packages whose names are most like `name`.
fn similar(universe: &Universe<'_>, name: &str) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = universe
        .packages()
        .map(|package| (strsim::jaro_winkler(name, universe.name(package)), universe.name(package)))
        .filter(|(score, _)| *score >= SIMILAR)
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    scored.dedup();
    scored.iter().take(SUGGESTIONS).map(|(_, name)| (*name).to_string()).collect()
}

/// Follows a package that cannot be installed down to what is missing.
struct Chain<'s, 'u, 'a> {
    state: &'s State<'u, 'a>,
    links: Vec<String>,
    seen: HashSet<VersionId>,
}

impl Chain<'_, '_, '_> {
    fn follow(&mut self, version: VersionId) -> Result<()> {
        if self.links.len() >= LONGEST_CHAIN || !self.seen.insert(version) {
            return Ok(());
        }
        let relations = self.state.relations(version)?;
        let is_unmet = |need: &&Need<'_>| need.is_hard() && !self.state.is_met(&need.any_of, version);
        let is_hopeless = |need: &&Need<'_>| {
            !self.state.meeting(&need.any_of, version).into_iter().any(|other| self.state.is_candidate(other))
        };
        let unmet: Vec<&Need<'_>> = relations.needs.iter().filter(is_unmet).collect();
        // What was tried in vain is no candidate any more; the rest was merely not reached yet.
        if let Some(need) = unmet.iter().copied().find(is_hopeless) {
            return self.missing(need, version);
        }
        let told = self.links.len();
        self.conflicts(version)?;
        match unmet.first() {
            Some(need) if self.links.len() == told => self.missing(need, version),
            _ => Ok(()),
        }
    }

    /// Tells that `need` is not met and goes on with the first thing that could meet it.
    fn missing(&mut self, need: &Need<'_>, version: VersionId) -> Result<()> {
        self.links.push(format!("{} needs {}", self.shown_version(version), need.any_of));
        let mut next = None;
        for relation in &need.any_of.alternatives {
            let found = self.why_not(relation, version);
            next = next.or(found);
        }
        match next {
            Some(next) => self.follow(next),
            None => Ok(()),
        }
    }

    /// Tells why one alternative is out; gives the version that would do, if there is one.
    fn why_not(&mut self, relation: &Relation<'_>, holder: VersionId) -> Option<VersionId> {
        let universe = self.state.universe;
        let architecture = universe.architecture(universe.package_of(holder));
        let meeting = universe.meeting(relation, architecture);
        if let Some(installable) = meeting.iter().copied().find(|version| self.state.is_candidate(*version)) {
            return Some(installable);
        }
        if let Some(&version) = meeting.first() {
            let stays = self.state.candidate(universe.package_of(version));
            if let Some(candidate) = stays.filter(|candidate| *candidate != version) {
                let (fitting, candidate) = (self.shown_version(version), self.shown_version(candidate));
                self.links.push(format!("{fitting} would do, but {candidate} is the version to install"));
            }
            return Some(version);
        }
        let versions: Vec<String> = universe
            .packages_named(relation.name)
            .flat_map(|package| universe.versions(package))
            .map(|version| self.shown_version(*version))
            .collect();
        self.links.push(match versions.is_empty() {
            true => format!("no repository has {}", relation.name),
            false => format!("there is only {}", versions.join(", ")),
        });
        None
    }

    fn conflicts(&mut self, version: VersionId) -> Result<()> {
        for other in self.state.in_conflict_with(version)? {
            let link =
                format!("{} conflicts with {}", self.shown_version(version), self.shown_version(other));
            self.links.push(link);
        }
        Ok(())
    }

    fn shown_version(&self, version: VersionId) -> String {
        let universe = self.state.universe;
        let name = universe.display_name(universe.package_of(version));
        format!("{name} {}", universe.stanza(version).version)
    }
}

/// A foreign string as it may be shown.
fn shown(text: &str) -> String {
    format!("`{}`", text.chars().take(80).collect::<String>().escape_debug())
}
