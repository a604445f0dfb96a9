//! Bundles of images whose names and layers a test chooses.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use airlock::bundle::manifest::{Artifact, Descriptor, Image, ImagePlatform};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use serde_json::json;

use crate::bundles::{Contents, manifest};

/// The media type of every manifest here.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The manifest of an image with these layers, and its configuration.
pub fn image(layers: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let layers: Vec<_> =
        layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer)).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers,
    });
    (manifest.to_string().into_bytes(), config)
}

/// A bundle called `golden` with these images, each of one layer; names are as in `docker.io/library/x:1`.
pub fn bundle(version: &str, serial: u64, images: &[(&str, &[u8])]) -> Contents {
    let (mut artifacts, mut blobs) = (Vec::new(), Vec::<Vec<u8>>::new());
    for (name, layer) in images {
        let (manifest, config) = image(&[layer]);
        let parts = [manifest, config, layer.to_vec()];
        artifacts.push(Artifact::Image(artifact(name, &parts)));
        for part in parts {
            if !blobs.contains(&part) {
                blobs.push(part);
            }
        }
    }
    let manifest = manifest(artifacts, &blobs);
    Contents {
        manifest: airlock::bundle::manifest::Manifest { version: version.to_owned(), serial, ..manifest },
        blobs,
    }
}

fn artifact(name: &str, parts: &[Vec<u8>; 3]) -> Image {
    let root = Digest::of(&parts[0]);
    Image {
        name: name.to_owned(),
        origin: name.to_owned(),
        authenticated_by: "digest".to_owned(),
        root: Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: root, size: parts[0].len() as u64 },
        platforms: vec![ImagePlatform { platform: Platform::LinuxAmd64, manifest: root }],
        referrers: Vec::new(),
        blobs: parts.iter().map(|part| Digest::of(part)).collect(),
    }
}
