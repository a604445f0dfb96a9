//! `manifest.json`: the signed list of everything in a bundle (`bundle-spec/v1.md`, "Manifest").
//!
//! The bytes that were signed are kept and verified as they are; parsing happens after the signature
//! check, and nothing is ever serialised a second time to be compared or signed.

pub mod apt;
mod artifact;
mod parse;
mod validate;

pub(super) use parse::{UPDATE, check_length};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// Value of `format` in every manifest of this version.
pub const FORMAT: &str = "airlock.manifest.v1";

/// The largest manifest in bytes; larger ones are refused before memory is taken for them.
pub const MAX_LENGTH: u64 = 64 * 1024 * 1024;

/// The signed description of a bundle. A pure function of the lock and of the bytes it pins: it says
/// nothing about the medium, so the same lock gives the same manifest on every stick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Name and version of this format.
    #[schemars(extend("const" = FORMAT))]
    pub format: String,
    /// Features a reader must know to use this bundle; a reader that does not know one stops.
    pub requires: Vec<String>,
    /// Name of the bundle.
    pub name: String,
    /// Version of the bundle.
    pub version: String,
    /// Channel within which `serial` rises.
    pub channel: String,
    /// Rises with every changed lock; nodes refuse an older one.
    pub serial: u64,
    /// When the lock was made, RFC 3339 in UTC. Informative.
    #[schemars(extend("format" = "date-time"))]
    pub created: String,
    /// Platforms the bundle serves.
    pub platforms: Vec<Platform>,
    /// Target distributions it serves.
    pub hosts: Vec<String>,
    /// The two head files of the OCI image layout.
    pub layout: Layout,
    /// The named things, in the order installation needs them.
    pub artifacts: Vec<Artifact>,
    /// Every blob once, in the order in which they lie in the volumes.
    pub blobs: Vec<Blob>,
}

impl Manifest {
    /// The JSON Schema of `manifest.json` (draft 2020-12). It says what the types say; the rules that hold
    /// between values are in `bundle-spec/v1.md`.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Manifest).to_value()
    }
}

/// Digests and sizes of `oci-layout` and `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layout {
    /// The file `oci-layout`.
    pub oci_layout: Blob,
    /// The file `index.json`, listing the images.
    pub index: Blob,
}

/// Bytes named by their digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// One named thing in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Artifact {
    /// The `airlock` program for one platform; the file `install` beside the volumes has the same bytes.
    Installer(Installer),
    /// The k3s program for one platform.
    K3s(K3s),
    /// A container image for one or more platforms.
    Image(Image),
    /// A plain file.
    File(File),
    /// The repository that apt installs from on one kind of node.
    Apt(apt::Apt),
}

/// The `airlock` program for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installer {
    /// Version of the program.
    pub version: String,
    /// What it runs on.
    pub platform: Platform,
    /// Its bytes.
    pub blob: Blob,
}

/// The k3s program for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct K3s {
    /// The release tag, such as `v1.36.3+k3s1`.
    pub version: String,
    /// What it runs on.
    pub platform: Platform,
    /// URL it was downloaded from.
    pub origin: String,
    /// How the origin was proven.
    pub authenticated_by: String,
    /// Its bytes.
    pub blob: Blob,
}

/// A container image for one or more platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Full reference, its name in the cluster.
    pub name: String,
    /// Where it was taken from.
    pub origin: String,
    /// How the origin was proven.
    pub authenticated_by: String,
    /// The manifest or index the name stands for.
    pub root: Descriptor,
    /// The image manifest of every platform that is in the bundle.
    pub platforms: Vec<ImagePlatform>,
    /// Signatures, SBOMs and attestations that came along: their manifests.
    pub referrers: Vec<Referrer>,
    /// Digests of every blob the image needs, root and referrers included, each once.
    pub blobs: Vec<Digest>,
}

/// A manifest as OCI names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// Media type exactly as the registry served it.
    pub media_type: String,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// The manifest of one platform of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagePlatform {
    /// What it runs on.
    pub platform: Platform,
    /// Digest of its image manifest.
    pub manifest: Digest,
}

/// Something that refers to an image: a signature, an SBOM, an attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Referrer {
    /// Its manifest.
    pub descriptor: Descriptor,
    /// `artifactType` of the referrer, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The tag under which it was found, for the older tag scheme (`sha256-<hex>.sig`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// A plain file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Absolute path on the node.
    pub path: String,
    /// Permission bits in octal, four digits: `0644`.
    #[schemars(regex(pattern = "^0[0-7]{3}$"))]
    pub mode: String,
    /// URL or path it was taken from.
    pub origin: String,
    /// How the origin was proven.
    pub authenticated_by: String,
    /// Its bytes.
    pub blob: Blob,
}
