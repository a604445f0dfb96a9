//! What is on the machine in the end, and what in it meets or is hit by a relation (Debian Policy 7).

use std::collections::HashMap;

use crate::debian::package::{MultiArch, Package};
use crate::debian::relation::{Provided, Qualifier, Relation};
use crate::error::Result;

/// A set of packages, by name and by what they provide.
pub(super) struct Outcome<'p, 'a> {
    native: &'p str,
    named: HashMap<&'a str, Vec<&'p Package<'a>>>,
    providing: HashMap<&'a str, Vec<(&'p Package<'a>, Provided<'a>)>>,
}

/// The architecture a package counts for.
pub(super) fn home<'n>(native: &'n str, package: &Package<'n>) -> &'n str {
    if package.architecture == "all" { native } else { package.architecture }
}

impl<'p, 'a: 'p> Outcome<'p, 'a> {
    /// The baseline, with additions in place of the same packages.
    pub(super) fn of(
        native: &'p str,
        baseline: &[&'p Package<'a>],
        additions: &[&'p Package<'a>],
    ) -> Result<Self> {
        let mut outcome = Outcome { native, named: HashMap::new(), providing: HashMap::new() };
        for package in additions {
            outcome.named.entry(package.name).or_default().push(package);
        }
        for package in baseline {
            let same = outcome.named.entry(package.name).or_default();
            if !same.iter().any(|other| home(native, other) == home(native, package)) {
                same.push(package);
            }
        }
        for package in outcome.named.values().flatten() {
            for provided in package.provides()? {
                outcome.providing.entry(provided.name).or_default().push((package, provided));
            }
        }
        Ok(outcome)
    }

    /// All packages, in no order.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'p Package<'a>> + '_ {
        self.named.values().flatten().copied()
    }

    /// The packages called `name`.
    pub(super) fn named(&self, name: &str) -> &[&'p Package<'a>] {
        self.named.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether exactly this version of a package is there.
    pub(super) fn has(&self, package: &Package<'_>) -> bool {
        self.named(package.name).iter().any(|other| {
            other.architecture == package.architecture && other.version.as_str() == package.version.as_str()
        })
    }

    /// Whether something meets `relation`, a dependency of `holder`.
    pub(super) fn meets(&self, relation: &Relation<'_>, holder: &Package<'_>) -> bool {
        let by_name = self.named(relation.name).iter().any(|package| {
            relation.constraint.is_none_or(|range| range.accepts(&package.version))
                && self.serves(package, relation, holder)
        });
        by_name
            || self
                .provided_within(relation)
                .into_iter()
                .any(|package| self.serves(package, relation, holder))
    }

    /// What `relation`, a conflict of `holder`, means. A package never excludes itself.
    pub(super) fn excluded(&self, relation: &Relation<'_>, holder: &Package<'_>) -> Vec<&'p Package<'a>> {
        let by_name = self
            .named(relation.name)
            .iter()
            .copied()
            .filter(|package| relation.constraint.is_none_or(|range| range.accepts(&package.version)));
        let mut found: Vec<&Package<'_>> = by_name.chain(self.provided_within(relation)).collect();
        found.retain(|package| {
            package.name != holder.name
                && match relation.qualifier {
                    Some(Qualifier::Architecture(wanted)) => home(self.native, package) == wanted,
                    Some(Qualifier::Native) => home(self.native, package) == self.native,
                    None | Some(Qualifier::Any) => true,
                }
        });
        found
    }

    /// Who provides the name of `relation`; a range is only met by a provided version.
    fn provided_within(&self, relation: &Relation<'_>) -> Vec<&'p Package<'a>> {
        let within = |provided: &Provided<'_>| match (relation.constraint, provided.version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(range), Some(offered)) => range.accepts(&offered),
        };
        let providing = self.providing.get(relation.name).map_or(&[][..], Vec::as_slice);
        providing.iter().filter(|(_, provided)| within(provided)).map(|(package, _)| *package).collect()
    }

    /// Whether `package` may serve `holder` as far as architectures go.
    fn serves(&self, package: &Package<'_>, relation: &Relation<'_>, holder: &Package<'_>) -> bool {
        let own = home(self.native, package);
        match relation.qualifier {
            None => own == home(self.native, holder) || package.multi_arch == MultiArch::Foreign,
            Some(Qualifier::Any) => package.multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => own == self.native,
            Some(Qualifier::Architecture(wanted)) => own == wanted,
        }
    }
}
