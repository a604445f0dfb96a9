//! Everything that may be chosen: all versions of all packages, of the configured archives and of the baseline.
//!
//! A *package* here is a name on an architecture, as for dpkg; it has one or several *versions*. What is the
//! same build in two archives, or in an archive and on the node, is one version. The order in which archives
//! were given is kept, since apt settles some ties by it.

pub mod candidate;
pub mod matching;
pub mod mention;
pub mod pins;

use std::collections::{HashMap, hash_map};

use crate::debian::package::Package;
use crate::debian::relation::Provided;
use crate::error::{Error, Result, codes};

/// More versions than any archive has; Debian with all its suites has some 200,000.
const MOST_VERSIONS: usize = 4_000_000;

/// Where packages come from: what the `Release` of an archive says, as far as choices depend on it
/// (apt_preferences(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Field `Suite`, such as `stable-updates`.
    pub suite: String,
    /// Field `Codename`, such as `bookworm-updates`.
    pub codename: String,
    /// Field `Origin`, such as `Debian`.
    pub origin: String,
    /// Field `Label`, such as `Debian-Security`.
    pub label: String,
    /// Field `Version`, such as `12.5`.
    pub version: String,
    /// The component of these packages, such as `main`.
    pub component: String,
    /// The host name of the repository, empty for files.
    pub site: String,
    /// Field `NotAutomatic`: nothing is taken from here unless asked for by name.
    pub not_automatic: bool,
    /// Field `ButAutomaticUpgrades`: what came from here is kept up to date from here.
    pub but_automatic_upgrades: bool,
}

/// Names one [`Provenance`] of a universe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvenanceId(u32);

/// Names one package, a name on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(u32);

/// Names one version of one package. Grows in the order in which versions were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(u32);

impl PackageId {
    /// Position in tables with one row for each package.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl VersionId {
    /// Position in tables with one row for each version.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name on an architecture.
#[derive(Debug)]
struct Slot<'a> {
    name: &'a str,
    architecture: &'a str,
    versions: Vec<VersionId>,
    installed: Option<VersionId>,
    next_of_name: Option<PackageId>,
}

/// One version: its stanza, and where it can be had.
#[derive(Debug)]
struct Entry<'a> {
    package: PackageId,
    stanza: Package<'a>,
    provenances: Vec<ProvenanceId>,
}

/// A version that offers a name besides its own.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// Who offers it.
    pub version: VersionId,
    /// What is offered.
    pub provided: Provided<'a>,
}

/// All versions that may be chosen, with the indices that choosing needs.
#[derive(Debug)]
pub struct Universe<'a> {
    native: &'a str,
    provenances: Vec<Provenance>,
    slots: Vec<Slot<'a>>,
    entries: Vec<Entry<'a>>,
    by_name: HashMap<&'a str, PackageId>,
    providers: HashMap<&'a str, Vec<Provider<'a>>>,
    installed: Vec<VersionId>,
}

impl<'a> Universe<'a> {
    /// A universe of nothing, for machines of the architecture `native` such as `amd64`.
    pub fn new(native: &'a str) -> Self {
        Universe {
            native,
            provenances: Vec::new(),
            slots: Vec::new(),
            entries: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
            installed: Vec::new(),
        }
    }

    /// Adds the packages of one index of an archive. Archives come in the order of the user's list of
    /// sources.
    ///
    /// # Errors
    /// [`codes::DEBIAN_UNIVERSE`] if there are absurdly many, and malformed `Provides`.
    pub fn add_index(
        &mut self,
        provenance: Provenance,
        packages: impl IntoIterator<Item = Package<'a>>,
    ) -> Result<()> {
        let id = ProvenanceId(count(self.provenances.len())?);
        self.provenances.push(provenance);
        let packages = packages.into_iter();
        self.by_name.reserve(packages.size_hint().1.unwrap_or_default());
        for stanza in packages {
            let version = self.add(stanza)?;
            self.entries[version.index()].provenances.push(id);
        }
        Ok(())
    }

    /// Adds what is assumed to be installed already. Comes after all indices, as for apt.
    ///
    /// # Errors
    /// [`codes::DEBIAN_UNIVERSE`] if a package is there twice, and malformed `Provides`.
    pub fn add_baseline(&mut self, packages: impl IntoIterator<Item = Package<'a>>) -> Result<()> {
        for stanza in packages {
            let version = self.add(stanza)?;
            let slot = &mut self.slots[self.entries[version.index()].package.index()];
            if let Some(other) = slot.installed.replace(version)
                && other != version
            {
                return Err(Error::new(
                    codes::DEBIAN_UNIVERSE,
                    format!("the baseline has two versions of {}", slot.name.escape_debug()),
                )
                .with_help("take /var/lib/dpkg/status of the node as it is"));
            }
            self.installed.push(version);
        }
        Ok(())
    }

