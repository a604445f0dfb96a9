//! Small bundles, made in memory.

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::path::Path;

use airlock::bundle::manifest::apt::Apt;
use airlock::bundle::manifest::{
    Artifact, Blob, Descriptor, FORMAT, File, Image, ImagePlatform, K3s, Manifest,
};
use airlock::bundle::source::{MemorySource, Source};
use airlock::bundle::writer::VolumeWriter;
use airlock::bundle::{Bundle, Unverified, Verified, check::Report, layout};
use airlock::error::{Error, Result};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use airlock::progress::{Silent, Stage};
use airlock::trust::allowed_signers::AllowedSigners;
use airlock::trust::key::PublicKey;
use airlock::trust::key_file::KeyFile;
use airlock::trust::policy::{Policy, SignatureFile};
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, sign};

use crate::packages;

pub const VOLUME_SIZE: u64 = 128 * 1024;

/// Where the driver's installer lies on nodes.
pub const INSTALLER: &str = "/opt/NVIDIA-Linux-x86_64-580.126.20.run";

/// The targets of [`Contents::with_packages`], each with its blobs.
pub fn targets() -> [(Apt, Vec<Vec<u8>>); 3] {
    [
        packages::repository("debian-12", &packages::PROBES),
        packages::gpu_repository("debian-12-gpu"),
        packages::installer_repository("debian-12-run", INSTALLER),
    ]
}

/// The key of the golden bundles; for tests only, everybody can read it.
pub fn test_key() -> KeyFile {
    let text = include_str!("../../bundle-spec/golden/test-key-not-secret");
    KeyFile::parse("test-key-not-secret", text, || panic!("not encrypted")).unwrap()
}

pub fn test_policy() -> Policy {
    policy_for(test_key().public_key())
}

pub fn policy_for(key: &PublicKey) -> Policy {
    Policy::new(AllowedSigners::parse("allowed_signers", &key.allowed_line("test")).unwrap())
}

/// The bytes of a bundle before they are cut into volumes.
pub struct Contents {
    pub manifest: Manifest,
    pub blobs: Vec<Vec<u8>>,
}

impl Contents {
    /// An image with two layers, k3s, and these files.
    pub fn with_files(files: &[&[u8]]) -> Contents {
        let (image, image_blobs) = image();
        let k3s = b"#!/bin/sh\necho k3s stand-in\n".to_vec();
        let mut artifacts = vec![k3s_artifact(&k3s), Artifact::Image(image)];
        let mut blobs = vec![k3s];
        blobs.extend(image_blobs);
        for (number, bytes) in files.iter().enumerate() {
            artifacts.push(file(&format!("/srv/file-{number}"), bytes));
            blobs.push(bytes.to_vec());
        }
        Contents { manifest: manifest(artifacts, &blobs), blobs }
    }

    /// One cut blob and one empty one besides.
    pub fn large() -> Contents {
        let bytes: Vec<u8> = (0..200_000u32).map(|number| (number / 251 % 256) as u8).collect();
        Contents::with_files(&[b"small\n", &bytes, b""])
    }

    /// Packages for three kinds of node, one of which is the same for two, and an installer.
    pub fn with_packages() -> Contents {
        let installer = b"#!/bin/sh\necho stands in for a driver\n".to_vec();
        let mut artifacts = Vec::new();
        let mut blobs = Vec::new();
        for (apt, bytes) in targets() {
            artifacts.push(Artifact::Apt(apt));
            let fresh: Vec<_> = bytes.into_iter().filter(|bytes| !blobs.contains(bytes)).collect();
            blobs.extend(fresh);
        }
        artifacts.push(file(INSTALLER, &installer));
        blobs.push(installer);
        Contents { manifest: manifest(artifacts, &blobs), blobs }
    }

    pub fn sign(&self) -> Vec<u8> {
        sign(&test_key(), MANIFEST_NAMESPACE, &self.manifest.to_bytes()).unwrap().into_bytes()
    }

    /// Names and bytes of the volumes.
    pub fn volumes(&self, signature: Option<&[u8]>, size: Option<u64>) -> Volumes {
        let bytes = self.manifest.to_bytes();
        let writer = VolumeWriter::new(&self.manifest, &bytes, signature, size).unwrap();
        let write = |index| {
            let mut target = Cursor::new(Vec::new());
            writer
                .write_volume(index, &mut target, |piece, target| {
                    use std::io::Write as _;
                    let index = self.manifest.blobs.iter().position(|blob| *blob == piece.blob).unwrap();
                    let start = piece.start as usize;
                    target.write_all(&self.blobs[index][start..start + piece.length as usize]).unwrap();
                    Ok(())
                })
                .unwrap();
            (writer.file_name(index), target.into_inner())
        };
        Volumes((0..writer.volumes()).map(write).collect())
    }

