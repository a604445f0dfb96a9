//! Image manifests and indexes: the JSON documents of an image (OCI image-spec "Image Manifest", "Image
//! Index" and "Descriptor"; Docker "Image Manifest Version 2, Schema 2").
//!
//! A document is read once, strictly, into types that hold only what the rest of the program uses. The
//! bytes stay with the caller: they are what the digest names and are never written a second time.
//!
//! Strict means that two programs cannot read two different images out of one document: a document that
//! has the members of both kinds, or that says to be of another kind than the server does, is refused
//! (GHSA-qq97-vm5h-rrhg, GHSA-77vh-xpmg-72qh).

mod raw;

use std::collections::BTreeMap;

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::quote::quote;

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
/// Media type of a Docker manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = oci_client::manifest::IMAGE_MANIFEST_MEDIA_TYPE;
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = oci_client::manifest::IMAGE_MANIFEST_LIST_MEDIA_TYPE;
/// Every media type that [`parse`] reads, most wanted first, as for an `Accept` header.
pub const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// Most bytes a document may have: what every registry must accept (distribution-spec, "Pushing Manifests").
pub const MAX_SIZE: u64 = 4 << 20;
/// How deep indexes may lie in indexes. One level is usual, two exist.
pub const MAX_DEPTH: usize = 4;
/// Most layers of an image; runtimes stop at about 128.
const MAX_LAYERS: usize = 1024;
/// Most entries of an index.
const MAX_ENTRIES: usize = 4096;
/// Most bytes a blob may have, 1 TiB.
const MAX_BLOB: i64 = 1 << 40;

/// A document of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The manifests of one image for several platforms.
    Index(Index),
    /// One image (or one artifact that has the form of an image).
    Image(Image),
}

/// An image index or Docker manifest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What kind of index it is.
    pub media_type: String,
    /// The manifests, in the order of the document.
    pub entries: Vec<IndexEntry>,
    /// `artifactType` of the index itself.
    pub artifact_type: Option<String>,
    /// The manifest this one refers to, for referrers.
    pub subject: Option<Descriptor>,
    /// Annotations of the index itself.
    pub annotations: BTreeMap<String, String>,
}

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What kind of manifest it is.
    pub media_type: String,
    /// The configuration of the image.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// `artifactType` of the manifest itself.
    pub artifact_type: Option<String>,
    /// The manifest this one refers to, for referrers.
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest itself.
    pub annotations: BTreeMap<String, String>,
}

/// The name of some content, with its kind and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What kind of content it is.
    pub media_type: String,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Its number of bytes.
    pub size: u64,
    /// `artifactType`, where the content is an artifact.
    pub artifact_type: Option<String>,
    /// Annotations of the descriptor.
    pub annotations: BTreeMap<String, String>,
}

/// One manifest of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest.
    pub descriptor: Descriptor,
    /// What it runs on, if the index says so.
    pub platform: Option<EntryPlatform>,
}

/// A platform as written in an index; not necessarily one that airlock can build for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPlatform {
    /// Operating system, in Go's words.
    pub os: String,
    /// Architecture, in Go's words.
    pub architecture: String,
    /// Variant of the architecture, such as `v8`.
    pub variant: Option<String>,
}

impl IndexEntry {
    /// Whether the entry is an image for `platform`.
    pub fn is_for(&self, platform: Platform) -> bool {
        self.platform
            .as_ref()
            .is_some_and(|own| platform.matches(&own.os, &own.architecture, own.variant.as_deref()))
    }

    /// Whether the entry is an attestation of BuildKit (provenance, SBOM) and no image.
    pub fn is_attestation(&self) -> bool {
        let nowhere =
            self.platform.as_ref().is_some_and(|own| own.os == "unknown" && own.architecture == "unknown");
        nowhere || self.attests().is_some()
    }

    /// The image manifest that an attestation of BuildKit is about.
    pub fn attests(&self) -> Option<Digest> {
        let annotations = &self.descriptor.annotations;
        (annotations.get("vnd.docker.reference.type")? == "attestation-manifest")
            .then(|| annotations.get("vnd.docker.reference.digest")?.parse().ok())?
    }
}

