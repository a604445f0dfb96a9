//! Small bundles on disk, written by the library.

use std::io::Write;
use std::path::Path;

use airlock::bundle::layout;
use airlock::bundle::manifest::apt::Apt;
use airlock::bundle::manifest::{
    Artifact, Blob, Descriptor, FORMAT, File, Image, ImagePlatform, K3s, Manifest,
};
use airlock::bundle::writer::VolumeWriter;
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use airlock::trust::key_file::KeyFile;
use airlock::trust::signature::{MANIFEST_NAMESPACE, sign};

/// What goes into a bundle.
pub struct Contents {
    pub version: &'static str,
    pub serial: u64,
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Contents {
    fn default() -> Self {
        let files = vec![("/etc/motd", b"welcome\n".to_vec()), ("/srv/data", vec![7; 300_000])];
        Contents { version: "1.0", serial: 3, files }
    }
}

impl Contents {
    /// Writes the volumes into `directory`, signed with the key if there is one.
    pub fn write(&self, directory: &Path, key: Option<&Path>, volume_size: Option<u64>) {
        let (manifest, blobs) = self.manifest();
        write(&manifest, &blobs, directory, key, volume_size);
    }

    fn manifest(&self) -> (Manifest, Vec<Vec<u8>>) {
        let k3s = b"#!/bin/sh\n".to_vec();
        let root = br#"{"schemaVersion":2}"#.to_vec();
        let mut artifacts = vec![k3s_artifact(&k3s), image(&root)];
        artifacts.extend(self.files.iter().map(|(path, bytes)| file(path, bytes)));
        let mut blobs = vec![k3s, root];
        blobs.extend(self.files.iter().map(|(_, bytes)| bytes.clone()));
        (manifest(self.version, self.serial, artifacts, &blobs), blobs)
    }
}

/// Writes a bundle with these repositories of packages, each with its blobs, signed with the key.
pub fn write_repositories(targets: Vec<(Apt, Vec<Vec<u8>>)>, serial: u64, directory: &Path, key: &Path) {
    let mut blobs = Vec::new();
    let mut artifacts = Vec::new();
    for (apt, bytes) in targets {
        artifacts.push(Artifact::Apt(apt));
        let fresh: Vec<_> = bytes.into_iter().filter(|bytes| !blobs.contains(bytes)).collect();
        blobs.extend(fresh);
    }
    write(&manifest("1.0", serial, artifacts, &blobs), &blobs, directory, Some(key), None);
}

fn manifest(version: &str, serial: u64, artifacts: Vec<Artifact>, blobs: &[Vec<u8>]) -> Manifest {
    Manifest {
        format: FORMAT.to_owned(),
        requires: Vec::new(),
        name: "edge".to_owned(),
        version: version.to_owned(),
        channel: "stable".to_owned(),
        serial,
        created: "2026-01-01T00:00:00Z".to_owned(),
        platforms: vec![Platform::LinuxAmd64],
        hosts: vec!["debian-12".to_owned()],
        layout: layout::describe(&artifacts),
        artifacts,
        blobs: blobs.iter().map(|bytes| blob(bytes)).collect(),
    }
}

fn write(
    manifest: &Manifest,
    blobs: &[Vec<u8>],
    directory: &Path,
    key: Option<&Path>,
    volume_size: Option<u64>,
) {
    let bytes = manifest.to_bytes();
    let signature = key.map(|path| {
        let key = KeyFile::open(path, || panic!("the key is not encrypted")).unwrap();
        sign(&key, MANIFEST_NAMESPACE, &bytes).unwrap()
    });
    let signature = signature.as_deref().map(str::as_bytes);
    let writer = VolumeWriter::new(manifest, &bytes, signature, volume_size).unwrap();
    fs_err::create_dir_all(directory).unwrap();
    for index in 0..writer.volumes() {
        let mut file = fs_err::File::create(directory.join(writer.file_name(index))).unwrap();
        let copy = |piece: &airlock::bundle::writer::Piece, file: &mut fs_err::File| {
            let bytes = blobs.iter().find(|bytes| blob(bytes) == piece.blob).unwrap();
            let (start, length) = (piece.start as usize, piece.length as usize);
            file.write_all(&bytes[start..start + length]).unwrap();
            Ok(())
        };
        writer.write_volume(index, &mut file, copy).unwrap();
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
}

fn k3s_artifact(bytes: &[u8]) -> Artifact {
    Artifact::K3s(K3s {
        version: "v1.36.3+k3s1".to_owned(),
        platform: Platform::LinuxAmd64,
        origin: "https://github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s".to_owned(),
        authenticated_by: "sha256sum-amd64.txt".to_owned(),
        blob: blob(bytes),
    })
}

fn image(root: &[u8]) -> Artifact {
    let name = "docker.io/library/busybox:1.36".to_owned();
    let digest = Digest::of(root);
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    Artifact::Image(Image {
        origin: name.clone(),
        name,
        authenticated_by: "digest".to_owned(),
        root: Descriptor { media_type, digest, size: root.len() as u64 },
        platforms: vec![ImagePlatform { platform: Platform::LinuxAmd64, manifest: digest }],
        referrers: Vec::new(),
        blobs: vec![digest],
    })
}

fn file(path: &str, bytes: &[u8]) -> Artifact {
    Artifact::File(File {
        path: path.to_owned(),
        mode: "0640".to_owned(),
        origin: "files/example".to_owned(),
        authenticated_by: "local file".to_owned(),
        blob: blob(bytes),
    })
}
