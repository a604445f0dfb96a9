//! Container images: from a reference to the list of blobs it needs for the wanted platforms.
//!
//! Bytes are never re-serialised. An index keeps all its entries, also of platforms that are left out: the
//! OCI layout allows content to be absent, and the digest stays the one that was published.

mod walk;

use self::walk::Walk;
use crate::bundle::manifest::Descriptor;
use crate::error::{Error, Result, codes};
use crate::lock;
use crate::oci::platform::Platform;
use crate::source::shelf::{Blob, Shelf};
use crate::spec::{Image, ImageSource};

/// An image whose content is known to the last blob.
#[derive(Debug)]
pub struct Opened {
    /// Its entry in the lock.
    pub locked: lock::Image,
    /// Every blob, each once, manifests before what they name.
    pub blobs: Vec<Blob>,
}

/// Resolves what the name of the image stands for today. `transport` says how its registry is reached.
pub async fn resolve(shelf: &Shelf<'_>, image: &Image, wanted_by: &str, transport: &str) -> Result<Opened> {
    let root = shelf.root().await?;
    if let Some(pinned) = image.reference.digest().filter(|pinned| *pinned != root.digest) {
        return Err(Error::new(codes::LOCK_MOVED, format!("{} has digest {}", image.reference, root.digest))
            .with_help(format!("bundle.yaml pins {pinned}; correct one of the two")));
    }
    let mut walk = Walk::new(shelf, image);
    walk.root(&root).await?;
    let referrers = if image.referrers { Some(walk.discover(&root.digest).await?) } else { None };
    Ok(walk.finish(&root, wanted_by, authenticated_by(image, transport), referrers))
}

/// Opens the image that the lock pins.
pub async fn open(shelf: &Shelf<'_>, image: &Image, locked: &lock::Image) -> Result<Opened> {
    let root = Descriptor { media_type: locked.media_type.clone(), digest: locked.digest, size: locked.size };
    let mut walk = Walk::new(shelf, image);
    walk.root(&root).await?;
    for referrer in locked.referrers.iter().flatten() {
        walk.referrer(referrer).await?;
    }
    Ok(walk.finish(&root, &locked.wanted_by, locked.authenticated_by.clone(), locked.referrers.clone()))
}

/// Whether a lock entry still answers what the spec asks for.
pub fn is_current(locked: &lock::Image, image: &Image, wanted_by: &str) -> bool {
    let platforms: Vec<Platform> = locked.platforms.iter().map(|entry| entry.platform).collect();
    locked.name == image.reference.to_string()
        && locked.origin == origin(image)
        && locked.wanted_by == wanted_by
        && platforms == image.platforms
        && locked.referrers.is_some() == image.referrers
}

/// The source of an image as it stands in lock and manifest.
fn origin(image: &Image) -> String {
    let local = |kind: &str, path: &std::path::Path, name: &Option<String>| {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let name = name.as_ref().map(|name| format!(":{name}")).unwrap_or_default();
        format!("{kind}:{file}{name}")
    };
    match &image.source {
        ImageSource::Registry => "registry".to_owned(),
        ImageSource::OciDirectory { path, name } => local("oci", path, name),
        ImageSource::OciArchive { path, name } => local("oci-archive", path, name),
        ImageSource::DockerArchive { path, name } => local("docker-archive", path, name),
    }
}

fn authenticated_by(image: &Image, transport: &str) -> String {
    match (&image.source, image.reference.digest()) {
        (_, Some(_)) => "digest in bundle.yaml".to_owned(),
        (ImageSource::Registry, None) => format!("tag, {transport}"),
        _ => "local file".to_owned(),
    }
}