    fn add(&mut self, stanza: Package<'a>) -> Result<VersionId> {
        let package = self.package_for(stanza.name, self.architecture_of(&stanza))?;
        if let Some(same) = self.same_build(package, &stanza) {
            return Ok(same);
        }
        let version = VersionId(count(self.entries.len())?);
        for provided in stanza.provides()? {
            self.providers.entry(provided.name).or_default().push(Provider { version, provided });
        }
        let slot = &mut self.slots[package.index()];
        let place = slot
            .versions
            .partition_point(|other| self.entries[other.index()].stanza.version >= stanza.version);
        slot.versions.insert(place, version);
        self.entries.push(Entry { package, stanza, provenances: Vec::new() });
        Ok(version)
    }

    /// `Architecture: all` is at home on the native one.
    fn architecture_of(&self, stanza: &Package<'a>) -> &'a str {
        if stanza.architecture == "all" { self.native } else { stanza.architecture }
    }

    fn package_for(&mut self, name: &'a str, architecture: &'a str) -> Result<PackageId> {
        let id = PackageId(count(self.slots.len())?);
        let slots = &self.slots;
        let next_of_name = match self.by_name.entry(name) {
            hash_map::Entry::Vacant(place) => {
                place.insert(id);
                None
            }
            hash_map::Entry::Occupied(mut place) => {
                let mut named = chain(slots, Some(*place.get()));
                if let Some(found) = named.find(|package| slots[package.index()].architecture == architecture)
                {
                    return Ok(found);
                }
                Some(place.insert(id))
            }
        };
        self.slots.push(Slot { name, architecture, versions: Vec::new(), installed: None, next_of_name });
        Ok(id)
    }

    fn same_build(&self, package: PackageId, stanza: &Package<'a>) -> Option<VersionId> {
        let same = |version: &VersionId| matching::is_same_build(self.stanza(*version), stanza);
        self.slots[package.index()].versions.iter().copied().find(same)
    }
}

/// Lookups.
impl<'a> Universe<'a> {
    /// The architecture of the machine, such as `amd64`.
    pub fn native(&self) -> &'a str {
        self.native
    }

    /// The package called `name` on `architecture`.
    pub fn package(&self, name: &str, architecture: &str) -> Option<PackageId> {
        self.packages_named(name).find(|package| self.architecture(*package) == architecture)
    }

    /// The packages called `name`, one for each architecture.
    pub fn packages_named(&self, name: &str) -> impl Iterator<Item = PackageId> + '_ {
        chain(&self.slots, self.by_name.get(name).copied())
    }

    /// Who offers `name` besides the packages called so.
    pub fn providers(&self, name: &str) -> &[Provider<'a>] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// All packages.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..self.slots.len() as u32).map(PackageId)
    }

    /// How many packages there are.
    pub fn package_count(&self) -> usize {
        self.slots.len()
    }

    /// How many versions there are.
    pub fn version_count(&self) -> usize {
        self.entries.len()
    }

    /// The name of a package, without its architecture.
    pub fn name(&self, package: PackageId) -> &'a str {
        self.slots[package.index()].name
    }

    /// The architecture of a package; the native one for `all`.
    pub fn architecture(&self, package: PackageId) -> &'a str {
        self.slots[package.index()].architecture
    }

    /// The versions of a package, the latest first.
    pub fn versions(&self, package: PackageId) -> &[VersionId] {
        &self.slots[package.index()].versions
    }

    /// The version of a package that the baseline has.
    pub fn installed(&self, package: PackageId) -> Option<VersionId> {
        self.slots[package.index()].installed
    }

    /// All versions of the baseline.
    pub fn baseline(&self) -> &[VersionId] {
        &self.installed
    }

    /// The package of a version.
    pub fn package_of(&self, version: VersionId) -> PackageId {
        self.entries[version.index()].package
    }

    /// The stanza of a version.
    pub fn stanza(&self, version: VersionId) -> &Package<'a> {
        &self.entries[version.index()].stanza
    }

    /// Where a version can be had, in the order of the sources; empty if only the baseline has it.
    pub fn provenances(&self, version: VersionId) -> impl Iterator<Item = &Provenance> {
        self.entries[version.index()].provenances.iter().map(|id| &self.provenances[id.0 as usize])
    }

    /// The name as users write it: with the architecture if it is not the native one.
    pub fn display_name(&self, package: PackageId) -> String {
        let slot = &self.slots[package.index()];
        if slot.architecture == self.native {
            slot.name.to_string()
        } else {
            format!("{}:{}", slot.name, slot.architecture)
        }
    }
}

/// The packages of one name, from the first one on.
fn chain<'s>(slots: &'s [Slot<'_>], first: Option<PackageId>) -> impl Iterator<Item = PackageId> + 's {
    std::iter::successors(first, |package| slots[package.index()].next_of_name)
}

fn count(number: usize) -> Result<u32> {
    match u32::try_from(number) {
        Ok(number) if (number as usize) < MOST_VERSIONS => Ok(number),
        _ => Err(Error::new(codes::DEBIAN_UNIVERSE, format!("there are more than {MOST_VERSIONS} packages"))
            .with_help("name fewer suites and components")),
    }
}

#[cfg(test)]
mod tests;
