//! The plan of a build: the manifest to be signed and where each of its blobs comes from. A pure function
//! of what was resolved.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;

use crate::build::resolve::Resolved;
use crate::build::volumes::changed;
use crate::bundle::layout;
use crate::bundle::manifest::{self, Artifact, Manifest};
use crate::error::{Error, Result, codes};
use crate::fetch::Location;
use crate::lock::{self, Lock};
use crate::oci::digest::Digest;
use crate::source::gather::Wanted;
use crate::source::image::Opened;
use crate::source::local::unreadable;
use crate::source::shelf::{Blob, Origin};
use crate::store::cache::{Cache, hash_file};

/// Everything a build will do, before it does anything.
#[derive(Debug)]
pub struct Plan {
    /// The manifest.
    pub manifest: Manifest,
    /// The origin of every blob of the manifest, and what the blob belongs to.
    pub origins: HashMap<Digest, (Origin, String)>,
}

/// A row of the plan for the user: an artifact and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Kind and name of the artifact.
    pub name: String,
    /// Bytes of its blobs.
    pub size: u64,
    /// Bytes of them that no artifact before it brought along, and that the cache lacks.
    pub to_fetch: u64,
}

impl Plan {
    /// Puts the plan together. `lock` is the new lock with its final serial.
    pub fn new(lock: &Lock, resolved: &Resolved) -> Result<Plan> {
        let mut blobs = Blobs::default();
        let mut artifacts = Vec::new();
        for (locked, blob) in lock.installers.iter().zip(&resolved.installers) {
            artifacts.push(installer(locked, blobs.add(blob, &format!("airlock {}", locked.platform))));
        }
        for (k3s, (binary, blob)) in lock
            .k3s
            .iter()
            .flat_map(|k3s| k3s.binaries.iter().zip(&resolved.k3s).map(move |pair| (k3s, pair)))
        {
            let added = blobs.add(blob, &format!("k3s {}", k3s.version));
            artifacts.extend(binary.platform.map(|platform| k3s_program(k3s, binary, platform, added)));
        }
        for opened in &resolved.images {
            let digests =
                opened.blobs.iter().map(|blob| blobs.add(blob, &opened.locked.name).digest).collect();
            artifacts.push(Artifact::Image(image(opened, digests)));
        }
        for opened in &resolved.files {
            artifacts.push(file(&opened.locked, blobs.add(&opened.blob, &opened.locked.path)));
        }
        let manifest = Manifest {
            format: manifest::FORMAT.to_owned(),
            requires: Vec::new(),
            name: lock.name.clone(),
            version: lock.version.clone(),
            channel: lock.channel.clone(),
            serial: lock.serial,
            created: lock.created.clone(),
            platforms: lock.platforms.clone(),
            hosts: lock.hosts.clone(),
            layout: layout::describe(&artifacts),
            artifacts,
            blobs: blobs.order,
        };
        // A bundle that no reader would accept must not be written, whatever led to it.
        manifest.validate().map_err(|error| {
            Error::new(codes::INTERNAL, "the bundle would break the rules of its own format")
                .with_source(error)
                .with_help("this is a bug of airlock: please report it together with bundle.yaml")
        })?;
        Ok(Plan { manifest, origins: blobs.origins })
    }

    /// What must be in the cache before it can be written, in the order of the manifest.
    pub fn wanted(&self) -> Vec<Wanted> {
        let blobs = self.manifest.blobs.iter();
        blobs.filter_map(|blob| self.wanted_blob(blob)).collect()
    }

    fn wanted_blob(&self, blob: &manifest::Blob) -> Option<Wanted> {
        let (origin, name) = self.origins.get(&blob.digest)?;
        let location: Location = match origin {
            Origin::Remote(location) => location.clone(),
            Origin::Cached | Origin::File(_) => return None,
        };
        Some(Wanted { digest: blob.digest, size: blob.size, location, name: name.clone() })
    }

    /// Compares local files with what the lock pins, for a build that finds nothing to copy.
    ///
    /// # Errors
    /// `E0701` when one of them changed, `E0702` when it cannot be read.
    pub fn check_local_files(&self) -> Result<()> {
        for blob in &self.manifest.blobs {
            let Some((Origin::File(path), name)) = self.origins.get(&blob.digest) else { continue };
            let found = hash_file(path).map_err(|error| unreadable(&path.display().to_string(), error))?;
            if found != (blob.digest, blob.size) {
                return Err(changed(path, name));
            }
        }
        Ok(())
    }

