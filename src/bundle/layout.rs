//! The two head files of the OCI image layout (OCI image-spec v1.1, "Image Layout"), which make an
//! extracted bundle a layout that `skopeo`, `oras` and containerd can read.
//!
//! Both are functions of the artifacts alone; a reader makes them again and compares digests, so what
//! other tools find in `index.json` can never differ from what the manifest says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::manifest::{Artifact, Blob, Image, Layout, Referrer};
use crate::oci::digest::Digest;

/// Name of the member that marks an image layout.
pub const OCI_LAYOUT: &str = "oci-layout";

/// Name of the member that lists the images.
pub const INDEX: &str = "index.json";

const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// The name as skopeo and oras look for it.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The name as containerd looks for it; without it an import creates no image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// The bytes of `oci-layout` and of `index.json` for these artifacts.
///
/// The index has one entry per image, in order, then one per referrer.
pub fn layout_files(artifacts: &[Artifact]) -> (Vec<u8>, Vec<u8>) {
    let images = artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Image(image) => Some(image),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    let referrers = images
        .clone()
        .flat_map(|image| image.referrers.iter().map(move |referrer| referrer_entry(image, referrer)))
        .filter(|entry| seen.insert((entry.digest, entry.annotations.clone())))
        .collect::<Vec<_>>();
    let manifests = images.map(image_entry).chain(referrers).collect();
    let index = Index { schema_version: 2, media_type: INDEX_MEDIA_TYPE, manifests };
    // Plain structures with string keys always serialise.
    let index = serde_json::to_vec(&index).expect("an index serialises");
    (br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), index)
}

/// The `layout` section of a manifest with these artifacts.
pub fn describe(artifacts: &[Artifact]) -> Layout {
    let (oci_layout, index) = layout_files(artifacts);
    let blob = |bytes: &[u8]| Blob { digest: Digest::of(bytes), size: bytes.len() as u64 };
    Layout { oci_layout: blob(&oci_layout), index: blob(&index) }
}

fn image_entry(image: &Image) -> Entry {
    Entry {
        media_type: image.root.media_type.clone(),
        digest: image.root.digest,
        size: image.root.size,
        artifact_type: None,
        annotations: BTreeMap::from([(REF_NAME, image.name.clone()), (CONTAINERD_NAME, image.name.clone())]),
    }
}

fn referrer_entry(image: &Image, referrer: &Referrer) -> Entry {
    let name = referrer.tag.iter().map(|tag| (REF_NAME, format!("{}:{tag}", repository(&image.name))));
    Entry {
        media_type: referrer.descriptor.media_type.clone(),
        digest: referrer.descriptor.digest,
        size: referrer.descriptor.size,
        artifact_type: referrer.artifact_type.clone(),
        annotations: name.collect(),
    }
}

/// `host:port/repository` of a full reference.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    name[path..].find(':').map_or(name, |colon| &name[..path + colon])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::Descriptor;

    fn descriptor(bytes: &[u8]) -> Descriptor {
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        Descriptor { media_type, digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn images_are_named_for_containerd_and_for_skopeo_and_referrers_follow() {
        let referrer = |tag: Option<&str>| Referrer {
            descriptor: descriptor(b"{\"signature\":1}"),
            artifact_type: tag.is_none().then(|| "application/spdx+json".to_owned()),
            tag: tag.map(str::to_owned),
        };
        let image = Image {
            name: "registry.lab:5000/a/b:1".to_owned(),
            origin: "registry.lab:5000/a/b:1".to_owned(),
            authenticated_by: "digest".to_owned(),
            root: descriptor(b"{}"),
            platforms: Vec::new(),
            referrers: vec![referrer(Some("sha256-ab.sig")), referrer(None)],
            blobs: Vec::new(),
        };
        let second = Image { name: "registry.lab:5000/a/b:2".to_owned(), ..image.clone() };
        let (marker, index) = layout_files(&[Artifact::Image(image), Artifact::Image(second)]);
        assert_eq!(marker, br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index = String::from_utf8(index).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&index).unwrap();
        let manifests = parsed["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 4, "two images, and the two distinct entries of their referrers");
        assert_eq!(manifests[0]["annotations"][CONTAINERD_NAME], "registry.lab:5000/a/b:1");
        assert_eq!(manifests[1]["annotations"][REF_NAME], "registry.lab:5000/a/b:2");
        assert_eq!(manifests[2]["annotations"][REF_NAME], "registry.lab:5000/a/b:sha256-ab.sig");
        assert_eq!(manifests[3]["artifactType"], "application/spdx+json");
        assert!(manifests[3].get("annotations").is_none());
    }

    #[test]
    fn a_port_is_not_a_tag() {
        for (reference, expected) in [
            ("registry.lab:5000/a:1", "registry.lab:5000/a"),
            ("registry.lab:5000/a@sha256:00", "registry.lab:5000/a"),
            ("docker.io/library/busybox:1@sha256:00", "docker.io/library/busybox"),
        ] {
            assert_eq!(repository(reference), expected);
        }
    }
}