/// Reads the `bytes` of a manifest or index. `media_type` is what the server or a descriptor calls them;
/// names that are not specific, such as `application/json`, say nothing and are ignored.
///
/// # Errors
/// [`codes::OCI_DOCUMENT`] if the document is malformed, contradicts itself or `media_type`, is of a kind
/// that is not supported, or names content that airlock cannot carry; [`codes::DIGEST`] for digests that
/// are not SHA-256 in lower case.
pub fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Document> {
    if bytes.len() as u64 > MAX_SIZE {
        return Err(refused(format!("it has {} bytes, more than the allowed 4 MiB", bytes.len())));
    }
    let document: raw::Document = serde_json::from_slice(bytes)
        .map_err(|error| refused(format!("it is not the JSON of a manifest: {error}")).with_source(error))?;
    let media_type = kind_of(&document, media_type)?;
    match media_type.as_str() {
        OCI_INDEX | DOCKER_LIST => index(document, media_type).map(Document::Index),
        _ => image(document, media_type).map(Document::Image),
    }
}

/// The media type that document and server agree on.
fn kind_of(document: &raw::Document, served_as: Option<&str>) -> Result<String> {
    let served_as = served_as.map(|text| text.split(';').next().unwrap_or(text).trim());
    if document.is_schema_1() || served_as.is_some_and(|name| name.contains("distribution.manifest.v1+")) {
        return Err(refused("it is a Docker manifest of schema 1, a format given up in 2017")
            .with_help("ask the owner of the image to push it again with a current tool"));
    }
    if document.schema_version != Some(2) {
        return Err(refused("it lacks `schemaVersion: 2`"));
    }
    let inferred = if document.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST };
    let served_as = served_as.filter(|name| ACCEPTED.contains(name));
    match (document.media_type.as_deref(), served_as) {
        (Some(own), Some(served_as)) if own != served_as => {
            Err(refused(format!("it says to be `{}`, but it was served as `{served_as}`", quote(own))))
        }
        (Some(own), _) if !ACCEPTED.contains(&own) => {
            Err(refused(format!("its media type `{}` is not supported", quote(own))))
        }
        (own, served_as) => Ok(own.or(served_as).unwrap_or(inferred).to_owned()),
    }
}

fn index(document: raw::Document, media_type: String) -> Result<Index> {
    if document.layers.is_some() || document.config.is_some() {
        return Err(both_kinds());
    }
    let entries = document.manifests.ok_or_else(|| refused("it is an index without `manifests`"))?;
    if entries.len() > MAX_ENTRIES {
        return Err(refused(format!("it has {} entries, more than {MAX_ENTRIES}", entries.len())));
    }
    Ok(Index {
        media_type,
        entries: entries.into_iter().map(raw::Descriptor::checked_entry).collect::<Result<_>>()?,
        artifact_type: document.artifact_type,
        subject: document.subject.map(raw::Descriptor::checked).transpose()?,
        annotations: document.annotations.unwrap_or_default(),
    })
}

fn image(document: raw::Document, media_type: String) -> Result<Image> {
    if document.manifests.is_some() {
        return Err(both_kinds());
    }
    let config = document.config.ok_or_else(|| refused("it is an image manifest without `config`"))?;
    let layers = document.layers.ok_or_else(|| refused("it is an image manifest without `layers`"))?;
    if layers.len() > MAX_LAYERS {
        return Err(refused(format!("it has {} layers, more than {MAX_LAYERS}", layers.len())));
    }
    Ok(Image {
        media_type,
        config: config.checked()?,
        layers: layers.into_iter().map(raw::Descriptor::checked).collect::<Result<_>>()?,
        artifact_type: document.artifact_type,
        subject: document.subject.map(raw::Descriptor::checked).transpose()?,
        annotations: document.annotations.unwrap_or_default(),
    })
}

fn both_kinds() -> Error {
    refused(
        "it has the members of an image manifest and of an index at once; programs would read it differently",
    )
}

/// An error about the document at hand; callers know its name and add it as context.
fn refused(reason: impl Into<String>) -> Error {
    Error::new(codes::OCI_DOCUMENT, format!("the image document is refused: {}", reason.into())).with_help(
        "the image has to be repaired where it comes from: push it again, or name another version of it",
    )
}

#[cfg(test)]
mod tests;
