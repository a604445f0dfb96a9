//! Proves that a set of packages can be installed on top of a baseline, whoever chose it.
//!
//! It shares nothing with the solver but the model of a package: a mistake there must not be repeated here. It
//! looks at the outcome only, the baseline with the additions in place, and asks of every package in it
//! whether everything is there that it needs and nothing that it excludes.

mod outcome;

use std::fmt;

use outcome::Outcome;

use crate::debian::package::{MultiArch, Package, Relationship};
use crate::error::{Error, Result, codes};

/// How many violations an error lists.
const LISTED: usize = 20;

/// One thing that is wrong with a set of packages. Names and versions are those of the stanzas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two versions of one package are added.
    Twice {
        /// The package.
        package: String,
    },
    /// The baseline has a later version than the one that is added.
    Downgrade {
        /// The package and the version that is added.
        package: String,
        /// The version of the baseline.
        installed: String,
    },
    /// Nothing meets a requirement.
    Missing {
        /// Who has it.
        package: String,
        /// The requirement.
        requirement: String,
    },
    /// Two packages exclude each other.
    Conflict {
        /// Whose field `Conflicts` or `Breaks` it is.
        package: String,
        /// Whom it means.
        with: String,
    },
    /// A package is there for two architectures in different versions, or although it does not allow that.
    OutOfStep {
        /// One of them.
        package: String,
        /// The other.
        with: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Twice { package } => write!(formatter, "{package} is added in two versions"),
            Violation::Downgrade { package, installed } => {
                write!(formatter, "{package} would replace the later {installed}")
            }
            Violation::Missing { package, requirement } => {
                write!(formatter, "{package} needs {requirement}, which nothing provides")
            }
            Violation::Conflict { package, with } => write!(formatter, "{package} excludes {with}"),
            Violation::OutOfStep { package, with } => {
                write!(formatter, "{package} cannot be there together with {with}")
            }
        }
    }
}

/// Everything that is wrong with adding `additions` to `baseline` on a machine of architecture `native`.
///
/// What was already wrong in the baseline and stays as it was is not counted. Nothing can be removed: an
/// addition takes the place of the same package in the baseline, and all others stay.
///
/// # Errors
/// [`DEBIAN_RELATION`](codes::DEBIAN_RELATION) or [`DEBIAN_VERSION`](codes::DEBIAN_VERSION) for a stanza whose
/// fields are malformed.
pub fn violations(
    native: &str,
    baseline: &[&Package<'_>],
    additions: &[&Package<'_>],
) -> Result<Vec<Violation>> {
    let before = Outcome::of(native, baseline, &[])?;
    let after = Outcome::of(native, baseline, additions)?;
    let mut found = not_additions(native, baseline, additions);
    for package in after.packages() {
        find_missing(package, &before, &after, &mut found)?;
        find_conflicts(package, &before, &after, &mut found)?;
        find_out_of_step(package, &after, &mut found);
    }
    Ok(found)
}

/// As [`violations`], but any of them is an error.
///
/// # Errors
/// [`WRONG_SOLUTION`](codes::WRONG_SOLUTION) with the violations, and those of [`violations`].
pub fn check(native: &str, baseline: &[&Package<'_>], additions: &[&Package<'_>]) -> Result<()> {
    let violations = violations(native, baseline, additions)?;
    if violations.is_empty() {
        return Ok(());
    }
    let message = format!("the chosen packages cannot be installed together ({} reasons)", violations.len());
    let error = Error::new(codes::WRONG_SOLUTION, message);
    Err(violations
        .iter()
        .take(LISTED)
        .fold(error, |error, violation| error.with_detail(violation.to_string())))
}

/// Packages that are added twice or in an earlier version.
fn not_additions(native: &str, baseline: &[&Package<'_>], additions: &[&Package<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, package) in additions.iter().enumerate() {
        if additions[..number].iter().any(|other| is_same_package(native, package, other)) {
            found.push(Violation::Twice { package: shown(package) });
        }
        let installed = baseline.iter().find(|other| is_same_package(native, package, other));
        if let Some(installed) = installed.filter(|installed| installed.version > package.version) {
            let installed = installed.version.to_string();
            found.push(Violation::Downgrade { package: shown(package), installed });
        }
    }
    found
}

fn find_missing(
    package: &Package<'_>,
    before: &Outcome<'_, '_>,
    after: &Outcome<'_, '_>,
    found: &mut Vec<Violation>,
) -> Result<()> {
    for field in [Relationship::PreDepends, Relationship::Depends] {
        for requirement in package.relations(field)? {
            let is_met = |outcome: &Outcome<'_, '_>| {
                requirement.alternatives.iter().any(|relation| outcome.meets(relation, package))
            };
            let was_missing = before.has(package) && !is_met(before);
            if !was_missing && !is_met(after) {
                let requirement = requirement.to_string();
                found.push(Violation::Missing { package: shown(package), requirement });
            }
        }
    }
    Ok(())
}

fn find_conflicts(
    package: &Package<'_>,
    before: &Outcome<'_, '_>,
    after: &Outcome<'_, '_>,
    found: &mut Vec<Violation>,
) -> Result<()> {
    for field in [Relationship::Conflicts, Relationship::Breaks] {
        for relation in package.relations(field)?.into_iter().flat_map(|any_of| any_of.alternatives) {
            for other in after.excluded(&relation, package) {
                if !(before.has(package) && before.has(other)) {
                    found.push(Violation::Conflict { package: shown(package), with: shown(other) });
                }
            }
        }
    }
    Ok(())
}

/// The same package for several architectures: all must allow it and have one version.
fn find_out_of_step(package: &Package<'_>, after: &Outcome<'_, '_>, found: &mut Vec<Violation>) {
    for other in after.named(package.name) {
        let both_allow = package.multi_arch == MultiArch::Same && other.multi_arch == MultiArch::Same;
        let in_step = both_allow && package.version.as_str() == other.version.as_str();
        if package.architecture < other.architecture && !in_step {
            found.push(Violation::OutOfStep { package: shown(package), with: shown(other) });
        }
    }
}

/// Whether two stanzas describe the same package, `all` being at home on the native architecture.
fn is_same_package(native: &str, left: &Package<'_>, right: &Package<'_>) -> bool {
    left.name == right.name && outcome::home(native, left) == outcome::home(native, right)
}

fn shown(package: &Package<'_>) -> String {
    format!("{} {} ({})", package.name, package.version, package.architecture)
}

#[cfg(test)]
mod tests;
