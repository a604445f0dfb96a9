//! `bundle.yaml` as it is typed: every key optional, every value with its position.
//!
//! The JSON Schema is derived from these types and their comments, which editors show to the user. There
//! is no serde `tag`, `untagged` or `flatten` here: they would lose the positions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::yaml::{Entries, Located};

/// A text with its position.
pub(super) type Text = Located<String>;

/// What should be in a bundle: the file `bundle.yaml`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["apiVersion", "kind", "name", "version", "platforms"]))]
pub(super) struct Bundle {
    /// Format of this file.
    #[serde(default, deserialize_with = "present")]
    #[schemars(extend("const" = "airlock/v1"))]
    pub api_version: Option<Text>,
    /// What this file describes.
    #[serde(default, deserialize_with = "present")]
    #[schemars(extend("const" = "Bundle"))]
    pub kind: Option<Text>,
    /// Name of the bundle. It becomes part of file names.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub name: Option<Text>,
    /// Version of the bundle, in quotes: `"2026.11"`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub version: Option<Text>,
    /// Line of releases within which nodes only accept newer bundles. Default: `stable`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub channel: Option<Text>,
    /// Platforms of the nodes.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<PlatformName>", length(min = 1))]
    pub platforms: Option<Located<Vec<Text>>>,
    /// Distributions the nodes run, such as `debian-12`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<HostName>")]
    pub hosts: Option<Vec<Text>>,
    /// How to reach registries and web servers, by host as it stands in image references and URLs.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "BTreeMap<String, HostSettings>")]
    pub registries: Option<Entries<HostSettings>>,
    /// The k3s release to carry.
    #[serde(default, deserialize_with = "present")]
    pub k3s: Option<Located<K3s>>,
    /// Container images to carry.
    #[serde(default, deserialize_with = "present")]
    pub images: Option<Vec<Located<ImageEntry>>>,
    /// Plain files to carry.
    #[serde(default, deserialize_with = "present")]
    pub files: Option<Vec<Located<FileEntry>>>,
    /// Reserved.
    #[serde(default, deserialize_with = "present")]
    #[schemars(skip)]
    pub apt: Option<Reserved>,
    /// Reserved.
    #[serde(default, deserialize_with = "present")]
    #[schemars(skip)]
    pub nvidia: Option<Reserved>,
    /// Reserved.
    #[serde(default, deserialize_with = "present")]
    #[schemars(skip)]
    pub charts: Option<Reserved>,
}

/// Anything at all, under a key that this version knows only by name.
pub(super) type Reserved = Located<IgnoredAny>;

/// How to reach one registry or web server.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostSettings {
    /// Hosts, or base URLs, asked before the host itself, in this order.
    #[serde(default, deserialize_with = "present")]
    pub mirrors: Option<Vec<Text>>,
    /// PEM file of certificate authorities to trust besides the system's; relative to this file.
    #[serde(default, deserialize_with = "present")]
    pub ca: Option<Text>,
    /// Do not check the server's certificate. Default: false.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    pub insecure: Option<bool>,
    /// Speak HTTP without TLS. Default: false.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    pub plain_http: Option<bool>,
}

/// The k3s release to carry: exactly one of `version` and `channel`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["version"]}, {"required": ["channel"]}]))]
pub(super) struct K3s {
    /// Exact release tag, such as `v1.36.3+k3s1`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-rc[1-9]\d*)?\+k3s[1-9]\d*$"))]
    pub version: Option<Text>,
    /// Release channel, such as `stable` or `v1.36`; `bundle.lock` pins what it stands for.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = r"^[a-z0-9]+([.-][a-z0-9]+)*$"))]
    pub channel: Option<Text>,
    /// Where releases are downloaded: `{baseUrl}/{tag}/{asset}`. Default: the releases of k3s on github.com.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^https?://"))]
    pub base_url: Option<Text>,
    /// Where channels are resolved: `{channelUrl}/{name}`. Default: the channel server of k3s.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^https?://"))]
    pub channel_url: Option<Text>,
    /// Bring the images of `k3s-images.txt`. Default: true.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    pub images: Option<bool>,
}

/// One image: a reference, or a map with more to say about it.
pub(super) enum ImageEntry {
    /// `docker.io/library/busybox:1.36`
    Reference(String),
    /// `image: …` and further keys.
    Detailed(ImageDetails),
}

/// One image with more to say about it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["image"]))]
pub(super) struct ImageDetails {
    /// Its name in the bundle and in the cluster, with tag or digest.
    #[serde(default, deserialize_with = "present")]
    pub image: Option<Text>,
    /// Wanted platforms, if not all of the bundle.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<PlatformName>", length(min = 1))]
    pub platforms: Option<Located<Vec<Text>>>,
    /// Bring signatures, SBOMs and attestations. Default: false.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    pub referrers: Option<bool>,
    /// Take it from a local place instead of its registry: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` or
    /// `docker-archive:FILE[:NAME]`, relative to this file.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^(oci|oci-archive|docker-archive):."))]
    pub from: Option<Text>,
}

impl<'de> Deserialize<'de> for ImageEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = ImageEntry;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an image reference, or a map with `image: REFERENCE`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ImageEntry, E> {
                Ok(ImageEntry::Reference(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImageEntry, A::Error> {
                ImageDetails::deserialize(MapAccessDeserializer::new(map)).map(ImageEntry::Detailed)
            }
        }

        deserializer.deserialize_any(EntryVisitor)
    }
}

impl JsonSchema for ImageEntry {
    fn schema_name() -> Cow<'static, str> {
        "ImageEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An image reference with tag or digest, or a map with more to say about it.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<ImageDetails>()],
        })
    }
}

/// One plain file, or several named by a glob: exactly one of `url` and `path`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["to"], "oneOf" = [{"required": ["url"]}, {"required": ["path"]}]))]
pub(super) struct FileEntry {
    /// Where to download it.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^https?://"))]
    pub url: Option<Text>,
    /// A file, or a glob such as `./certs/*.crt`, relative to this file.
    #[serde(default, deserialize_with = "present")]
    pub path: Option<Text>,
    /// Absolute path on the node. For a glob a directory, with a `/` at its end.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^/"))]
    pub to: Option<Text>,
    /// Permission bits in octal, in quotes. Default: `"0644"`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^0?[0-7]{3}$"))]
    pub mode: Option<Text>,
    /// SHA-256 the bytes must have: 64 digits.
    #[serde(default, deserialize_with = "present")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<Text>,
    /// This file is a private key or another secret, and is wanted in the bundle. Default: false.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool")]
    pub allow_secret: Option<bool>,
}

/// Pattern of names, versions and channels; `check::name` says what is wrong in words.
const NAME: &str = r"^[a-z0-9](\.?([_-]\.?)*[a-z0-9])*$";

/// A platform, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, extend("enum" = crate::oci::platform::Platform::ALL))]
struct PlatformName(#[expect(dead_code, reason = "the schema wants a type")] String);

/// A distribution, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, extend("enum" = super::check::KNOWN_HOSTS))]
struct HostName(#[expect(dead_code, reason = "the schema wants a type")] String);

/// Reads a key that is there, so that `key: null` is an error and not the same as no key.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
