//! The rules of a manifest that its types do not express (`bundle-spec/v1.md`, "Rules").

mod apt;
mod image;
mod nvidia;
mod text;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::{Artifact, Blob, File, Manifest};
use crate::bundle::{layout, names};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use text::{is_absolute, is_name, provenance, version};

/// Help for a manifest that was signed although it breaks the rules.
pub(super) const REBUILD: &str =
    "a faulty builder made it: build and sign the bundle again with a current airlock";

/// Integers above this are not exact in every JSON reader.
const MAX_INTEGER: u64 = (1 << 53) - 1;
const MAX_ARTIFACTS: usize = 100_000;
const MAX_BLOBS: usize = 1_000_000;

/// Why a manifest breaks a rule, without the file name.
type Check = std::result::Result<(), String>;

/// The size of every blob that the manifest lists.
type Sizes = HashMap<Digest, u64>;

impl Manifest {
    /// Checks every rule of the format that holds between values.
    pub fn validate(&self) -> Result<()> {
        let checks = [head, counts, blobs, artifacts, head_files];
        checks.iter().try_for_each(|check| check(self)).map_err(|reason| {
            let message = format!("manifest.json breaks the format: {}", names::escaped(&reason));
            Error::new(codes::MANIFEST_VALUE, message).with_help(REBUILD)
        })
    }
}

fn head(manifest: &Manifest) -> Check {
    for (key, value) in
        [("name", &manifest.name), ("version", &manifest.version), ("channel", &manifest.channel)]
    {
        demand(is_name(value), || format!("`{key}` is `{value}`"))?;
    }
    for host in &manifest.hosts {
        demand(is_name(host), || format!("`hosts` has `{host}`"))?;
    }
    demand(manifest.serial <= MAX_INTEGER, || format!("`serial` is {}, above 2^53 - 1", manifest.serial))?;
    let utc = manifest.created.ends_with('Z') && manifest.created.parse::<jiff::Timestamp>().is_ok();
    demand(utc, || format!("`created` is `{}`, not a time in UTC", manifest.created))?;
    unique("`hosts`", &manifest.hosts)?;
    demand(!manifest.platforms.is_empty(), || "`platforms` is empty".to_owned())?;
    unique("`platforms`", &manifest.platforms)
}

fn counts(manifest: &Manifest) -> Check {
    demand(manifest.artifacts.len() <= MAX_ARTIFACTS, || format!("more than {MAX_ARTIFACTS} artifacts"))?;
    demand(manifest.blobs.len() <= MAX_BLOBS, || format!("more than {MAX_BLOBS} blobs"))
}

fn blobs(manifest: &Manifest) -> Check {
    unique("`blobs`", manifest.blobs.iter().map(|blob| blob.digest))?;
    let sum = manifest.blobs.iter().try_fold(0u64, |sum, blob| sum.checked_add(blob.size));
    demand(sum.is_some_and(|sum| sum <= MAX_INTEGER), || "the sizes of all blobs exceed 2^53 - 1".to_owned())
}

fn artifacts(manifest: &Manifest) -> Check {
    unique("`artifacts`", manifest.artifacts.iter().map(Artifact::name))?;
    let sizes: Sizes = manifest.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
    for artifact in &manifest.artifacts {
        one_artifact(artifact, manifest, &sizes)
            .map_err(|reason| format!("{} `{}`: {reason}", artifact.kind(), artifact.name()))?;
    }
    let used: HashSet<_> = manifest.artifacts.iter().flat_map(Artifact::digests).collect();
    let unused = manifest.blobs.iter().find(|blob| !used.contains(&blob.digest));
    unused.map_or(Ok(()), |blob| Err(format!("blob {} belongs to no artifact", blob.digest)))
}

fn one_artifact(artifact: &Artifact, manifest: &Manifest, sizes: &Sizes) -> Check {
    match artifact {
        Artifact::Installer(installer) => {
            version(&installer.version).and_then(|()| listed(installer.blob, sizes))
        }
        Artifact::K3s(k3s) => version(&k3s.version)
            .and_then(|()| provenance(&k3s.origin, &k3s.authenticated_by))
            .and_then(|()| listed(k3s.blob, sizes)),
        Artifact::Image(image) => image::check(image, sizes),
        Artifact::File(file) => self::file(file).and_then(|()| listed(file.blob, sizes)),
        Artifact::Apt(apt) => apt::check(apt, manifest, sizes),
    }?;
    let foreign = artifact.platforms().into_iter().find(|platform| !manifest.platforms.contains(platform));
    foreign.map_or(Ok(()), |platform| Err(format!("the bundle is not for {platform}")))
}

fn file(file: &File) -> Check {
    demand(is_absolute(&file.path), || "the path is not absolute and plain".to_owned())?;
    let mode = file.mode.len() == 4 && file.mode.starts_with('0');
    let octal = file.mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    demand(mode && octal, || format!("mode `{}` is not between 0000 and 0777", file.mode))?;
    provenance(&file.origin, &file.authenticated_by)
}

/// The head files of the layout follow from the artifacts, so other tools see the same images as we do.
fn head_files(manifest: &Manifest) -> Check {
    let same = manifest.layout == layout::describe(&manifest.artifacts);
    demand(same, || "`layout` does not describe the index of these artifacts".to_owned())
}

fn listed(blob: Blob, sizes: &Sizes) -> Check {
    match sizes.get(&blob.digest) {
        None => Err(format!("blob {} is not in the bundle", blob.digest)),
        Some(size) if *size != blob.size => {
            Err(format!("blob {} has {} bytes here and {size} in the bundle", blob.digest, blob.size))
        }
        Some(_) => Ok(()),
    }
}

fn unique<T: Eq + Hash>(place: &str, values: impl IntoIterator<Item = T>) -> Check {
    let mut seen = HashSet::new();
    demand(values.into_iter().all(|value| seen.insert(value)), || format!("{place} repeats an entry"))
}

fn demand(holds: bool, reason: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(reason()) }
}
