//! The rules of an apt repository.

use std::collections::{HashMap, HashSet};

use super::text::{
    is_architecture, is_name, is_package_name, is_package_version, is_plain_text, is_relative, provenance,
};
use super::{Check, Sizes, demand, listed, nvidia, unique};
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::apt::{Apt, Install, METADATA, Package};
use crate::oci::digest::Digest;

/// Whether the repository keeps every rule.
pub(super) fn check(apt: &Apt, manifest: &Manifest, sizes: &Sizes) -> Check {
    demand(is_name(&apt.name), || "the name cannot be part of a path".to_owned())?;
    let host = &apt.host;
    demand(manifest.hosts.contains(host), || format!("the bundle is not for the host `{host}`"))?;
    let baseline = !apt.baseline.is_empty() && is_plain_text(&apt.baseline);
    demand(baseline, || format!("`baseline` is `{}`", apt.baseline))?;
    packages(&apt.packages)?;
    let files = apt.files.iter().map(|file| file.path.as_str());
    demand(files.eq(METADATA), || format!("`files` are not {}", METADATA.join(", ")))?;
    paths(apt)?;
    blobs(apt, sizes)?;
    installs(apt)?;
    nvidia::check(apt, manifest)
}

fn packages(packages: &[Package]) -> Check {
    for package in packages {
        one_package(package).map_err(|reason| format!("package `{}`: {reason}", package.name))?;
    }
    let ascends = packages.is_sorted_by(|a, b| a.identity() < b.identity());
    demand(ascends, || {
        "`packages` repeats an entry or is not in the order of names, versions, architectures".to_owned()
    })
}

fn one_package(package: &Package) -> Check {
    let Package { name, version, architecture, path, wanted_by, origin, .. } = package;
    demand(is_package_name(name), || "this is no name of a package".to_owned())?;
    demand(is_package_version(version), || format!("version `{version}`"))?;
    demand(is_architecture(architecture), || format!("architecture `{architecture}`"))?;
    demand(is_relative(path), || format!("path `{path}` is not relative and plain"))?;
    demand(is_plain_text(wanted_by), || "`wantedBy` has control characters or is too long".to_owned())?;
    provenance(origin, "")
}

/// All files can lie in one tree: no two at one place, and none where another needs a directory.
fn paths(apt: &Apt) -> Check {
    let files = apt.files.iter().map(|file| file.path.as_str());
    let all = files.chain(apt.packages.iter().map(|package| package.path.as_str()));
    unique("the tree", all.clone())?;
    let known: HashSet<&str> = all.clone().collect();
    for path in all {
        let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        let file = parents.into_iter().find(|parent| known.contains(parent));
        file.map_or(Ok(()), |file| Err(format!("`{file}` is a file and a directory")))?;
    }
    Ok(())
}

fn blobs(apt: &Apt, sizes: &Sizes) -> Check {
    let needed =
        || apt.packages.iter().map(|package| package.blob).chain(apt.files.iter().map(|file| file.blob));
    needed().try_for_each(|blob| listed(blob, sizes))?;
    unique("`blobs`", &apt.blobs)?;
    let needed: HashSet<Digest> = needed().map(|blob| blob.digest).collect();
    let exact = needed == apt.blobs.iter().copied().collect();
    demand(exact, || "`blobs` are not exactly those of its packages and files".to_owned())
}

/// apt can be told to install all of them at once.
fn installs(apt: &Apt) -> Check {
    unique("`install`", apt.install.iter().map(|entry| (entry.purpose, &entry.package)))?;
    let carried: HashSet<_> = apt.packages.iter().map(Package::identity).collect();
    let mut versions = HashMap::new();
    for entry in &apt.install {
        let Install { package, version, .. } = entry;
        let known = is_carried(entry, apt.platform.architecture(), &carried);
        demand(known, || format!("`install` names {package} {version}, which is not carried"))?;
        let other = versions.insert(package, version).filter(|other| *other != version);
        demand(other.is_none(), || format!("`install` names two versions of {package}"))?;
    }
    Ok(())
}

fn is_carried(entry: &Install, native: &str, carried: &HashSet<(&str, &str, &str)>) -> bool {
    let has = |name, architecture| carried.contains(&(name, entry.version.as_str(), architecture));
    match entry.package.split_once(':') {
        None => has(entry.package.as_str(), native) || has(entry.package.as_str(), "all"),
        Some((name, architecture)) => ![native, "all"].contains(&architecture) && has(name, architecture),
    }
}

#[cfg(test)]
mod tests;
