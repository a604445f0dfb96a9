//! What the checks want to know about a bundle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{Artifact, Manifest};

/// A bundle as far as it says something about the machines it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleSummary {
    /// Its name and version.
    pub name: String,
    /// When its lock was made, RFC 3339 in UTC.
    pub created: String,
    /// Architectures it serves, as platforms name them: `amd64`.
    pub architectures: Vec<String>,
    /// Distributions it serves; empty if it does not care.
    pub hosts: Vec<String>,
    /// Bytes of all blobs.
    pub bytes: u64,
    /// Bytes of the images.
    pub image_bytes: u64,
    /// Bytes of the largest blob.
    pub largest_blob: u64,
    /// Version of k3s.
    pub k3s: Option<String>,
    /// The NVIDIA driver for each target, by distribution.
    pub drivers: BTreeMap<String, DriverSummary>,
}

/// An NVIDIA driver of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriverSummary {
    /// Its version.
    pub version: String,
    /// Whether its kernel modules are the open ones.
    pub open: bool,
    /// Kernels it has prebuilt and signed modules for.
    pub prebuilt: Vec<String>,
    /// Kernels that DKMS builds its modules for, with headers from the bundle.
    pub built: Vec<String>,
    /// Whether the packages of the target bring headers, a compiler and dkms.
    pub has_dkms: bool,
    /// Version of Fabric Manager.
    pub fabric_manager: Option<String>,
}

impl BundleSummary {
    /// What a manifest says.
    pub fn of(manifest: &Manifest) -> Self {
        let mut summary = BundleSummary {
            name: format!("{}-{}", manifest.name, manifest.version),
            created: manifest.created.clone(),
            architectures: manifest.platforms.iter().map(|p| p.architecture().to_owned()).collect(),
            hosts: manifest.hosts.clone(),
            bytes: manifest.total_size(),
            largest_blob: manifest.blobs.iter().map(|blob| blob.size).max().unwrap_or(0),
            image_bytes: image_bytes(manifest),
            ..BundleSummary::default()
        };
        for artifact in &manifest.artifacts {
            match artifact {
                Artifact::K3s(k3s) => summary.k3s = Some(k3s.version.clone()),
                Artifact::Apt(apt) => {
                    if let Some(driver) = driver(apt) {
                        summary.drivers.insert(apt.host.clone(), driver);
                    }
                }
                Artifact::Installer(_) | Artifact::Image(_) | Artifact::File(_) => {}
            }
        }
        summary
    }
}

fn driver(apt: &crate::bundle::manifest::apt::Apt) -> Option<DriverSummary> {
    let nvidia = apt.nvidia.as_ref()?;
    let driver = nvidia.driver.as_ref()?;
    let releases = |prebuilt: bool| {
        let kernels = driver.kernels.iter().filter(|kernel| kernel.prebuilt == prebuilt);
        kernels.map(|kernel| kernel.release.clone()).collect()
    };
    Some(DriverSummary {
        version: driver.version.clone(),
        open: driver.open,
        prebuilt: releases(true),
        built: releases(false),
        has_dkms: apt.packages.iter().any(|package| package.name == "dkms"),
        fabric_manager: nvidia.fabric_manager.clone(),
    })
}

/// Bytes of what images need, each blob counted once.
fn image_bytes(manifest: &Manifest) -> u64 {
    let mut wanted = std::collections::HashSet::new();
    for artifact in &manifest.artifacts {
        if let Artifact::Image(image) = artifact {
            wanted.extend(image.blobs.iter().copied());
        }
    }
    manifest.blobs.iter().filter(|blob| wanted.contains(&blob.digest)).map(|blob| blob.size).sum()
}
