//! The rules of a container image.

use std::collections::HashSet;

use super::text::{is_media_type, is_tag, provenance};
use super::{Check, Sizes, demand, listed, unique};
use crate::bundle::manifest::{Blob, Image};
use crate::oci::reference::Reference;

/// Whether the image keeps every rule.
pub(super) fn check(image: &Image, sizes: &Sizes) -> Check {
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
