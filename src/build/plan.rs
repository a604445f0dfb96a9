//! The plan of a build: the manifest to be signed and where each of its blobs comes from. A pure function
//! of what was resolved.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::build::resolve::{BY_SPEC, Resolved};
use crate::build::volumes::changed;
use crate::bundle::layout;
use crate::bundle::manifest::{self, Artifact, Manifest};
use crate::error::Result;
use crate::fetch::Location;
use crate::lock::{self, Lock};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::source::gather::Wanted;
use crate::source::image::Opened;
use crate::source::local::unreadable;
use crate::source::shelf::{Blob, Origin};
use crate::source::{apt, file};
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
    /// How many packages it has, if it is a repository of packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<usize>,
    /// Bytes of its blobs.
    pub size: u64,
    /// Bytes of them that no artifact before it brought along, and that the cache lacks.
    pub to_fetch: u64,
}

impl Plan {
    /// Puts the plan together. `lock` is the new lock with its final serial.
    ///
    /// The order of everything follows from the lock alone, not from the order in which the spec names it,
    /// so that one lock gives one manifest.
    ///
    /// # Errors
    /// `E0405` when the bundle would break a rule of the format, so that no reader would take it.
    pub fn new(lock: &Lock, resolved: &Resolved) -> Result<Plan> {
        let mut blobs = Blobs::default();
        let artifacts = artifacts(lock, resolved, &mut blobs);
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
        manifest.validate().map_err(|error| {
            error.with_help("change what this is about in bundle.yaml, then lock and build again")
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
        let mut seen = HashSet::new();
        let mut row = |name: String, digests: &[Digest]| {
            let size = |digest: &&Digest| sizes.get(*digest).copied().unwrap_or_default();
            let remote = |digest: &&Digest| matches!(self.origins.get(*digest), Some((Origin::Remote(_), _)));
            let fresh = digests.iter().filter(|digest| seen.insert(**digest));
            let missing = fresh.filter(remote).filter(|digest| !cache.has(digest, size(digest)));
            let to_fetch = missing.map(|digest| size(&digest)).sum();
            Row { name, packages: None, size: digests.iter().map(|digest| size(&digest)).sum(), to_fetch }
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
            Artifact::Apt(entry) => {
                let packages = Some(entry.packages.len());
                Row { packages, ..row(format!("apt {}", entry.name), &entry.blobs) }
            }
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

/// The artifacts in the order installation needs them: programs, packages, the images of k3s, other images, files.
fn artifacts(lock: &Lock, resolved: &Resolved, blobs: &mut Blobs) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    for (locked, blob) in lock.installers.iter().zip(&resolved.installers) {
        artifacts.push(installer(locked, blobs.add(blob, &format!("airlock {}", locked.platform))));
    }
    if let Some(k3s) = &lock.k3s {
        for (binary, blob) in k3s.binaries.iter().zip(&resolved.k3s) {
            let added = blobs.add(blob, &format!("k3s {}", k3s.version));
            artifacts.extend(binary.platform.map(|platform| k3s_program(k3s, binary, platform, added)));
        }
    }
    let mut targets: Vec<&apt::Opened> = resolved.apt.iter().collect();
    targets.sort_by_key(|opened| &opened.locked.name);
    artifacts.extend(targets.into_iter().map(|opened| Artifact::Apt(packages(opened, blobs))));
    let mut images: Vec<&Opened> = resolved.images.iter().collect();
    images.sort_by_key(|opened| (opened.locked.wanted_by == BY_SPEC, &opened.locked.name));
    for opened in images {
        let digests = opened.blobs.iter().map(|blob| blobs.add(blob, &opened.locked.name).digest).collect();
        artifacts.push(Artifact::Image(image(opened, digests)));
    }
    let mut files: Vec<&file::Opened> = resolved.files.iter().collect();
    files.sort_by_key(|opened| &opened.locked.path);
    for opened in files {
        artifacts.push(plain_file(&opened.locked, blobs.add(&opened.blob, &opened.locked.path)));
    }
    artifacts
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
    platform: Platform,
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

/// The repository of a target. apt reads the metadata first, so it comes first.
fn packages(opened: &apt::Opened, blobs: &mut Blobs) -> manifest::apt::Apt {
    let locked = &opened.locked;
    let name = format!("packages for {}", locked.name);
    let files: Vec<manifest::apt::File> = opened
        .files
        .iter()
        .map(|(path, blob)| manifest::apt::File { path: path.clone(), blob: blobs.add(blob, &name) })
        .collect();
    let carried = locked.packages.iter().zip(&opened.packages);
    let packages: Vec<manifest::apt::Package> = carried
        .map(|(package, (path, blob))| manifest::apt::Package {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            path: path.clone(),
            wanted_by: package.wanted_by.clone(),
            origin: package.url.clone(),
            blob: blobs.add(blob, &format!("{} {}", package.name, package.version)),
        })
        .collect();
    let mut seen = HashSet::new();
    let digests =
        files.iter().map(|file| file.blob.digest).chain(packages.iter().map(|package| package.blob.digest));
    manifest::apt::Apt {
        name: locked.name.clone(),
        host: locked.host.clone(),
        platform: locked.platform,
        baseline: locked.baseline.name.clone(),
        recommends: locked.recommends,
        install: locked.install.clone(),
        nvidia: locked.nvidia.clone(),
        blobs: digests.filter(|digest| seen.insert(*digest)).collect(),
        packages,
        files,
    }
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

fn plain_file(locked: &lock::File, blob: manifest::Blob) -> Artifact {
    Artifact::File(manifest::File {
        path: locked.path.clone(),
        mode: locked.mode.clone(),
        origin: locked.origin.clone(),
        authenticated_by: locked.authenticated_by.clone(),
        blob,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;
    use crate::lock::change::tests::example;

    /// The example lock as if everything had been resolved, with a second image and a second file.
    fn resolved() -> Resolved {
        let mut lock = example();
        let blob = |digest: Digest| Blob { digest, size: 9, origin: Origin::Cached };
        for image in &mut lock.images {
            (image.digest, image.size) = (image.platforms[0].manifest, 9);
        }
        let mut second = lock.images[0].clone();
        second.name = "docker.io/library/alpine:3".to_owned();
        lock.images.push(second);
        lock.files[0].size = 9;
        let file = lock::File { path: "/etc/motd".to_owned(), ..lock.files[0].clone() };
        lock.files.push(file);
        lock.sort();
        lock.installers[0].size = 9;
        let image =
            |locked: &lock::Image| Opened { locked: locked.clone(), blobs: vec![blob(locked.digest)] };
        let file = |locked: &lock::File| file::Opened { locked: locked.clone(), blob: blob(locked.digest) };
        Resolved {
            installers: lock.installers.iter().map(|entry| blob(entry.digest)).collect(),
            k3s: lock.k3s.iter().flat_map(|k3s| &k3s.binaries).map(|entry| blob(entry.digest)).collect(),
            images: lock.images.iter().map(image).collect(),
            files: lock.files.iter().map(file).collect(),
            apt: Vec::new(),
            lock,
        }
    }

    #[test]
    fn the_order_of_the_spec_changes_nothing() {
        let mut resolved = resolved();
        let plan = Plan::new(&resolved.lock, &resolved).unwrap();
        resolved.images.reverse();
        resolved.files.reverse();
        assert_eq!(Plan::new(&resolved.lock, &resolved).unwrap().manifest, plan.manifest);
        let kinds: Vec<&str> = plan.manifest.artifacts.iter().map(Artifact::kind).collect();
        assert_eq!(kinds, ["installer", "k3s", "image", "image", "file", "file"]);
    }

    #[test]
    fn a_repository_is_one_row_and_what_targets_share_is_fetched_once() {
        use crate::bundle::manifest::apt::example;
        let [gpu, mut second] = [example::gpu_repository(), example::gpu_repository()];
        second.name = "more".to_owned();
        second.packages.push(example::package("zstd", "1.5-1", "amd64"));
        second.list_blobs();
        let remote = |package: &manifest::apt::Package| {
            let location = Location::url(&package.origin).unwrap();
            (package.blob.digest, (Origin::Remote(location), package.name.clone()))
        };
        let origins = second.packages.iter().map(remote).collect();
        let manifest = example::manifest(vec![Artifact::Apt(gpu), Artifact::Apt(second)]);
        let directory = tempfile::tempdir().unwrap();
        let rows = Plan { manifest, origins }.rows(&Cache::open(directory.path()).unwrap());
        let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.packages)).collect();
        assert_eq!(names, [("apt gpu", Some(6)), ("apt more", Some(7))]);
        let zstd = example::package("zstd", "1.5-1", "amd64").blob.size;
        assert!(rows[0].to_fetch > 0 && rows[0].to_fetch < rows[0].size, "the metadata is not fetched");
        assert_eq!((rows[1].to_fetch, rows[1].size), (zstd, rows[0].size + zstd));
    }

    #[test]
    fn a_bundle_that_no_reader_would_take_is_not_planned() {
        let mut resolved = resolved();
        resolved.files[0].locked.path = format!("/etc/{}", "x".repeat(300));
        let error = Plan::new(&resolved.lock, &resolved).unwrap_err();
        assert_eq!(error.code(), codes::MANIFEST_VALUE);
        assert!(error.help().unwrap().contains("bundle.yaml"));
    }
}
