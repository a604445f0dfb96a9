//! Which packages one list has and another has not, for bundles and locks alike.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::bundle::manifest::apt;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// One difference between two lists of packages. A package of another architecture than the node's is named
/// with it: `libgl1:i386`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "camelCase")]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum PackageChange {
    /// This version is new, and it takes no other's place.
    Added { package: String, version: String },
    /// This version is gone, and no other takes its place.
    Removed { package: String, version: String },
    /// One version took the place of another; digests stand for versions if only the bytes changed.
    Moved { package: String, from: String, to: String },
}

impl fmt::Display for PackageChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackageChange::Added { package, version } => write!(formatter, "+ {package} {version}"),
            PackageChange::Removed { package, version } => write!(formatter, "- {package} {version}"),
            PackageChange::Moved { package, from, to } => write!(formatter, "~ {package} {from} -> {to}"),
        }
    }
}

impl PackageChange {
    /// The package it is about, as users write it.
    pub fn package(&self) -> &str {
        match self {
            PackageChange::Added { package, .. }
            | PackageChange::Removed { package, .. }
            | PackageChange::Moved { package, .. } => package,
        }
    }
}

/// A version of a package as it is compared.
pub trait Version {
    /// Name, version and architecture of the package.
    fn identity(&self) -> (&str, &str, &str);

    /// Its `.deb`.
    fn digest(&self) -> Digest;
}

impl Version for apt::Package {
    fn identity(&self) -> (&str, &str, &str) {
        apt::Package::identity(self)
    }

    fn digest(&self) -> Digest {
        self.blob.digest
    }
}

/// What one list has of a package and the other has not: version and digest of each.
#[derive(Default)]
struct Sides<'a> {
    gone: Vec<(&'a str, Digest)>,
    new: Vec<(&'a str, Digest)>,
}

/// What changed from `old` to `new`, by name. `node` is what the node runs on.
pub fn changes<P: Version>(old: &[P], new: &[P], node: Platform) -> Vec<PackageChange> {
    let mut packages = BTreeMap::<String, Sides<'_>>::new();
    for package in old {
        let (name, version, architecture) = package.identity();
        let sides = packages.entry(qualified(name, architecture, node)).or_default();
        sides.gone.push((version, package.digest()));
    }
    for package in new {
        let (name, version, architecture) = package.identity();
        let sides = packages.entry(qualified(name, architecture, node)).or_default();
        let pin = (version, package.digest());
        match sides.gone.iter().position(|gone| *gone == pin) {
            Some(same) => drop(sides.gone.remove(same)),
            None => sides.new.push(pin),
        }
    }
    packages.into_iter().flat_map(|(package, sides)| sides.changes(package)).collect()
}

fn qualified(name: &str, architecture: &str, node: Platform) -> String {
    match architecture == node.architecture() || architecture == "all" {
        true => name.to_owned(),
        false => format!("{name}:{architecture}"),
    }
}

impl Sides<'_> {
    fn changes(self, package: String) -> Vec<PackageChange> {
        match (&self.gone[..], &self.new[..]) {
            ([(from, before)], [(to, after)]) => {
                let (from, to) = match from == to {
                    true => (before.to_string(), after.to_string()),
                    false => ((*from).to_owned(), (*to).to_owned()),
                };
                vec![PackageChange::Moved { package, from, to }]
            }
            (gone, new) => {
                let name = || package.clone();
                let removed = gone.iter().map(|(version, _)| PackageChange::Removed {
                    package: name(),
                    version: (*version).to_owned(),
                });
                let added = new.iter().map(|(version, _)| PackageChange::Added {
                    package: name(),
                    version: (*version).to_owned(),
                });
                removed.chain(added).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
