//! What a bundle holds, with sizes, as data for `airlock bundle inspect` to print.

use std::collections::HashMap;

use serde::Serialize;

use super::manifest::apt::{Apt, Install, Nvidia, Package};
use super::manifest::{Artifact, Manifest};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// A bundle at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Name of the bundle.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Channel within which the serial rises.
    pub channel: String,
    /// Its serial.
    pub serial: u64,
    /// When its lock was made, RFC 3339.
    pub created: String,
    /// Platforms it serves.
    pub platforms: Vec<Platform>,
    /// Distributions it serves.
    pub hosts: Vec<String>,
    /// Its artifacts, in order.
    pub artifacts: Vec<ArtifactSummary>,
    /// How many blobs it has.
    pub blobs: usize,
    /// Bytes of all blobs, each counted once.
    pub bytes: u64,
    /// Bytes saved because blobs are shared between artifacts.
    pub shared_bytes: u64,
}

/// One artifact at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactSummary {
    /// Its kind: `image`, `k3s`, `file`, `installer`, `apt`.
    pub kind: &'static str,
    /// Its name in the bundle, by which `extract` finds it.
    pub name: String,
    /// Its version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Platforms it is for; empty for plain files.
    pub platforms: Vec<Platform>,
    /// Where it was taken from, where that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How the origin was proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated_by: Option<String>,
    /// The digest that identifies it.
    pub digest: Digest,
    /// How many blobs it has.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that no other artifact needs.
    pub own_bytes: u64,
    /// How many signatures, SBOMs and attestations came along.
    pub referrers: usize,
    /// What only a repository of packages has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apt: Option<Repository>,
}

/// What is told of a repository of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// The distribution it is for.
    pub host: String,
    /// What was assumed to be installed.
    pub baseline: String,
    /// Whether recommended packages came along.
    pub recommends: bool,
    /// What nodes install by name.
    pub install: Vec<Install>,
    /// What nodes with NVIDIA GPUs get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvidia: Option<Nvidia>,
    /// Every package.
    pub packages: Vec<Package>,
}

impl From<&Apt> for Repository {
    fn from(apt: &Apt) -> Self {
        Repository {
            host: apt.host.clone(),
            baseline: apt.baseline.clone(),
            recommends: apt.recommends,
            install: apt.install.clone(),
            nvidia: apt.nvidia.clone(),
            packages: apt.packages.clone(),
        }
    }
}

/// Sums up a manifest.
pub fn summarize(manifest: &Manifest) -> Summary {
    let sizes: HashMap<_, _> = manifest.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
    let users = manifest.users();
    let size = |digest: &Digest| sizes.get(digest).copied().unwrap_or(0);
    let artifacts = manifest.artifacts.iter().map(|artifact| {
        let own = artifact
            .digests()
            .iter()
            .filter(|digest| users.get(digest).is_some_and(|users| users.len() == 1));
        let own_bytes = own.map(size).sum();
        summarize_artifact(artifact, artifact.digests().iter().map(size).sum(), own_bytes)
    });
    let artifacts: Vec<_> = artifacts.collect();
    let bytes = manifest.total_size();
    let separately = artifacts.iter().fold(0u64, |sum, artifact| sum.saturating_add(artifact.bytes));
    Summary {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        channel: manifest.channel.clone(),
        serial: manifest.serial,
        created: manifest.created.clone(),
        platforms: manifest.platforms.clone(),
        hosts: manifest.hosts.clone(),
        artifacts,
        blobs: manifest.blobs.len(),
        bytes,
        shared_bytes: separately.saturating_sub(bytes),
    }
}

fn summarize_artifact(artifact: &Artifact, bytes: u64, own_bytes: u64) -> ArtifactSummary {
    let (version, provenance, digest, referrers) = match artifact {
        Artifact::Installer(installer) => (Some(&installer.version), None, installer.blob.digest, 0),
        Artifact::K3s(k3s) => {
            (Some(&k3s.version), Some((&k3s.origin, &k3s.authenticated_by)), k3s.blob.digest, 0)
        }
        Artifact::Image(image) => {
            (None, Some((&image.origin, &image.authenticated_by)), image.root.digest, image.referrers.len())
        }
        Artifact::File(file) => (None, Some((&file.origin, &file.authenticated_by)), file.blob.digest, 0),
        Artifact::Apt(apt) => (None, None, apt.in_release(), 0),
    };
    ArtifactSummary {
        kind: artifact.kind(),
        name: artifact.name(),
        version: version.cloned(),
        platforms: artifact.platforms(),
        origin: provenance.map(|(origin, _)| origin.clone()),
        authenticated_by: provenance.map(|(_, proof)| proof.clone()),
        digest,
        blobs: artifact.digests().len(),
        bytes,
        own_bytes,
        referrers,
        apt: match artifact {
            Artifact::Apt(apt) => Some(Repository::from(apt)),
            _ => None,
        },
    }
}
