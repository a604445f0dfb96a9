//! What users write: here `bundle.yaml`, what should be in a bundle; below it [`cluster`] and [`ansible`], on which hosts.
//!
//! Two layers: `raw` is the file as typed, with positions; the types here are what the rest of the program
//! sees, after `check` has found nothing wrong. `yaml` reads the one, `source` shows where a problem is.
//! Every key is explained in `docs/bundle-yaml.md`.

pub mod ansible;
pub mod apt;
mod check;
pub mod cluster;
mod hidden;
pub mod nvidia;
pub mod preflight;
mod range;
mod raw;
mod source;
pub(crate) mod suggest;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;

/// Largest file that is parsed, in bytes. A spec of a thousand images has about 100 KiB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Reads and checks the text of a `bundle.yaml`. Touches no file: whether named files exist, and what globs
/// match, is found out by whoever reads them.
///
/// `file_name` is the file as the user named it, for messages. `directory` is where it lies; `ca` paths are
/// taken relative to it.
///
/// # Errors
/// `E0101`-`E0108`, `E0110`-`E0112`, `E0810` and `E0852`: the first problem in the order of the file, with line, column,
/// snippet and the edit that helps. Problems of syntax and type come before those of meaning.
pub fn parse(text: &[u8], file_name: &str, directory: &Path) -> Result<Spec> {
    let text = yaml::decode(text, file_name)?;
    let source = source::Source::new(file_name, text);
    let raw = yaml::parse(&source)?;
    check::spec(&source, directory, &raw)
}

/// Whether `text` is a release tag of k3s: `vMAJOR.MINOR.PATCH[-rcN]+k3sN`.
pub fn is_k3s_version(text: &str) -> bool {
    check::is_k3s_version(text)
}

/// The JSON Schema of `bundle.yaml` (draft 2020-12), for editors. It is a little more lenient than
/// [`parse`], which sees more than a schema can say.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(raw::Bundle).to_value()
}

/// A checked specification of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name of the bundle: `[a-z0-9]` with `.`, `_`, `-` between, at most 63 characters; part of file names.
    pub name: String,
    /// Version of the bundle, chosen by the user; the same characters as `name`.
    pub version: String,
    /// Line of releases within which serials rise; `stable` unless given.
    pub channel: String,
    /// Platforms of the nodes; never empty, sorted, without repetition.
    pub platforms: Vec<Platform>,
    /// Target distributions such as `debian-12` or `ubuntu-24.04`.
    pub hosts: Vec<String>,
    /// How to reach registries, by host as it stands in references.
    pub registries: BTreeMap<String, HostSettings>,
    /// The k3s release to carry.
    pub k3s: Option<K3s>,
    /// Container images, in the order of the file.
    pub images: Vec<Image>,
    /// Plain files, in the order of the file.
    pub files: Vec<FileEntry>,
    /// Packages for each kind of node, in the order of the file.
    pub apt: Vec<apt::Target>,
    /// What nodes with NVIDIA GPUs need besides.
    pub nvidia: Option<nvidia::Nvidia>,
}

/// How to reach one registry or web server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Hosts (or `http://`/`https://` base URLs) asked before the host itself, in this order.
    pub mirrors: Vec<String>,
    /// Never ask the host itself where there are mirrors. Not part of a spec.
    pub mirrors_only: bool,
    /// PEM file of certificate authorities to trust for this host, besides the system's. Absolute, or
    /// relative to the spec's directory (resolved already).
    pub ca: Option<PathBuf>,
    /// Do not check the server's certificate.
    pub insecure: bool,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
}

/// The k3s release to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct K3s {
    /// A fixed version or a channel.
    pub release: K3sRelease,
    /// Where releases are downloaded: `{base_url}/{tag}/{asset}`.
    pub base_url: String,
    /// Where channels are resolved: `{channel_url}/{name}`.
    pub channel_url: String,
    /// Whether the images of `k3s-images.txt` come along.
    pub images: bool,
}

/// Which release of k3s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum K3sRelease {
    /// An exact tag such as `v1.36.3+k3s1`.
    Version(String),
    /// A channel such as `stable` or `v1.36`, resolved into the lock.
    Channel(String),
}

/// One image to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name in the bundle and in the cluster.
    pub reference: Reference,
    /// Where its bytes come from.
    pub source: ImageSource,
    /// Wanted platforms; the bundle's unless the entry says otherwise.
    pub platforms: Vec<Platform>,
    /// Bring signatures, SBOMs and attestations.
    pub referrers: bool,
    /// 1-based line of the entry in the spec, for messages about it; 0 for an image that k3s asks for.
    pub line: usize,
}

/// Where an image comes from. Paths are as typed: absolute, or relative to the spec's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum ImageSource {
    /// The registry its reference names.
    Registry,
    /// An OCI image layout directory and, optionally, the name of one image in it.
    OciDirectory { path: PathBuf, name: Option<String> },
    /// A tar of an OCI image layout (optionally compressed), and the name of one image in it.
    OciArchive { path: PathBuf, name: Option<String> },
    /// The output of `docker save` (optionally compressed), and the name of one image in it.
    DockerArchive { path: PathBuf, name: Option<String> },
}

/// One plain file to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where its bytes come from.
    pub source: FileSource,
    /// Absolute path on the node. Ends in `/` when `source` is a glob pattern: the file names are appended.
    pub path: String,
    /// Permission bits on the node, at most 0o777.
    pub mode: u32,
    /// Digest the bytes must have, if the user knows it.
    pub digest: Option<Digest>,
    /// The user knows that this file is a private key or another secret, and wants it in the bundle.
    pub allow_secret: bool,
    /// 1-based line of the entry in the spec, for messages about it.
    pub line: usize,
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// An `http://` or `https://` URL.
    Url(String),
    /// A path relative to the spec's directory, or absolute; may hold glob characters `*`, `?`, `[`.
    Path(String),
    /// Made by airlock for what the spec asks for elsewhere.
    Generated {
        /// What it is made from, as written in the lock.
        origin: &'static str,
        /// Its content.
        text: String,
    },
}
