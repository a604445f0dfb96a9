//! What the user asks for, and which packages that means (apt-get(8), "install").

use super::state::State;
use super::{Reason, explain};
use crate::debian::universe::{PackageId, Universe, VersionId};
use crate::error::{Error, Result, codes};

/// One package to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name, or that of a virtual package with one provider.
    pub name: String,
    /// Its architecture, if not that of the machine.
    pub architecture: Option<String>,
    /// Which of its versions.
    pub selector: Selector,
}

/// Which version of a package is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The one the pins prefer.
    Candidate,
    /// Exactly this one, `name=version`.
    Version(String),
    /// That of an archive with this suite or code name, `name/suite`.
    Release(String),
}

impl Request {
    /// Reads `name`, `name:architecture`, `name=version` or `name/suite`, as on apt's command line.
    ///
    /// # Errors
    /// [`codes::PACKAGE_REQUEST`] if the name or what follows is empty.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, selector) = match text.split_once(['=', '/']) {
            None => (text, Selector::Candidate),
            Some((name, version)) if text.as_bytes().get(name.len()) == Some(&b'=') => {
                (name, Selector::Version(version.to_string()))
            }
            Some((name, release)) => (name, Selector::Release(release.to_string())),
        };
        let (name, architecture) = match name.split_once(':') {
            None => (name, None),
            Some((name, architecture)) => (name, Some(architecture.to_string())),
        };
        let is_empty = match &selector {
            Selector::Candidate => false,
            Selector::Version(text) | Selector::Release(text) => text.is_empty(),
        };
        if name.is_empty() || is_empty || architecture.as_deref() == Some("") {
            let message = format!("`{}` does not name a package", text.escape_debug());
            return Err(Error::new(codes::PACKAGE_REQUEST, message)
                .with_help("write `name`, `name:architecture`, `name=version` or `name/suite`"));
        }
        Ok(Request { name: name.to_string(), architecture, selector })
    }
}

/// Marks what the requests name as to be installed, without what it needs. Gives what changes, in the order
/// of the requests.
pub(super) fn mark(state: &mut State<'_, '_>, requests: &[Request]) -> Result<Vec<VersionId>> {
    let mut wanted = Vec::new();
    for request in requests {
        let package = find(state, request)?;
        let version = select(state, package, request)?;
        state.set_candidate(version);
        if let Selector::Release(release) = &request.selector {
            prefer_release(state, version, release)?;
        }
        if state.requested.insert(package) && !state.is_chosen(version) {
            state.choose(version, Reason::Requested)?;
            wanted.push(version);
        }
    }
    Ok(wanted)
}

/// The package a request means: the one called so, or the only one that provides the name.
fn find(state: &State<'_, '_>, request: &Request) -> Result<PackageId> {
    let universe = state.universe;
    let architecture = request.architecture.as_deref().unwrap_or(universe.native());
    let named = universe.package(&request.name, architecture);
    if let Some(package) = named.filter(|package| !universe.versions(*package).is_empty()) {
        return Ok(package);
    }
    let mut providers: Vec<PackageId> = universe
        .providers(&request.name)
        .iter()
        .filter(|provider| state.is_candidate(provider.version))
        .map(|provider| universe.package_of(provider.version))
        .filter(|package| universe.architecture(*package) == architecture)
        .collect();
    providers.sort_unstable();
    providers.dedup();
    match providers[..] {
        [] => Err(explain::unknown(universe, &request.name)),
        [only] => Ok(only),
        _ => Err(explain::ambiguous(universe, &request.name, &providers)),
    }
}

fn select(state: &State<'_, '_>, package: PackageId, request: &Request) -> Result<VersionId> {
    let universe = state.universe;
    let found = match &request.selector {
        Selector::Candidate => state.candidate(package),
        Selector::Version(version) => find_version(universe, package, version),
        Selector::Release(release) => find_release(universe, package, release),
    };
    found.ok_or_else(|| explain::no_such_version(universe, package, request))
}

/// Takes from `release` whatever `version` needs and the pins do not offer, and what that needs in turn.
fn prefer_release(state: &mut State<'_, '_>, version: VersionId, release: &str) -> Result<()> {
    let mut pending = vec![version];
    while let Some(version) = pending.pop() {
        let relations = state.relations(version)?;
        for need in relations.needs.iter().filter(|need| need.is_hard()) {
            let meeting = state.meeting(&need.any_of, version);
            if meeting.iter().any(|other| state.is_chosen(*other) || state.is_candidate(*other)) {
                continue;
            }
            if let Some(found) = meeting.into_iter().find(|other| is_in(state.universe, *other, release)) {
                state.set_candidate(found);
                pending.push(found);
            }
        }
    }
    Ok(())
}

fn find_version(universe: &Universe<'_>, package: PackageId, version: &str) -> Option<VersionId> {
    let is_it = |id: &VersionId| universe.stanza(*id).version.as_str() == version;
    universe.versions(package).iter().copied().find(is_it)
}

fn find_release(universe: &Universe<'_>, package: PackageId, release: &str) -> Option<VersionId> {
    universe.versions(package).iter().copied().find(|version| is_in(universe, *version, release))
}

fn is_in(universe: &Universe<'_>, version: VersionId, release: &str) -> bool {
    universe.provenances(version).any(|from| from.suite == release || from.codename == release)
}
