//! From what the spec asks for to requests of the solver, each with the place it comes from; and from an error of
//! the solver back to the wishes it is about.

use crate::bundle::manifest::apt::Purpose;
use crate::debian::solver::{Options, Request, Selector, Solution, solve};
use crate::debian::universe::{PackageId, Universe, VersionId};
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::apt::Wish;
use crate::spec::suggest;

/// One request with its origin.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) request: Request,
    pub(super) purpose: Purpose,
    /// Where it is asked for, such as `line 12 of bundle.yaml: package nfs-common`.
    pub(super) place: String,
}

/// The requests that a wish stands for: one, or all packages of a task.
pub(super) fn requests(wish: &Wish, universe: &Universe<'_>, options: &Options) -> Result<Vec<Wanted>> {
    let place = format!("line {} of bundle.yaml: package {}", wish.line, wish.text);
    let requests = match wish.text.strip_suffix('^') {
        Some(task) => of_task(task, universe, options),
        None => Request::parse(&wish.text).map(|request| vec![request]),
    };
    let wanted = |request| Wanted { request, purpose: Purpose::Node, place: place.clone() };
    match requests {
        Ok(requests) => Ok(requests.into_iter().map(wanted).collect()),
        Err(error) => Err(error.with_detail(place)),
    }
}

/// The packages whose version to install says that it belongs to the task (field `Task`).
fn of_task(task: &str, universe: &Universe<'_>, options: &Options) -> Result<Vec<Request>> {
    let mut known: Vec<&str> = Vec::new();
    let mut requests = Vec::new();
    for package in universe.packages().filter(|package| universe.architecture(*package) == universe.native())
    {
        let Some(version) = universe.candidate(package, &options.preferences) else { continue };
        let tasks = universe.stanza(version).stanza.field("Task")?.unwrap_or_default();
        let tasks = std::str::from_utf8(tasks).unwrap_or_default();
        for found in tasks.split([',', ' ']).filter(|name| !name.is_empty()) {
            known.push(found);
            if found == task {
                let name = universe.name(package).to_owned();
                requests.push(Request { name, architecture: None, selector: Selector::Candidate });
            }
        }
    }
    if requests.is_empty() { Err(unknown_task(task, &known)) } else { Ok(requests) }
}

fn unknown_task(task: &str, known: &[&str]) -> Error {
    let message = format!("no package of the repositories belongs to the task `{}`", quote(task));
    Error::new(codes::APT_TASK_UNKNOWN, message).with_help(
        match suggest::nearest(task, known.iter().copied()) {
            Some(near) => format!("did you mean `{}^`?", quote(near)),
            None => {
                "name the packages themselves; only some distributions give their packages tasks".to_owned()
            }
        },
    )
}

/// Solves all requests together. An error names the places of those that it is about.
pub(super) fn solved<'a>(
    universe: &Universe<'a>,
    wanted: &[Wanted],
    options: &Options,
) -> Result<Solution<'a>> {
    let all: Vec<&Wanted> = wanted.iter().collect();
    attempt(universe, &all, options).map_err(|error| blamed(universe, all, options, error))
}

fn attempt<'a>(universe: &Universe<'a>, wanted: &[&Wanted], options: &Options) -> Result<Solution<'a>> {
    let requests: Vec<Request> = wanted.iter().map(|wanted| wanted.request.clone()).collect();
    solve(universe, &requests, options)
}

/// What fails alone explains more than what fails in company. Where everything can be had alone, wishes exclude
/// each other: as many as possible are left out for as long as the rest still fails.
fn blamed(universe: &Universe<'_>, mut wanted: Vec<&Wanted>, options: &Options, error: Error) -> Error {
    for alone in &wanted {
        if let Err(error) = attempt(universe, &[alone], options) {
            return error.with_detail(&*alone.place);
        }
    }
    let mut explained = error;
    for number in (0..wanted.len()).rev() {
        let without: Vec<&Wanted> = wanted
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .map(|(_, wanted)| *wanted)
            .collect();
        if let Err(error) = attempt(universe, &without, options) {
            explained = error;
            wanted = without;
        }
    }
    wanted.into_iter().fold(explained, |error, wanted| error.with_detail(&*wanted.place))
}

/// The version that a request gets: what the solution adds of its package, or what is installed already.
pub(super) fn outcome(
    universe: &Universe<'_>,
    solution: &Solution<'_>,
    options: &Options,
    request: &Request,
) -> Option<VersionId> {
    let version_of = |package: PackageId| {
        let chosen = solution.choices.iter().find(|choice| universe.package_of(choice.version) == package);
        chosen.map(|choice| choice.version).or_else(|| universe.installed(package))
    };
    let architecture = request.architecture.as_deref().unwrap_or(universe.native());
    let named = universe.package(&request.name, architecture);
    if let Some(package) = named.filter(|package| !universe.versions(*package).is_empty()) {
        return version_of(package);
    }
    // A virtual package: the solver took its only provider.
    let mut providers = universe.providers(&request.name).iter().filter(|provider| {
        let package = universe.package_of(provider.version);
        universe.candidate(package, &options.preferences) == Some(provider.version)
            && universe.architecture(package) == architecture
    });
    providers.find_map(|provider| version_of(universe.package_of(provider.version)))
}
