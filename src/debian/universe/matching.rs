//! Which versions a relation means: names, ranges of versions, virtual packages and architectures
//! (Debian Policy 7.1 and 7.5; for Multi-Arch the rules of dpkg and apt).

use super::{PackageId, Provider, Universe, VersionId};
use crate::debian::package::{MultiArch, Package, Relationship};
use crate::debian::relation::{Qualifier, Relation};

/// What apt looks at to tell builds of one version apart, besides the installed size.
const COMPARED: [Relationship; 5] = [
    Relationship::PreDepends,
    Relationship::Depends,
    Relationship::Conflicts,
    Relationship::Breaks,
    Relationship::Replaces,
];

/// Whether two stanzas describe the same build, by what apt compares: rebuilds and repackaging of one version
/// differ in what they need or how large they are.
pub(super) fn is_same_build(left: &Package<'_>, right: &Package<'_>) -> bool {
    left.version.as_str() == right.version.as_str()
        && left.installed_size == right.installed_size
        && COMPARED.iter().all(|field| same_words(left.relation_text(*field), right.relation_text(*field)))
}

/// Whether two fields are the same but for white space, which dpkg rewrites.
fn same_words(left: &str, right: &str) -> bool {
    let words = |text: &str| text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
    left == right || words(left) == words(right)
}

impl<'a> Universe<'a> {
    /// All versions that meet `relation` when it stands in a package on `architecture`: those called so, in the
    /// order of their packages and versions, then those that provide it, in the order they were read.
    pub fn meeting(&self, relation: &Relation<'_>, architecture: &str) -> Vec<VersionId> {
        let mut found = Vec::new();
        for package in self.packages_named(relation.name) {
            let fitting = |version: &VersionId| self.is_named_by(*version, relation, architecture);
            found.extend(self.versions(package).iter().copied().filter(fitting));
        }
        for provider in self.providers(relation.name) {
            if self.is_provided_by(provider, relation, architecture) && !found.contains(&provider.version) {
                found.push(provider.version);
            }
        }
        found
    }

    /// Whether `version` is called what `relation` asks for, in its range of versions and on an architecture
    /// that will do.
    pub fn is_named_by(&self, version: VersionId, relation: &Relation<'_>, architecture: &str) -> bool {
        let stanza = self.stanza(version);
        stanza.name == relation.name
            && relation.constraint.is_none_or(|constraint| constraint.accepts(&stanza.version))
            && self.reaches(relation.qualifier, version, architecture)
    }

    /// Whether `provider` offers what `relation` asks for. A range of versions is only met by `Provides` with a
    /// version.
    pub fn is_provided_by(
        &self,
        provider: &Provider<'_>,
        relation: &Relation<'_>,
        architecture: &str,
    ) -> bool {
        let in_range = match (relation.constraint, provider.provided.version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(constraint), Some(offered)) => constraint.accepts(&offered),
        };
        in_range && self.reaches(relation.qualifier, provider.version, architecture)
    }

    /// Whether a dependency of a package on `architecture` may be met by `version` as far as architectures go.
    fn reaches(&self, qualifier: Option<Qualifier<'_>>, version: VersionId, architecture: &str) -> bool {
        let own = self.architecture(self.package_of(version));
        let multi_arch = self.stanza(version).multi_arch;
        match qualifier {
            None => own == architecture || multi_arch == MultiArch::Foreign,
            Some(Qualifier::Any) => multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => own == self.native(),
            Some(Qualifier::Architecture(wanted)) => own == wanted,
        }
    }

    /// All versions that `relation` of `holder` excludes. Conflicts reach every architecture unless they name
    /// one, and never the package itself, not even by what it provides.
    pub fn excluded(&self, relation: &Relation<'_>, holder: PackageId) -> Vec<VersionId> {
        let in_reach = |version: VersionId| match relation.qualifier {
            Some(Qualifier::Architecture(wanted)) => self.architecture(self.package_of(version)) == wanted,
            Some(Qualifier::Native) => self.architecture(self.package_of(version)) == self.native(),
            None | Some(Qualifier::Any) => true,
        };
        let foreign = |version: VersionId| self.name(self.package_of(version)) != self.name(holder);
        let mut found = Vec::new();
        for package in self.packages_named(relation.name) {
            found.extend(self.versions(package).iter().copied().filter(|version| {
                relation.constraint.is_none_or(|range| range.accepts(&self.stanza(*version).version))
            }));
        }
        for Provider { version, provided } in self.providers(relation.name) {
            let in_range = match (relation.constraint, provided.version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(constraint), Some(offered)) => constraint.accepts(&offered),
            };
            if in_range && !found.contains(version) {
                found.push(*version);
            }
        }
        found.retain(|version| foreign(*version) && in_reach(*version));
        found
    }
}
