//! What one bundle has and another has not.

pub mod packages;

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use self::packages::PackageChange;
use super::manifest::apt::Install;
use super::manifest::{Artifact, Manifest};
use crate::oci::digest::Digest;

/// The difference between an old and a new manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Artifacts that only the new bundle has, in its order.
    pub added: Vec<Entry>,
    /// Artifacts that only the old bundle has, in its order.
    pub removed: Vec<Entry>,
    /// Artifacts of the same name with other content, in the order of the new bundle.
    pub changed: Vec<Entry>,
    /// How many artifacts are the same.
    pub unchanged: usize,
    /// Bytes of blobs that only the new bundle has: what has to be carried.
    pub new_bytes: u64,
    /// Bytes of blobs that both have.
    pub shared_bytes: u64,
    /// Bytes of blobs that only the old bundle has.
    pub dropped_bytes: u64,
}

/// One artifact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its kind: `image`, `k3s`, `file`, `installer`, `apt`.
    pub kind: &'static str,
    /// Its name in the bundle.
    pub name: String,
    /// Which of its packages changed, where both bundles have it and it has packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageChange>,
}

/// Compares what two bundles carry. Where things came from does not matter, only what they are.
pub fn diff(old: &Manifest, new: &Manifest) -> Diff {
    let before: BTreeMap<_, _> = old.artifacts.iter().map(|artifact| (artifact.name(), artifact)).collect();
    let after: HashSet<_> = new.artifacts.iter().map(Artifact::name).collect();
    let mut diff = Diff::default();
    for artifact in &new.artifacts {
        match before.get(&artifact.name()) {
            None => diff.added.push(entry(artifact)),
            Some(previous) if content(previous) != content(artifact) => {
                let packages = changed_packages(previous, artifact);
                diff.changed.push(Entry { packages, ..entry(artifact) });
            }
            Some(_) => diff.unchanged += 1,
        }
    }
    diff.removed =
        old.artifacts.iter().filter(|artifact| !after.contains(&artifact.name())).map(entry).collect();
    (diff.dropped_bytes, diff.shared_bytes) = bytes_without_and_with(old, new);
    (diff.new_bytes, _) = bytes_without_and_with(new, old);
    diff
}

fn entry(artifact: &Artifact) -> Entry {
    Entry { kind: artifact.kind(), name: artifact.name(), packages: Vec::new() }
}

fn changed_packages(old: &Artifact, new: &Artifact) -> Vec<PackageChange> {
    match (old, new) {
        (Artifact::Apt(old), Artifact::Apt(new)) => {
            packages::changes(&old.packages, &new.packages, new.platform)
        }
        _ => Vec::new(),
    }
}

/// What makes two artifacts of one name the same. All that a node needs to know of a repository is in its files
/// but for what is installed by name.
fn content(artifact: &Artifact) -> (&'static str, Option<Digest>, Vec<Digest>, &str, &[Install]) {
    let mut digests = artifact.digests().to_vec();
    digests.sort();
    match artifact {
        Artifact::Image(image) => ("image", Some(image.root.digest), digests, "", &[]),
        Artifact::File(file) => ("file", None, digests, &file.mode, &[]),
        Artifact::Apt(apt) => ("apt", None, digests, "", &apt.install),
        other => (other.kind(), None, digests, "", &[]),
    }
}

/// Bytes of the blobs of `manifest` that `other` lacks, and that it has.
fn bytes_without_and_with(manifest: &Manifest, other: &Manifest) -> (u64, u64) {
    let known: HashSet<_> = other.blobs.iter().map(|blob| blob.digest).collect();
    manifest.blobs.iter().fold((0, 0), |(without, with), blob| match known.contains(&blob.digest) {
        true => (without, with + blob.size),
        false => (without + blob.size, with),
    })
}
