//! Chooses the packages of a target: solves, has the result proven by code that shares nothing with the solver, and
//! adds what nodes need that differ from the baseline.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::baseline;
use super::indices::Indices;
use super::release::Release;
use super::wishes::{self, Wanted};
use crate::bundle::manifest::apt::{Install, Nvidia as NvidiaRecord, Purpose};
use crate::debian::baseline::safety_additions;
use crate::debian::checker;
use crate::debian::package::Package;
use crate::debian::solver::{Options, Reason, Request, Solution, Strength};
use crate::debian::universe::pins::Preferences;
use crate::debian::universe::{Universe, VersionId};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::source::nvidia;
use crate::spec::apt::Target;
use crate::spec::nvidia::Nvidia;

/// What a selection is made from.
pub(super) struct Order {
    pub(super) target: Target,
    /// If nodes of this target have GPUs.
    pub(super) nvidia: Option<Nvidia>,
    pub(super) release: Release,
    pub(super) baseline: baseline::Text,
    pub(super) indices: Indices,
}

/// The packages of a target.
#[derive(Debug)]
pub(super) struct Selection {
    /// Sorted by name, version, architecture.
    pub(super) packages: Vec<Selected>,
    pub(super) install: Vec<Install>,
    /// How many packages the baseline has.
    pub(super) baseline: usize,
    pub(super) nvidia: Option<NvidiaRecord>,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
}

/// A package to carry.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) wanted_by: String,
    pub(super) url: String,
    /// Absent if the index only knows its SHA-512.
    pub(super) digest: Option<Digest>,
    pub(super) sha512: Option<String>,
    pub(super) size: u64,
    pub(super) stanza: String,
}

/// Chooses the packages.
///
/// # Errors
/// Those of the solver, with the lines of bundle.yaml they are about.
pub(super) fn select(order: &Order) -> Result<Selection> {
    let warnings = std::cell::RefCell::new(Vec::new());
    let mut universe = order.indices.universe(&|text| warnings.borrow_mut().push(text.to_owned()))?;
    let mut options = options(&order.target, &order.release);
    order.baseline.add_to(&mut universe, &mut options)?;
    let nvidia = nvidia_packages(order, &universe)?;
    warnings.borrow_mut().extend(nvidia.iter().flat_map(|nvidia| nvidia.warnings.clone()));
    // Those of the driver go first: its packages must have one version.
    let own = std::mem::take(&mut options.preferences.pins);
    options.preferences.pins = nvidia.iter().flat_map(|nvidia| nvidia.pins.clone()).chain(own).collect();
    let wanted = wanted(order, nvidia.as_ref(), &universe, &options)?;
    let solution = wishes::solved(&universe, &wanted, &options)?;
    check(&universe, &solution)?;
    let mut carried = reasons(&universe, &solution);
    for version in safety_additions(&universe, &solution, &options) {
        carried.entry(version).or_insert_with(|| "for nodes that differ".to_owned());
    }
    let install = install(&universe, &solution, &options, &wanted, &mut carried, &mut warnings.borrow_mut());
    let mut packages: Vec<Selected> = carried
        .into_iter()
        .map(|(version, why)| selected(order, &universe, version, why))
        .collect::<Result<_>>()?;
    packages
        .sort_by(|a, b| (&a.name, &a.version, &a.architecture).cmp(&(&b.name, &b.version, &b.architecture)));
    let nvidia = nvidia.map(|nvidia| nvidia.record);
    Ok(Selection {
        packages,
        install,
        baseline: universe.baseline().len(),
        nvidia,
        warnings: warnings.into_inner(),
    })
}

/// The architectures of the packages that may be needed: the machine's own first.
pub(super) fn architectures(target: &Target, baseline: &baseline::Text) -> Result<Vec<String>> {
    let native = target.platform.architecture();
    let mut foreign: BTreeSet<String> = baseline.foreign_architectures(native)?;
    let requests = target.packages.iter().filter_map(|wish| Request::parse(&wish.text).ok());
    foreign.extend(
        requests.filter_map(|request| request.architecture).filter(|name| name != native && name != "all"),
    );
    Ok(std::iter::once(native.to_owned()).chain(foreign).collect())
}

/// How the apt of the target decides, and what the spec prefers.
pub(super) fn options(target: &Target, release: &Release) -> Options {
    let Target { recommends, pins, holds, .. } = target;
    Options {
        profile: release.profile,
        recommends: *recommends,
        preferences: Preferences { pins: pins.clone(), ..Preferences::default() },
        holds: holds.clone(),
    }
}

