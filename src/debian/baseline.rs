//! What is assumed to be on a node already: the least that every installation has, or what one node has.

use std::collections::{BTreeSet, HashSet};

use crate::debian::package::{Flag, Package, Priority, State, Want, parse_status};
use crate::debian::solver::{Options, Request, Selector, Solution, solve};
use crate::debian::universe::{Universe, VersionId};
use crate::error::{Error, Result, codes};

/// What debootstrap installs where apt alone would choose `usrmerge`: it merges `/usr` itself. Perl and more, which
/// usrmerge needs, are then not there, and must not be assumed to be.
const MERGED: &str = "usr-is-merged";
/// How many broken packages an error lists.
const LISTED: usize = 10;

/// What one node has.
#[derive(Clone, Debug, Default)]
pub struct NodeBaseline<'a> {
    /// Everything that is installed.
    pub packages: Vec<Package<'a>>,
    /// Names of packages that the administrator holds at their version.
    pub holds: BTreeSet<String>,
}

/// Reads `/var/lib/dpkg/status` of a node.
///
/// # Errors
/// [`BROKEN_BASELINE`](codes::BROKEN_BASELINE) if a package on the node is only half installed: apt would want to
/// repair that first. What [`parse_status`] finds wrong.
pub fn of_node(status: &[u8]) -> Result<NodeBaseline<'_>> {
    let packages = parse_status(status)?;
    let broken: Vec<&str> =
        packages.iter().filter(|package| is_broken(package)).map(|package| package.name).collect();
    if !broken.is_empty() {
        let names = broken.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        let message = format!("{} packages on the node are not installed properly: {names}", broken.len());
        return Err(Error::new(codes::BROKEN_BASELINE, message)
            .with_help("on the node run `dpkg --configure --pending` and `apt-get --fix-broken install`, then take its status again"));
    }
    let is_held = |package: &&Package<'_>| package.status.is_some_and(|status| status.want == Want::Hold);
    let holds = packages.iter().filter(is_held).map(|package| package.name.to_string()).collect();
    Ok(NodeBaseline { packages, holds })
}

fn request(name: &str) -> Request {
    Request { name: name.to_owned(), architecture: None, selector: Selector::Candidate }
}

fn is_broken(package: &Package<'_>) -> bool {
    package.status.is_some_and(|status| {
        status.flag == Flag::ReinstallRequired
            || !matches!(status.state, State::Installed | State::TriggersPending | State::TriggersAwaited)
    })
}

/// The least that every installation has, as `debootstrap --variant=minbase` makes it: what is essential or of
/// priority `required`, apt, and what these need. Computed from a universe without a baseline.
///
/// # Errors
/// Those of [`solve`], for example if the repositories lack the archive of the distribution itself.
pub fn essential<'a>(universe: &Universe<'a>, options: &Options) -> Result<Vec<Package<'a>>> {
    let is_part = |version: &VersionId| {
        let stanza = universe.stanza(*version);
        stanza.essential || stanza.priority == Some(Priority::Required) || stanza.name == "apt"
    };
    let native = |package| universe.architecture(package) == universe.native();
    let mut requests: Vec<Request> = universe
        .packages()
        .filter(|package| native(*package))
        .filter_map(|package| universe.candidate(package, &options.preferences))
        .filter(is_part)
        .map(|version| request(universe.stanza(version).name))
        .collect();
    let options = Options { recommends: false, ..options.clone() };
    let mut solution = solve(universe, &requests, &options)?;
    let has_usrmerge =
        solution.choices.iter().any(|choice| universe.stanza(choice.version).name == "usrmerge");
    if has_usrmerge && universe.package(MERGED, universe.native()).is_some() {
        requests.push(request(MERGED));
        solution = solve(universe, &requests, &options)?;
    }
    Ok(solution.choices.iter().map(|choice| universe.stanza(choice.version).clone()).collect())
}

/// Versions to carry besides a solution, so that it also fits a node that is older than the baseline: the
/// current versions of assumed packages that share a source with something chosen.
///
/// Packages of one source often need each other in exactly one version, and apt moves them together. If the
/// bundle lacks one of them that the node has in an older version, apt would rather remove it.
pub fn safety_additions(
    universe: &Universe<'_>,
    solution: &Solution<'_>,
    options: &Options,
) -> Vec<VersionId> {
    let chosen: HashSet<VersionId> = solution.choices.iter().map(|choice| choice.version).collect();
    let sources: HashSet<&str> = chosen.iter().map(|version| universe.stanza(*version).source).collect();
    let mut additions: Vec<VersionId> = universe
        .baseline()
        .iter()
        .filter_map(|installed| universe.candidate(universe.package_of(*installed), &options.preferences))
        .filter(|version| sources.contains(universe.stanza(*version).source))
        .filter(|version| !chosen.contains(version) && universe.provenances(*version).next().is_some())
        .collect();
    additions.sort_by_key(|version| {
        let stanza = universe.stanza(*version);
        (stanza.name, stanza.architecture)
    });
    additions
}

#[cfg(test)]
mod tests;
