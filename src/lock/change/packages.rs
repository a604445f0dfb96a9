//! What changed about packages.

use std::fmt;

use super::{Change, Entry, shorten};
use crate::bundle::diff::packages::{self, PackageChange, Version};
use crate::lock::Lock;
use crate::lock::apt::{Apt, Package};
use crate::oci::digest::Digest;

impl Version for Package {
    fn identity(&self) -> (&str, &str, &str) {
        (&self.name, &self.version, &self.architecture)
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

impl Entry {
    /// The signed list of packages pins everything that nodes will see.
    pub(super) fn of_apt(apt: &Apt) -> Entry {
        let Apt { host, platform, baseline, .. } = apt;
        let recommends = if apt.recommends { "with" } else { "without" };
        let installed: Vec<_> = apt.install.iter().map(|entry| format!(" {}", entry.package)).collect();
        let dates = apt.repositories.iter().filter_map(|repository| repository.date.as_deref());
        let newest = dates.max().map(|date| format!(", repositories of {date}"));
        let more = format!(
            "{host} {platform}, baseline {} of {} packages, {recommends} recommended ones, installs{}{}",
            baseline.name,
            baseline.packages,
            installed.concat(),
            newest.unwrap_or_default()
        );
        Entry { pin: Digest::of(apt.in_release.as_bytes()).to_string(), more }
    }
}

/// Keeps what was proven about each repository that is still the same, and nothing about any other.
pub(super) fn keep_evidence(old: Option<&Lock>, new: &mut Lock) {
    for target in &mut new.apt {
        let digest = Digest::of(target.in_release.as_bytes());
        let before = old.and_then(|old| old.apt.iter().find(|before| before.name == target.name));
        let known = before.and_then(|before| before.evidence.clone());
        let found = [target.evidence.take(), known].into_iter().flatten();
        target.evidence = found.into_iter().find(|evidence| evidence.in_release == digest);
    }
}

/// What changed in the targets that `new` has, what is installed by name before what that needs. Targets it has
/// not any more are told by their name alone.
pub(super) fn changes(old: Option<&Lock>, new: &Lock) -> Vec<Change> {
    let of_target = |target: &Apt| {
        let before = old.and_then(|old| old.apt.iter().find(|before| before.name == target.name));
        let before = before.map_or(&[][..], |before| &before.packages);
        let mut changes = packages::changes(before, &target.packages, target.platform);
        let by_name =
            |change: &PackageChange| target.install.iter().any(|entry| entry.package == change.package());
        changes.sort_by_key(|change| !by_name(change));
        let name = target.name.clone();
        changes.into_iter().map(move |change| Change::Package { target: name.clone(), change })
    };
    new.apt.iter().flat_map(of_target).collect()
}

/// `~ debian-12: keepalived 1:2.2.7-1 -> 1:2.2.8-1`.
pub(super) fn write_line(
    formatter: &mut fmt::Formatter<'_>,
    target: &str,
    change: &PackageChange,
) -> fmt::Result {
    match change {
        PackageChange::Added { package, version } => write!(formatter, "+ {target}: {package} {version}"),
        PackageChange::Removed { package, version } => write!(formatter, "- {target}: {package} {version}"),
        PackageChange::Moved { package, from, to } => {
            write!(formatter, "~ {target}: {package} {} -> {}", shorten(from), shorten(to))
        }
    }
}