    pub fn signed(&self, size: Option<u64>) -> Volumes {
        self.volumes(Some(&self.sign()), size)
    }
}

/// File names and bytes, which tests may change before they open them.
#[derive(Clone)]
pub struct Volumes(pub Vec<(String, Vec<u8>)>);

impl Volumes {
    pub fn open(&self) -> Result<Bundle<Unverified>> {
        self.open_with(Vec::new())
    }

    pub fn open_with(&self, signatures: Vec<SignatureFile>) -> Result<Bundle<Unverified>> {
        let source = |(name, bytes): &(String, Vec<u8>)| {
            Box::new(MemorySource::new(name, bytes.clone())) as Box<dyn Source>
        };
        Bundle::from_sources(self.0.iter().map(source).collect(), signatures)
    }

    pub fn verify(&self) -> Result<Bundle<Verified>> {
        self.open()?.verify(&test_policy())
    }

    /// Opens, verifies and checks everything.
    pub fn check(&self) -> Result<Report> {
        check(&self.verify()?)
    }

    pub fn write_to(&self, directory: &Path) {
        for (name, bytes) in &self.0 {
            fs_err::write(directory.join(name), bytes).unwrap();
        }
    }

    /// The bytes of the first volume, to be damaged.
    pub fn first(&mut self) -> &mut Vec<u8> {
        &mut self.0[0].1
    }
}

pub fn check(bundle: &Bundle<Verified>) -> Result<Report> {
    bundle.check_all(NonZeroUsize::new(2).unwrap(), Stage::Verify, &Silent)?.into_result()
}

/// The message with all its notes, for comparing.
pub fn whole_text(error: &Error) -> String {
    let mut lines = vec![format!("{}: {}", error.code(), error.message())];
    lines.extend(error.details().iter().cloned());
    lines.extend(error.causes());
    lines.extend(error.help().map(str::to_owned));
    lines.join("\n")
}

#[track_caller]
pub fn expect_error<T>(result: Result<T>, status: u8, part: &str) -> Error {
    let error = result.err().expect("an error was expected");
    let text = whole_text(&error);
    assert_eq!(error.kind().exit_status(), status, "{text}");
    assert!(text.contains(part), "`{part}` is not in:\n{text}");
    error
}

pub fn manifest(artifacts: Vec<Artifact>, blobs: &[Vec<u8>]) -> Manifest {
    Manifest {
        format: FORMAT.to_owned(),
        requires: Vec::new(),
        name: "golden".to_owned(),
        version: "1.0".to_owned(),
        channel: "stable".to_owned(),
        serial: 7,
        created: "2026-01-01T00:00:00Z".to_owned(),
        platforms: vec![Platform::LinuxAmd64],
        hosts: vec!["debian-12".to_owned()],
        layout: layout::describe(&artifacts),
        artifacts,
        blobs: blobs.iter().map(|bytes| blob(bytes)).collect(),
    }
}

pub fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
}

pub fn file(path: &str, bytes: &[u8]) -> Artifact {
    Artifact::File(File {
        path: path.to_owned(),
        mode: "0640".to_owned(),
        origin: "files/example".to_owned(),
        authenticated_by: "local file".to_owned(),
        blob: blob(bytes),
    })
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

/// A small image that every OCI tool accepts.
fn image() -> (Image, Vec<Vec<u8>>) {
    let layers = [layer("etc/first", b"first\n"), layer("etc/second", b"second\n")];
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let root = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer)).collect::<Vec<_>>(),
    });
    let root = serde_json::to_vec(&root).unwrap();
    let [first, second] = layers;
    let blobs = vec![root.clone(), config, first, second];
    let name = "docker.io/library/golden:1.0".to_owned();
    let image = Image {
        origin: name.clone(),
        name,
        authenticated_by: "digest".to_owned(),
        root: Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(&root),
            size: root.len() as u64,
        },
        platforms: vec![ImagePlatform { platform: Platform::LinuxAmd64, manifest: Digest::of(&root) }],
        referrers: Vec::new(),
        blobs: blobs.iter().map(|bytes| Digest::of(bytes)).collect(),
    };
    (image, blobs)
}

fn layer(path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = airlock::bundle::ustar::header(path, content.len() as u64).to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(1024 + 1024, 0);
    bytes
}
