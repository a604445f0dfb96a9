//! A stick with a large bundle that takes no space: its program, an image, and a layer that is one hole in the file.
//!
//! What is read of it is on the disk: manifest, program and the small layer. The hole has the digest of its zeros, so
//! that whoever reads it in the background finds it intact.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use airlock::bundle::manifest::{Artifact, Blob, Descriptor, Image, ImagePlatform, Installer, K3s, Manifest};
use airlock::bundle::writer::VolumeWriter;
use airlock::oci::digest::{Digest, Hasher};
use airlock::oci::platform::Platform;
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, sign};
use serde_json::json;

use super::Result;
use super::bundles::{self, blob};

/// The name of the image.
pub const IMAGE: &str = "library/large";
/// The small layer, in bytes.
const LAYER: usize = 1 << 20;

/// A stick in a directory.
pub struct Stick {
    /// The only volume.
    pub volume: PathBuf,
    /// Fingerprint of who signed it.
    pub signer: String,
    /// The manifest of the image, and its small layer.
    pub manifest: Digest,
    pub layer: Digest,
}

/// Makes a stick whose bundle has so many bytes and more, with `program` as what it installs.
pub fn make(directory: &Path, program: &Path, size: u64) -> Result<Stick> {
    let platform = Platform::current().ok_or("no node can be made of this machine")?;
    let program = fs_err::read(program)?;
    let install = directory.join("install");
    fs_err::write(&install, &program)?;
    fs_err::set_permissions(&install, std::fs::Permissions::from_mode(0o755))?;
    let layer: Vec<u8> =
        (0..LAYER as u64 / 32).flat_map(|number| *Digest::of(&number.to_le_bytes()).bytes()).collect();
    let hole = Blob { digest: digest_of_zeros(size), size };
    let (image, config, root) = image(platform, blob(&layer), hole)?;
    // Nothing is measured that this program does.
    let k3s = b"#!/bin/sh\nexec sleep infinity\n".to_vec();
    let parts = [program, k3s, root.clone(), config, layer.clone()];
    let artifacts = vec![
        Artifact::Installer(Installer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform,
            blob: blob(&parts[0]),
        }),
        Artifact::K3s(K3s {
            version: "v1.36.3+k3s1".to_owned(),
            platform,
            origin: "https://example.com/k3s".to_owned(),
            authenticated_by: "local file".to_owned(),
            blob: blob(&parts[1]),
        }),
        Artifact::Image(image),
    ];
    let mut manifest = bundles::manifest(artifacts, &parts);
    manifest.platforms = vec![platform];
    manifest.blobs.push(hole);
    let (volume, signer) = write(directory, &manifest, &parts)?;
    Ok(Stick { volume, signer, manifest: Digest::of(&root), layer: Digest::of(&layer) })
}

fn write(directory: &Path, manifest: &Manifest, parts: &[Vec<u8>]) -> Result<(PathBuf, String)> {
    let key = bundles::test_key();
    let bytes = manifest.to_bytes();
    let signature = sign(&key, MANIFEST_NAMESPACE, &bytes)?.into_bytes();
    let writer = VolumeWriter::new(manifest, &bytes, Some(&signature), None)?;
    let path = directory.join(writer.file_name(0));
    let mut file = fs_err::File::create(&path)?;
    writer.write_volume(0, &mut file, |piece, target| {
        let part = parts.iter().find(|part| Digest::of(part) == piece.blob.digest);
        let written = match part {
            Some(part) => target.write_all(part),
            None => target.seek(SeekFrom::Current(piece.length as i64)).map(drop),
        };
        written
            .map_err(|error| airlock::error::Error::new(airlock::error::codes::INTERNAL, error.to_string()))
    })?;
    file.sync_all()?;
    Ok((path, key.public_key().fingerprint()))
}

fn digest_of_zeros(size: u64) -> Digest {
    let zeros = vec![0; 1 << 20];
    let mut hasher = Hasher::new();
    for start in (0..size).step_by(zeros.len()) {
        hasher.update(&zeros[..(size - start).min(zeros.len() as u64) as usize]);
    }
    hasher.finish()
}

/// An image with these layers: its artifact, its configuration, its manifest.
fn image(platform: Platform, small: Blob, hole: Blob) -> Result<(Image, Vec<u8>, Vec<u8>)> {
    let config = serde_json::to_vec(&json!({
        "architecture": platform.architecture(), "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [small.digest, hole.digest]},
    }))?;
    let describe = |kind: &str, blob: Blob| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size})
    };
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let root = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": media_type,
        "config": describe("config.v1+json", blob(&config)),
        "layers": [describe("layer.v1.tar", small), describe("layer.v1.tar", hole)],
    }))?;
    let digest = Digest::of(&root);
    let name = format!("docker.io/{IMAGE}:1");
    let image = Image {
        origin: name.clone(),
        name,
        authenticated_by: "digest".to_owned(),
        root: Descriptor { media_type: media_type.to_owned(), digest, size: root.len() as u64 },
        platforms: vec![ImagePlatform { platform, manifest: digest }],
        referrers: Vec::new(),
        blobs: vec![digest, Digest::of(&config), small.digest, hole.digest],
    };
    Ok((image, config, root))
}
