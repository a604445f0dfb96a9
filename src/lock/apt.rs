//! The packages of the lock: one repository for each kind of node, pinned to the last byte.
//!
//! The lock holds whatever the repository is made of, also the signature. The key that made it existed only for
//! that moment and is kept nowhere, so nobody, ourselves included, can sign anything else that nodes would take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text;
use crate::bundle::manifest::apt::{Install, Nvidia};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// The packages for one kind of node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apt {
    /// Name of the target.
    pub name: String,
    /// The distribution, such as `debian-12`.
    pub host: String,
    /// What the nodes run on.
    pub platform: Platform,
    /// SHA-256 over everything in bundle.yaml, and in files it names, that decides what is taken.
    pub request: Digest,
    /// What was assumed to be installed.
    pub baseline: Baseline,
    /// Whether recommended packages came along.
    pub recommends: bool,
    /// The repositories as they were found.
    pub repositories: Vec<Repository>,
    /// What is installed by name, in the order in which it was asked for.
    pub install: Vec<Install>,
    /// What nodes with NVIDIA GPUs get, if any of this target have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvidia: Option<Nvidia>,
    /// Everything carried, sorted by name, version, architecture.
    pub packages: Vec<Package>,
    /// The armored public key that nodes trust for this repository, and for nothing else.
    #[serde(serialize_with = "text::as_block")]
    pub keyring: String,
    /// `InRelease` of the repository, which vouches for the list of packages.
    #[serde(serialize_with = "text::as_block")]
    pub in_release: String,
    /// What the real apt said about it, once `--prove` has asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What was assumed to be on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// `essential`, `server`, `cloud`, or `status FILE` with the file as the spec names it.
    pub name: String,
    /// How many packages it has.
    pub packages: usize,
}

/// A repository as it was found when the lock was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// Where it is.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// Components that were read; none in a flat repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// What it says about itself; pins go by it.
    #[serde(default, skip_serializing_if = "Release::is_empty")]
    pub release: Release,
    /// The primary key that signed it, and with which digest algorithm.
    pub authenticated_by: String,
    /// Its `Date`, RFC 3339; later locks refuse an older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The indices that were read.
    pub indices: Vec<Index>,
}

/// What the `Release` file of a repository says about itself. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Release {
    /// Field `Origin`, such as `Debian`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Field `Label`, such as `Debian-Security`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Field `Suite`, such as `oldstable`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// Field `Codename`, such as `bookworm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub codename: String,
    /// Field `Version`, such as `12.5`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Field `NotAutomatic`: only what is asked for by name is taken from it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_automatic: bool,
    /// Field `ButAutomaticUpgrades`: what came from it is kept up to date from it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub but_automatic_upgrades: bool,
}

impl Release {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Release::default()
    }
}

/// An index of a repository, as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    /// The component it is about; absent in a flat repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Its path below the directory of the `Release` file.
    pub path: String,
    /// SHA-256 of the compressed file.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Why it is here: `requested`, `needed by NAME`, `recommended by NAME`, `same source as NAME`,
    /// `makes room for NAME`, `replaces what would break`, or `for nodes that differ`.
    pub wanted_by: String,
    /// Where the `.deb` comes from.
    pub url: String,
    /// SHA-256 of the `.deb`.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its stanza of the index, byte for byte.
    #[serde(serialize_with = "text::as_block")]
    pub stanza: String,
}

/// What the real apt of the target did with the repository, in a root of that release without a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// SHA-256 of the `InRelease` that was tried; evidence about another one is none.
    pub in_release: Digest,
    /// The apt that tried it: the first line of `apt-get --version`.
    pub apt: String,
    /// Whether packages were really unpacked and configured, or apt only simulated it against the status of a node.
    pub installed: bool,
    /// What it printed, without progress.
    pub output: Vec<String>,
}
