//! `bundle.lock`: everything a bundle is made of, pinned, for people to review in git.
//!
//! The manifest of a bundle is a function of the lock and of nothing else, so two builds from one lock
//! give the same bytes, and the serial, which lives here, can rise exactly when something changed.

pub mod apt;
pub mod change;
pub mod file;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// Version of the lock format that this program writes and reads.
pub const VERSION: u32 = 1;

/// The pinned content of a bundle. Lists are sorted by name, so that a change is a small diff.
/// `bundle-spec/lock.md` describes the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// Version of this format.
    #[schemars(extend("const" = VERSION))]
    pub lock_version: u32,
    /// Rises by one with every changed lock.
    pub serial: u64,
    /// When it changed last, RFC 3339 in UTC; becomes `created` of the manifest.
    #[schemars(extend("format" = "date-time"))]
    pub created: String,
    /// Name of the bundle.
    pub name: String,
    /// Version of the bundle.
    pub version: String,
    /// Channel of the bundle.
    pub channel: String,
    /// Platforms of the nodes.
    pub platforms: Vec<Platform>,
    /// Target distributions.
    pub hosts: Vec<String>,
    /// The airlock programs that travel along.
    pub installers: Vec<Installer>,
    /// The k3s release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k3s: Option<K3s>,
    /// Container images.
    pub images: Vec<Image>,
    /// Plain files.
    pub files: Vec<File>,
    /// Packages, for each kind of node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apt: Vec<apt::Apt>,
}

/// One airlock program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installer {
    /// What it runs on.
    pub platform: Platform,
    /// Version of the program.
    pub version: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// A resolved k3s release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct K3s {
    /// What the spec asked for: `version v1.36.3+k3s1` or `channel stable`.
    pub request: String,
    /// The release tag.
    pub version: String,
    /// One program per platform.
    pub binaries: Vec<Download>,
    /// `k3s-images.txt`, when the images come along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_list: Option<Download>,
}

/// A download pinned by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Download {
    /// What it runs on, if it is a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Where it comes from.
    pub url: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// How we know that these are the right bytes.
    pub authenticated_by: String,
}

/// A resolved image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Full reference.
    pub name: String,
    /// `registry`, or the local layout or archive as it stands in the spec.
    pub origin: String,
    /// Who asked for it: `bundle.yaml`, `k3s-images.txt`, or `nvidia`.
    pub wanted_by: String,
    /// Media type of the manifest or index the name stands for.
    pub media_type: String,
    /// Its digest. Pins everything below it.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How we know that this is the right digest.
    pub authenticated_by: String,
    /// The wanted platforms, each with its image manifest.
    pub platforms: Vec<ImagePlatform>,
    /// Bytes of all blobs of the image together.
    pub total_size: u64,
    /// Present when signatures, SBOMs and attestations were asked for; what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrers: Option<Vec<Referrer>>,
}

/// The manifest of one platform of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagePlatform {
    /// What it runs on.
    pub platform: Platform,
    /// Digest of the image manifest.
    pub manifest: Digest,
}

/// A signature, SBOM or attestation of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Referrer {
    /// Media type of its manifest.
    pub media_type: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Size of its manifest in bytes.
    pub size: u64,
    /// Its `artifactType`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The tag it was found under (`sha256-<hex>.sig`), if not by the referrers API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// A resolved plain file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Absolute path on the node.
    pub path: String,
    /// Permission bits in octal, four digits.
    #[schemars(regex(pattern = "^0[0-7]{3}$"))]
    pub mode: String,
    /// URL, or path as it stands in the spec.
    pub origin: String,
    /// The spec allows this file to be a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_secret: bool,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// How we know that these are the right bytes.
    pub authenticated_by: String,
}
