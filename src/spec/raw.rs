//! `bundle.yaml` as it is typed: every key optional, every value with its position.
//!
//! The JSON Schema is derived from these types and their comments, which editors show to the user. There
//! is no serde `tag`, `untagged` or `flatten` here: they would lose the positions.

pub(super) mod apt;
pub(super) mod either;
pub(super) mod nvidia;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::either::{HasShortForm, TextOr};
use super::yaml::{Entries, Given, Located};

/// A text with its position.
pub(super) type Text = Located<String>;

/// What should be in a bundle: the file `bundle.yaml`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["apiVersion", "kind", "name", "version", "platforms"]))]
pub(super) struct Bundle {
    /// Format of this file.
    #[schemars(extend("const" = "airlock/v1"))]
    pub api_version: Given<Text>,
    /// What this file describes.
    #[schemars(extend("const" = "Bundle"))]
    pub kind: Given<Text>,
    /// Name of the bundle. It becomes part of file names.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub name: Given<Text>,
    /// Version of the bundle, in quotes: `"2026.11"`.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub version: Given<Text>,
    /// Line of releases within which nodes only accept newer bundles. Default: `stable`.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub channel: Given<Text>,
    /// Platforms of the nodes.
    #[schemars(with = "Vec<PlatformName>", length(min = 1))]
    pub platforms: Given<Located<Vec<Text>>>,
    /// Distributions the nodes run, such as `debian-12`.
    #[schemars(with = "Vec<HostName>")]
    pub hosts: Given<Vec<Text>>,
    /// How to reach registries and web servers, by host as it stands in image references and URLs.
    #[schemars(with = "BTreeMap<String, HostSettings>")]
    pub registries: Given<Entries<HostSettings>>,
    /// The k3s release to carry.
    pub k3s: Given<Located<K3s>>,
    /// Container images to carry.
    pub images: Given<Vec<Located<ImageEntry>>>,
    /// Plain files to carry.
    pub files: Given<Vec<Located<FileEntry>>>,
    /// Packages to carry.
    pub apt: Given<Located<apt::Apt>>,
    /// What nodes with NVIDIA GPUs need besides.
    pub nvidia: Given<Located<nvidia::Nvidia>>,
    /// Reserved.
    #[schemars(skip)]
    pub charts: Given<Reserved>,
}

/// Anything at all, under a key that this version knows only by name.
pub(super) type Reserved = Located<IgnoredAny>;

/// How to reach one registry or web server.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostSettings {
    /// Hosts, or base URLs, asked before the host itself, in this order.
    pub mirrors: Given<Vec<Text>>,
    /// PEM file of certificate authorities to trust besides the system's; relative to this file.
    pub ca: Given<Text>,
    /// Do not check the server's certificate. Default: false.
    pub insecure: Given<bool>,
    /// Speak HTTP without TLS. Default: false.
    pub plain_http: Given<bool>,
}

/// The k3s release to carry: exactly one of `version` and `channel`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["version"]}, {"required": ["channel"]}]))]
pub(super) struct K3s {
    /// Exact release tag, such as `v1.36.3+k3s1`.
    #[schemars(regex(pattern = r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-rc[1-9]\d*)?\+k3s[1-9]\d*$"))]
    pub version: Given<Text>,
    /// Release channel, such as `stable` or `v1.36`; `bundle.lock` pins what it stands for.
    #[schemars(regex(pattern = r"^[a-z0-9]+([.-][a-z0-9]+)*$"))]
    pub channel: Given<Text>,
    /// Where releases are downloaded: `{baseUrl}/{tag}/{asset}`. Default: the releases of k3s on github.com.
    #[schemars(regex(pattern = "^https?://"))]
    pub base_url: Given<Text>,
    /// Where channels are resolved: `{channelUrl}/{name}`. Default: the channel server of k3s.
    #[schemars(regex(pattern = "^https?://"))]
    pub channel_url: Given<Text>,
    /// Bring the images of `k3s-images.txt`. Default: true.
    pub images: Given<bool>,
}

/// One image: a reference such as `docker.io/library/busybox:1.36`, or a map with more to say about it.
pub(super) type ImageEntry = TextOr<ImageDetails>;

/// One image with more to say about it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["image"]))]
pub(super) struct ImageDetails {
    /// Its name in the bundle and in the cluster, with tag or digest.
    pub image: Given<Text>,
    /// Wanted platforms, if not all of the bundle.
    #[schemars(with = "Vec<PlatformName>", length(min = 1))]
    pub platforms: Given<Located<Vec<Text>>>,
    /// Bring signatures, SBOMs and attestations. Default: false.
    pub referrers: Given<bool>,
    /// Take it from a local place instead of its registry: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` or
    /// `docker-archive:FILE[:NAME]`, relative to this file.
    #[schemars(regex(pattern = "^(oci|oci-archive|docker-archive):."))]
    pub from: Given<Text>,
}

impl HasShortForm for ImageDetails {
    const EXPECTED: &'static str = "an image reference, or a map with `image: REFERENCE`; \
                                    for example `- docker.io/library/busybox:1.36`";
}

/// One plain file, or several named by a glob: exactly one of `url` and `path`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["to"], "oneOf" = [{"required": ["url"]}, {"required": ["path"]}]))]
pub(super) struct FileEntry {
    /// Where to download it.
    #[schemars(regex(pattern = "^https?://"))]
    pub url: Given<Text>,
    /// A file, or a glob such as `./certs/*.crt`, relative to this file.
    pub path: Given<Text>,
    /// Absolute path on the node. For a glob a directory, with a `/` at its end.
    #[schemars(regex(pattern = "^/"))]
    pub to: Given<Text>,
    /// Permission bits in octal, in quotes. Default: `"0644"`.
    #[schemars(regex(pattern = "^0?[0-7]{3}$"))]
    pub mode: Given<Text>,
    /// SHA-256 the bytes must have: 64 digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Given<Text>,
    /// This file is a private key or another secret, and is wanted in the bundle. Default: false.
    pub allow_secret: Given<bool>,
}

/// Pattern of names, versions and channels; `check::name` says what is wrong in words.
const NAME: &str = r"^[a-z0-9](\.?([_-]\.?)*[a-z0-9])*$";

/// Operating system and architecture.
#[derive(JsonSchema)]
#[schemars(inline, extend("enum" = crate::oci::platform::Platform::ALL))]
struct PlatformName(#[expect(dead_code, reason = "the schema wants a type")] String);

/// A distribution and its release.
#[derive(JsonSchema)]
#[schemars(inline, extend("enum" = super::check::KNOWN_HOSTS))]
struct HostName(#[expect(dead_code, reason = "the schema wants a type")] String);