    /// Bytes of all blobs together.
    pub fn size(&self) -> u64 {
        self.manifest.blobs.iter().map(|blob| blob.size).sum()
    }

    /// The rows of the plan, in the order of the manifest.
    pub fn rows(&self, cache: &Cache) -> Vec<Row> {
        let sizes: HashMap<Digest, u64> =
            self.manifest.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
        let mut seen = std::collections::HashSet::new();
        let mut row = |name: String, digests: &[Digest]| {
            let size = |digest: &&Digest| sizes.get(*digest).copied().unwrap_or_default();
            let remote = |digest: &&Digest| matches!(self.origins.get(*digest), Some((Origin::Remote(_), _)));
            let fresh = digests.iter().filter(|digest| seen.insert(**digest));
            let missing = fresh.filter(remote).filter(|digest| !cache.has(digest, size(digest)));
            let to_fetch = missing.map(|digest| size(&digest)).sum();
            Row { name, size: digests.iter().map(|digest| size(&digest)).sum(), to_fetch }
        };
        let rows = self.manifest.artifacts.iter().map(|artifact| match artifact {
            Artifact::Installer(entry) => {
                row(format!("airlock {} {}", entry.version, entry.platform), &[entry.blob.digest])
            }
            Artifact::K3s(entry) => {
                row(format!("k3s {} {}", entry.version, entry.platform), &[entry.blob.digest])
            }
            Artifact::Image(entry) => row(format!("image {}", entry.name), &entry.blobs),
            Artifact::File(entry) => row(format!("file {}", entry.path), &[entry.blob.digest]),
        });
        rows.collect()
    }
}

/// Blobs in the order they are first needed, each once.
#[derive(Default)]
struct Blobs {
    order: Vec<manifest::Blob>,
    origins: HashMap<Digest, (Origin, String)>,
}

impl Blobs {
    fn add(&mut self, blob: &Blob, name: &str) -> manifest::Blob {
        let entry = manifest::Blob { digest: blob.digest, size: blob.size };
        if let Entry::Vacant(vacant) = self.origins.entry(blob.digest) {
            vacant.insert((blob.origin.clone(), name.to_owned()));
            self.order.push(entry);
        }
        entry
    }
}

fn installer(locked: &lock::Installer, blob: manifest::Blob) -> Artifact {
    Artifact::Installer(manifest::Installer {
        version: locked.version.clone(),
        platform: locked.platform,
        blob,
    })
}

fn k3s_program(
    k3s: &lock::K3s,
    binary: &lock::Download,
    platform: crate::oci::platform::Platform,
    blob: manifest::Blob,
) -> Artifact {
    Artifact::K3s(manifest::K3s {
        version: k3s.version.clone(),
        platform,
        origin: binary.url.clone(),
        authenticated_by: binary.authenticated_by.clone(),
        blob,
    })
}

fn image(opened: &Opened, blobs: Vec<Digest>) -> manifest::Image {
    let locked = &opened.locked;
    let referrer = |found: &lock::Referrer| manifest::Referrer {
        descriptor: manifest::Descriptor {
            media_type: found.media_type.clone(),
            digest: found.digest,
            size: found.size,
        },
        artifact_type: found.artifact_type.clone(),
        tag: found.tag.clone(),
    };
    manifest::Image {
        name: locked.name.clone(),
        origin: locked.origin.clone(),
        authenticated_by: locked.authenticated_by.clone(),
        root: manifest::Descriptor {
            media_type: locked.media_type.clone(),
            digest: locked.digest,
            size: locked.size,
        },
        platforms: locked
            .platforms
            .iter()
            .map(|entry| manifest::ImagePlatform { platform: entry.platform, manifest: entry.manifest })
            .collect(),
        referrers: locked.referrers.iter().flatten().map(referrer).collect(),
        blobs,
    }
}

fn file(locked: &lock::File, blob: manifest::Blob) -> Artifact {
    Artifact::File(manifest::File {
        path: locked.path.clone(),
        mode: locked.mode.clone(),
        origin: locked.origin.clone(),
        authenticated_by: locked.authenticated_by.clone(),
        blob,
    })
}
