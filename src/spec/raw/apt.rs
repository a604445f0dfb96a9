//! The section `apt` as it is typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::either::{HasShortForm, OneOrMore, TextOr};
use super::{HostName, NAME, PlatformName, Text};
use crate::spec::yaml::{Entries, Given, Located};

/// Packages to carry, with all they need. What stands here is for all targets.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["targets"]))]
pub(in crate::spec) struct Apt {
    /// Bring recommended packages too. Default: false.
    pub recommends: Given<bool>,
    /// Packages: `name`, `name=version`, `name/suite`, `name:architecture`, `"task^"`, or `"@group"`.
    pub packages: Given<Vec<Text>>,
    /// Lists of packages, used as `"@NAME"` in `packages`.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub groups: Given<Entries<Located<Vec<Text>>>>,
    /// Names of installed packages that must stay as they are.
    pub hold: Given<Vec<Text>>,
    /// Which versions to prefer, as in apt's preferences.
    pub pins: Given<Vec<Located<Pin>>>,
    /// Repositories besides the distribution's archive.
    pub repositories: Given<Vec<Located<Repository>>>,
    /// The kinds of node.
    #[schemars(length(min = 1))]
    pub targets: Given<Located<Vec<Located<Target>>>>,
}

/// One kind of node: a distribution on a platform, and what is installed there already.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["host"]))]
pub(in crate::spec) struct Target {
    /// The distribution, one of `hosts`.
    #[schemars(with = "HostName")]
    pub host: Given<Text>,
    /// Name of the target. Default: the host, with the architecture where two would be called the same.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub name: Given<Text>,
    /// Platform of these nodes. Default: that of the bundle, if it has only one.
    #[schemars(with = "PlatformName")]
    pub platform: Given<Text>,
    /// What is installed there already: `essential`, `server`, `cloud`, or a map with `status`. Default: `essential`.
    pub baseline: Given<Located<TextOr<Baseline>>>,
    /// The distribution's own archive. Default: the one this machine's apt uses, component `main`.
    pub archive: Given<Located<Archive>>,
    /// Whether recommended packages come along for these nodes. Default: as for all.
    pub recommends: Given<bool>,
    /// Further packages for these nodes.
    pub packages: Given<Vec<Text>>,
    /// Further names of installed packages that must stay as they are.
    pub hold: Given<Vec<Text>>,
    /// Further preferences; they come before those for all.
    pub pins: Given<Vec<Located<Pin>>>,
    /// Further repositories.
    pub repositories: Given<Vec<Located<Repository>>>,
}

/// What is installed on a real node.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["status"]))]
pub(in crate::spec) struct Baseline {
    /// A copy of `/var/lib/dpkg/status` of such a node, relative to this file.
    pub status: Given<Text>,
}

impl HasShortForm for Baseline {
    const EXPECTED: &'static str = "`essential`, `server`, `cloud`, or a map with `status`; for example `baseline: {status: nodes/gpu1.status}`";
}

/// The distribution's own archive.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"securityUri": ["uri"]}))]
pub(in crate::spec) struct Archive {
    /// Where it is. Default: as in this machine's apt configuration.
    #[schemars(regex(pattern = "^https?://"))]
    pub uri: Given<Text>,
    /// Where its security updates are. Default: the same as `uri`.
    #[schemars(regex(pattern = "^https?://"))]
    pub security_uri: Given<Text>,
    /// Its suites. Default: those the release usually has.
    #[schemars(length(min = 1))]
    pub suites: Given<Located<Vec<Text>>>,
    /// Its components. Default: `main`.
    #[schemars(length(min = 1))]
    pub components: Given<Located<Vec<Text>>>,
    /// Its keys. Default: those this machine's apt trusts for it.
    pub signed_by: Given<Located<TextOr<SignedBy>>>,
    /// Use it although its `Release` has expired, as that of a snapshot has. Default: false.
    pub allow_expired: Given<bool>,
}

/// A repository besides the distribution's archive.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["uri", "suites", "signedBy"]))]
pub(in crate::spec) struct Repository {
    /// Where it is; `$(ARCH)` stands for the architecture.
    #[schemars(regex(pattern = "^https?://"))]
    pub uri: Given<Text>,
    /// Its suites; one that ends in `/` is a flat repository.
    #[schemars(length(min = 1))]
    pub suites: Given<Located<Vec<Text>>>,
    /// Its components; none for a flat repository.
    pub components: Given<Located<Vec<Text>>>,
    /// Its keys: a keyring file, an armored key, or a map.
    pub signed_by: Given<Located<TextOr<SignedBy>>>,
    /// Patterns of the names of the only packages that are taken from here. Default: all.
    #[schemars(length(min = 1))]
    pub only: Given<Located<Vec<Text>>>,
    /// Use it although its `Release` has expired. Default: false.
    pub allow_expired: Given<bool>,
}

/// The keys of a repository: exactly one of `url` and `path`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["url", "fingerprint"]}, {"required": ["path"]}]))]
pub(in crate::spec) struct SignedBy {
    /// Where to download the keyring.
    #[schemars(regex(pattern = "^https?://"))]
    pub url: Given<Text>,
    /// A keyring file, relative to this file.
    pub path: Given<Text>,
    /// The only keys of it that count: one fingerprint, or a list. Required with `url`.
    pub fingerprint: Given<Located<OneOrMore>>,
}

impl HasShortForm for SignedBy {
    const EXPECTED: &'static str =
        "a path, an armored key, or a map; for example `signedBy: {url: https://…, fingerprint: …}`";
}

/// Which versions of some packages to prefer: exactly one of `version`, `release` and `site`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "required" = ["packages", "priority"],
    "oneOf" = [{"required": ["version"]}, {"required": ["release"]}, {"required": ["site"]}],
))]
pub(in crate::spec) struct Pin {
    /// Names of packages, with `*` and `?` as wildcards; `["*"]` for all.
    #[schemars(length(min = 1))]
    pub packages: Given<Located<Vec<Text>>>,
    /// A version, or a pattern such as `"580.*"`.
    pub version: Given<Text>,
    /// Whatever comes from these archives.
    pub release: Given<Located<Release>>,
    /// Whatever comes from this host.
    pub site: Given<Text>,
    /// Priority, as in apt's preferences: below 0 never, 500 as usual, from 1000 on even if it is older.
    #[schemars(with = "i16")]
    pub priority: Given<Text>,
}

/// Fields of a `Release` file; all that are given must match.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::spec) struct Release {
    /// `Suite`, such as `stable-backports`.
    pub suite: Given<Text>,
    /// `Codename`, such as `bookworm`.
    pub codename: Given<Text>,
    /// `Origin`, such as `Debian`.
    pub origin: Given<Text>,
    /// `Label`, such as `Debian-Security`.
    pub label: Given<Text>,
    /// Component, such as `main`.
    pub component: Given<Text>,
}