fn nvidia_packages(order: &Order, universe: &Universe<'_>) -> Result<Option<nvidia::Wanted>> {
    let Target { host, platform, .. } = &order.target;
    order.nvidia.as_ref().map(|nvidia| nvidia::packages(nvidia, host, *platform, universe)).transpose()
}

fn wanted(
    order: &Order,
    nvidia: Option<&nvidia::Wanted>,
    universe: &Universe<'_>,
    options: &Options,
) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for wish in &order.target.packages {
        wanted.extend(wishes::requests(wish, universe, options)?);
    }
    for (purpose, request) in nvidia.iter().flat_map(|nvidia| &nvidia.requests) {
        let line = order.nvidia.as_ref().map_or(0, |nvidia| nvidia.line);
        let place = format!("line {line} of bundle.yaml: `nvidia` asks for package {}", request.name);
        wanted.push(Wanted { request: request.clone(), purpose: *purpose, place });
    }
    Ok(wanted)
}

fn check(universe: &Universe<'_>, solution: &Solution<'_>) -> Result<()> {
    let stanzas = |versions: Vec<VersionId>| -> Vec<&Package<'_>> {
        versions.into_iter().map(|version| universe.stanza(version)).collect()
    };
    let baseline = stanzas(universe.baseline().to_vec());
    let additions = stanzas(solution.choices.iter().map(|choice| choice.version).collect());
    checker::check(universe.native(), &baseline, &additions)
}

/// Why each package of the solution is there, in words.
fn reasons(universe: &Universe<'_>, solution: &Solution<'_>) -> BTreeMap<VersionId, String> {
    let name = |version: &VersionId| universe.display_name(universe.package_of(*version));
    let why = |reason: &Reason<'_>| match reason {
        Reason::Requested => "requested".to_owned(),
        Reason::Needed { by, strength: Strength::Recommends, .. } => format!("recommended by {}", name(by)),
        Reason::Needed { by, .. } => format!("needed by {}", name(by)),
        Reason::MakesRoom { by } => format!("makes room for {}", name(by)),
        Reason::SameSource { with } => format!("same source as {}", name(with)),
        Reason::Repair => "replaces what would break".to_owned(),
    };
    solution.choices.iter().map(|choice| (choice.version, why(&choice.reason))).collect()
}

/// What nodes install by name. It is carried even where the baseline has it already: a node may lack it.
fn install(
    universe: &Universe<'_>,
    solution: &Solution<'_>,
    options: &Options,
    wanted: &[Wanted],
    carried: &mut BTreeMap<VersionId, String>,
    warnings: &mut Vec<String>,
) -> Vec<Install> {
    let mut install = Vec::new();
    let mut seen: HashSet<(Purpose, VersionId)> = HashSet::new();
    for Wanted { request, purpose, .. } in wanted {
        let Some(version) = wishes::outcome(universe, solution, options, request) else { continue };
        let package = universe.display_name(universe.package_of(version));
        if universe.provenances(version).next().is_none() {
            warnings
                .push(format!("{package} is installed on the nodes and in no repository: it is not carried"));
            continue;
        }
        carried.entry(version).or_insert_with(|| "requested".to_owned());
        if seen.insert((*purpose, version)) {
            let version = universe.stanza(version).version.to_string();
            install.push(Install { purpose: *purpose, package, version });
        }
    }
    install
}

fn selected(
    order: &Order,
    universe: &Universe<'_>,
    version: VersionId,
    wanted_by: String,
) -> Result<Selected> {
    let package = universe.stanza(version);
    let refused = |reason: &str| {
        let message = format!("the package {} {} {reason}", package.name, package.version);
        Error::new(codes::DEBIAN_PACKAGE, message).with_help("tell the owners of the repository")
    };
    let (Some(archive), Some(url)) = (package.archive, order.indices.url(package)) else {
        return Err(refused("is in no repository"));
    };
    let stanza = std::str::from_utf8(package.stanza.text())
        .map_err(|_| refused("has a description that is not UTF-8"))?;
    Ok(Selected {
        name: package.name.to_owned(),
        version: package.version.to_string(),
        architecture: package.architecture.to_owned(),
        wanted_by,
        url,
        digest: archive.sha256,
        sha512: archive.sha512.map(str::to_owned),
        size: archive.size,
        stanza: format!("{}\n", stanza.strip_suffix('\n').unwrap_or(stanza)),
    })
}
