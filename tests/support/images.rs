//! Makes real, runnable container images as an OCI image layout (image-spec 1.1). Equal input gives equal bytes.
#![allow(dead_code, reason = "every test that includes this module uses a part of it")]

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use airlock::oci::digest::Digest;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The media types of one family of images.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// OCI image manifest, gzip layers.
    Oci,
    /// OCI image manifest, zstd layers.
    OciZstd,
    /// Docker schema 2, gzip layers.
    Docker,
}

impl Family {
    /// Media type of the manifest.
    pub fn manifest(self) -> &'static str {
        if self == Family::Docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }

    fn config(self) -> &'static str {
        match self {
            Family::Docker => "application/vnd.docker.container.image.v1+json",
            _ => "application/vnd.oci.image.config.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            Family::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Family::OciZstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Family::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// One file of a layer: path without a leading slash, permission bits, bytes.
pub type LayerFile<'a> = (&'a str, u32, &'a [u8]);

/// A layer as a manifest and a configuration name it.
#[derive(Clone)]
pub struct Layer {
    /// Of the compressed bytes.
    pub descriptor: Value,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// An OCI image layout that is being written.
pub struct ImageLayout {
    directory: PathBuf,
    entries: Vec<Value>,
}

impl ImageLayout {
    /// Starts a layout in `directory`, which is made if needed.
    pub fn create(directory: &Path) -> io::Result<ImageLayout> {
        fs_err::create_dir_all(directory.join("blobs/sha256"))?;
        Ok(ImageLayout { directory: directory.to_owned(), entries: Vec::new() })
    }

    /// Stores bytes and returns their descriptor.
    pub fn add(&self, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let digest = Digest::of(bytes);
        fs_err::write(self.directory.join("blobs/sha256").join(digest.hex()), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
    }

    /// Stores a layer that holds `files`.
    pub fn layer(&self, family: Family, files: &[LayerFile]) -> io::Result<Layer> {
        self.layer_of_tar(family, &tar_of(files)?)
    }

    /// Stores a layer made of a tar that exists already.
    pub fn layer_of_tar(&self, family: Family, tar: &[u8]) -> io::Result<Layer> {
        let compressed = if family == Family::OciZstd { zstd::encode_all(tar, 3)? } else { gzip(tar)? };
        Ok(Layer { descriptor: self.add(family.layer(), &compressed)?, diff_id: Digest::of(tar) })
    }

    /// Stores an image for one architecture (`amd64`, `arm64`) that starts `command`.
    pub fn image(
        &self,
        family: Family,
        architecture: &str,
        layers: &[Layer],
        command: &[&str],
    ) -> io::Result<Value> {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": family.manifest(),
            "config": self.add(family.config(), config.to_string().as_bytes())?,
            "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
        });
        self.add(family.manifest(), manifest.to_string().as_bytes())
    }

    /// Stores an index of images, given with their architectures.
    pub fn index(&self, images: &[(&str, &Value)]) -> io::Result<Value> {
        let manifests: Vec<Value> = images
            .iter()
            .map(|(architecture, image)| {
                let mut entry = (*image).clone();
                entry["platform"] = json!({"architecture": architecture, "os": "linux"});
                entry
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        self.add(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Stores an artifact that refers to `subject`: an SBOM, a signature.
    pub fn referrer(&self, subject: &Value, artifact_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": self.add("application/vnd.oci.empty.v1+json", b"{}")?,
            "layers": [self.add(artifact_type, bytes)?],
            "subject": subject,
        });
        self.add(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Gives a manifest its full reference, such as `quay.io/a/b:1` or `quay.io/a/b@sha256:…`.
    pub fn name(&mut self, reference: &str, descriptor: &Value) {
        let mut entry = descriptor.clone();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
        self.entries.push(entry);
    }

    /// Writes `oci-layout` and `index.json`.
    pub fn finish(self) -> io::Result<()> {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries});
        fs_err::write(self.directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        fs_err::write(self.directory.join("index.json"), index.to_string())
    }
}

/// A tar of regular files with every field that varies set to zero.
pub fn tar_of(files: &[LayerFile]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(*mode);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, *bytes)?;
    }
    tar.into_inner()
}

/// Compresses with gzip, without name and time.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}
