//! Which packages and versions the repositories of a target have.

use std::collections::BTreeSet;

use crate::debian::package::{Package, Relationship};
use crate::debian::relation::{Operator, Relation};
use crate::debian::universe::{Provenance, Universe};
use crate::error::Result;

/// The host of NVIDIA's CUDA repositories.
const CUDA_SITE: &str = "developer.download.nvidia.com";
/// How their `Release` files call their owner.
const CUDA_ORIGIN: &str = "NVIDIA";

/// The packages that repositories have, without those that only the baseline has.
#[derive(Clone, Copy)]
pub(super) struct Catalogue<'u, 'a> {
    universe: &'u Universe<'a>,
    only_cuda: bool,
}

impl<'u, 'a> Catalogue<'u, 'a> {
    /// That of all repositories.
    pub fn new(universe: &'u Universe<'a>) -> Self {
        Catalogue { universe, only_cuda: false }
    }

    /// That of NVIDIA's CUDA repository.
    pub fn of_cuda(self) -> Self {
        Catalogue { only_cuda: true, ..self }
    }

    /// The versions of a package for the target's architecture, the latest first.
    pub fn versions(self, name: &str) -> impl Iterator<Item = &'u Package<'a>> {
        let package = self.universe.package(name, self.universe.native());
        let versions = package.map_or(&[][..], |package| self.universe.versions(package));
        let is_offered = move |version: &&_| {
            self.universe.provenances(**version).any(|from| !self.only_cuda || is_cuda(from))
        };
        versions.iter().filter(is_offered).map(|version| self.universe.stanza(*version))
    }

    /// The latest version of a package.
    pub fn latest(self, name: &str) -> Option<&'u Package<'a>> {
        self.versions(name).next()
    }

    /// The latest build of a package from this upstream version.
    pub fn of_upstream(self, name: &str, upstream: &str) -> Option<&'u Package<'a>> {
        self.versions(name).find(|package| package.version.upstream() == upstream)
    }

    /// What stands between `prefix` and `suffix` in the names of packages that have both, sorted.
    pub fn names_between(self, prefix: &str, suffix: &str) -> BTreeSet<&'a str> {
        let names = self.universe.packages().map(|package| self.universe.name(package));
        names.filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(suffix)).collect()
    }
}

fn is_cuda(from: &Provenance) -> bool {
    from.origin == CUDA_ORIGIN || from.site == CUDA_SITE
}

/// What a package depends on, one by one, alternatives included.
pub(super) fn depends<'a>(package: &Package<'a>) -> Result<Vec<Relation<'a>>> {
    let groups = package.relations(Relationship::Depends)?;
    Ok(groups.into_iter().flat_map(|group| group.alternatives).collect())
}

/// The version from which on a package needs `name`.
pub(super) fn needs_from<'a>(package: &Package<'a>, name: &str) -> Result<Option<&'a str>> {
    let needed = depends(package)?.into_iter().filter(|relation| relation.name == name);
    let lower_bound = |relation: Relation<'a>| {
        let constraint = relation.constraint?;
        let is_lower = matches!(constraint.operator, Operator::LaterOrEqual | Operator::Equal);
        is_lower.then(|| constraint.version.upstream())
    };
    Ok(needed.filter_map(lower_bound).next())
}
