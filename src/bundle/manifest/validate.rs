//! The rules of a manifest that its types do not express (`bundle-spec/v1.md`, "Rules").

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::{Artifact, Blob, File, Image, Manifest};
use crate::bundle::{layout, names};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;

/// Help for a manifest that was signed although it breaks the rules.
pub(super) const REBUILD: &str =
    "a faulty builder made it: build and sign the bundle again with a current airlock";

/// Integers above this are not exact in every JSON reader.
const MAX_INTEGER: u64 = (1 << 53) - 1;
const MAX_ARTIFACTS: usize = 100_000;
const MAX_BLOBS: usize = 1_000_000;
const MAX_TEXT: usize = 4_096;

/// Why a manifest breaks a rule, without the file name.
type Check = std::result::Result<(), String>;

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
    let sizes: HashMap<_, _> = manifest.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
    for artifact in &manifest.artifacts {
        one_artifact(artifact, &manifest.platforms, &sizes)
            .map_err(|reason| format!("{} `{}`: {reason}", artifact.kind(), artifact.name()))?;
    }
    let used: HashSet<_> = manifest.artifacts.iter().flat_map(Artifact::digests).collect();
    let unused = manifest.blobs.iter().find(|blob| !used.contains(&blob.digest));
    unused.map_or(Ok(()), |blob| Err(format!("blob {} belongs to no artifact", blob.digest)))
}

fn one_artifact(artifact: &Artifact, platforms: &[Platform], sizes: &HashMap<Digest, u64>) -> Check {
    match artifact {
        Artifact::Installer(installer) => {
            version(&installer.version).and_then(|()| listed(installer.blob, sizes))
        }
        Artifact::K3s(k3s) => version(&k3s.version)
            .and_then(|()| provenance(&k3s.origin, &k3s.authenticated_by))
            .and_then(|()| listed(k3s.blob, sizes)),
        Artifact::Image(image) => self::image(image, sizes),
        Artifact::File(file) => self::file(file).and_then(|()| listed(file.blob, sizes)),
        Artifact::Apt(_) => Ok(()),
    }?;
    let foreign = artifact.platforms().into_iter().find(|platform| !platforms.contains(platform));
    foreign.map_or(Ok(()), |platform| Err(format!("the bundle is not for {platform}")))
}

fn image(image: &Image, sizes: &HashMap<Digest, u64>) -> Check {
    let canonical = image.name.parse::<Reference>().is_ok_and(|name| name.to_string() == image.name);
    demand(canonical, || "the name is not a full reference".to_owned())?;
    provenance(&image.origin, &image.authenticated_by)?;
    unique("`blobs`", &image.blobs)?;
    let known = image.blobs.iter().find(|digest| !sizes.contains_key(digest));
    known.map_or(Ok(()), |digest| Err(format!("blob {digest} is not in the bundle")))?;
    unique("`platforms`", image.platforms.iter().map(|entry| entry.platform))?;
    demand(!image.platforms.is_empty(), || "`platforms` is empty".to_owned())?;
    for descriptor in image.referrers.iter().map(|referrer| &referrer.descriptor).chain([&image.root]) {
        demand(is_media_type(&descriptor.media_type), || format!("media type `{}`", descriptor.media_type))?;
        listed(Blob { digest: descriptor.digest, size: descriptor.size }, sizes)?;
    }
    for referrer in &image.referrers {
        demand(referrer.artifact_type.as_deref().is_none_or(is_media_type), || "`artifactType`".to_owned())?;
        demand(referrer.tag.as_deref().is_none_or(is_tag), || "the tag of a referrer".to_owned())?;
    }
    let own: HashSet<_> = image.blobs.iter().collect();
    let needed = image.platforms.iter().map(|entry| entry.manifest);
    let referrers = image.referrers.iter().map(|referrer| referrer.descriptor.digest);
    let missing = needed.chain(referrers).chain([image.root.digest]).find(|digest| !own.contains(digest));
    missing.map_or(Ok(()), |digest| Err(format!("manifest {digest} is not among its blobs")))
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

fn listed(blob: Blob, sizes: &HashMap<Digest, u64>) -> Check {
    match sizes.get(&blob.digest) {
        None => Err(format!("blob {} is not in the bundle", blob.digest)),
        Some(size) if *size != blob.size => {
            Err(format!("blob {} has {} bytes here and {size} in the bundle", blob.digest, blob.size))
        }
        Some(_) => Ok(()),
    }
}

fn provenance(origin: &str, authenticated_by: &str) -> Check {
    for text in [origin, authenticated_by] {
        let plain = text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
        demand(plain, || "the origin has control characters or is too long".to_owned())?;
    }
    Ok(())
}

fn version(text: &str) -> Check {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte);
    let good = (1..=128).contains(&text.len()) && text.bytes().all(allowed);
    demand(good, || format!("version `{text}`"))
}

/// The rule of [`crate::spec::Spec`] for names that become part of file names.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= 63
        && ends.iter().all(|end| end.is_some_and(plain))
        && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn is_media_type(text: &str) -> bool {
    text.len() <= 255 && text.contains('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_tag(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=128).contains(&text.len()) && !text.starts_with(['.', '-']) && text.bytes().all(allowed)
}

fn is_absolute(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    path.len() <= MAX_TEXT
        && !path.chars().any(char::is_control)
        && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}

fn unique<T: Eq + Hash>(place: &str, values: impl IntoIterator<Item = T>) -> Check {
    let mut seen = HashSet::new();
    demand(values.into_iter().all(|value| seen.insert(value)), || format!("{place} repeats an entry"))
}

fn demand(holds: bool, reason: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(reason()) }
}
