//! An image without the platforms that are not there.
//!
//! A bundle carries an index as it was signed by its maker, and the manifests of some of its platforms. The
//! specification allows registries to refuse such an index, and distribution and Harbor do. There the tag then stands
//! for what is carried: the manifest of the only platform, byte for byte, or an index of those that there are.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::source::Source;
use super::tree::Document;
use crate::bundle::manifest::Image;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::document::{DOCKER_LIST, MAX_SIZE, OCI_INDEX};

/// The image without what is not `carried`; nothing if nothing is left.
pub(super) fn of(image: &Image, carried: &HashSet<Digest>, source: &dyn Source) -> Result<Option<Document>> {
    let mut leaves = Vec::new();
    collect(image.root.digest, carried, source, &mut HashSet::new(), &mut leaves)?;
    match &leaves[..] {
        [] => Ok(None),
        [(digest, only)] => {
            let media_type = only["mediaType"].as_str().unwrap_or_default().to_owned();
            Ok(Some(Document { media_type, digest: *digest, is_sparse: false, made: None }))
        }
        _ => {
            let media_type = image.root.media_type.clone();
            let entries: Vec<&Value> = leaves.iter().map(|(_, entry)| entry).collect();
            let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
            let bytes = index.to_string().into_bytes();
            let digest = Digest::of(&bytes);
            Ok(Some(Document { media_type, digest, is_sparse: false, made: Some(Arc::from(bytes)) }))
        }
    }
}

/// The descriptors of all carried manifests below an index, as they stand there.
fn collect(
    index: Digest,
    carried: &HashSet<Digest>,
    source: &dyn Source,
    seen: &mut HashSet<Digest>,
    leaves: &mut Vec<(Digest, Value)>,
) -> Result<()> {
    let bytes = source.document(index, MAX_SIZE)?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(codes::OCI_DOCUMENT, format!("index {index} cannot be understood")).with_source(error)
    })?;
    for entry in document["manifests"].as_array().into_iter().flatten() {
        let digest = entry["digest"].as_str().and_then(|text| text.parse::<Digest>().ok());
        let Some(digest) = digest.filter(|digest| carried.contains(digest) && seen.insert(*digest)) else {
            continue;
        };
        match entry["mediaType"].as_str() {
            Some(OCI_INDEX | DOCKER_LIST) => collect(digest, carried, source, seen, leaves)?,
            _ => leaves.push((digest, entry.clone())),
        }
    }
    Ok(())
}
