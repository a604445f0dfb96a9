//! The artifact `apt`: a repository for one kind of node (`bundle-spec/v1.md`, "apt").
//!
//! It is a tree of names onto blobs. Where its files lie together under one URI, the apt of the node takes it as
//! it is: `deb [signed-by=KEYRING check-date=no] URI ./`.

#[cfg(test)]
pub(crate) mod example;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Blob;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// Path within the repository of the armored public key that signed it. It is vouched for by the manifest, and
/// it vouches for the rest.
pub const KEYRING: &str = "airlock.asc";

/// Paths of the metadata, in the order in which it may be published: a tree without `InRelease` is none to apt.
pub const METADATA: [&str; 4] = [KEYRING, "Packages", "Packages.xz", "InRelease"];

/// A repository for one kind of node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apt {
    /// Name of the target, unique in the bundle.
    pub name: String,
    /// The distribution it is for.
    pub host: String,
    /// What it runs on.
    pub platform: Platform,
    /// What was assumed to be installed: `essential`, `server`, `cloud` or `status FILE`.
    pub baseline: String,
    /// Whether recommended packages came along.
    pub recommends: bool,
    /// What nodes install by name, in this order.
    pub install: Vec<Install>,
    /// What nodes with NVIDIA GPUs get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvidia: Option<Nvidia>,
    /// Every package, sorted by name, version, architecture, each compared byte by byte.
    pub packages: Vec<Package>,
    /// Its metadata, at the paths and in the order of [`METADATA`].
    pub files: Vec<File>,
    /// Digests of all its blobs, each once.
    pub blobs: Vec<Digest>,
}

/// A package that nodes install by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Install {
    /// Which part of a node it belongs to.
    pub purpose: Purpose,
    /// Its name, with `:architecture` if that is not the node's.
    pub package: String,
    /// Its version.
    pub version: String,
}

/// Which part of a node a package belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Asked for by the user: every node of the target installs it.
    Node,
    /// The NVIDIA driver: nodes with a GPU that have no working driver.
    Driver,
    /// NVIDIA Fabric Manager and what belongs to it: nodes with NVSwitch.
    FabricManager,
    /// The NVIDIA container toolkit: nodes with a GPU.
    ContainerToolkit,
}

/// What nodes with NVIDIA GPUs get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nvidia {
    /// The driver; absent if nodes have one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Driver>,
    /// Version of Fabric Manager, for hosts with NVSwitch; the driver's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric_manager: Option<String>,
    /// Version of the container toolkit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_toolkit: Option<String>,
}

/// An NVIDIA driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Driver {
    /// Its version, as `nvidia-smi` prints it.
    pub version: String,
    /// Whether its kernel modules are the open ones.
    pub open: bool,
    /// How each kernel of the nodes gets its modules. Empty: DKMS builds them for the kernel that runs.
    pub kernels: Vec<Kernel>,
    /// Path on the node of the installer `NVIDIA-Linux-….run`, if the driver comes that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_file: Option<String>,
}

/// How a kernel gets the modules of the driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// Prebuilt and signed by the distribution; else DKMS builds them on the node, with the headers carried.
    pub prebuilt: bool,
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
    /// Path of the `.deb` within the repository.
    pub path: String,
    /// Why it is here.
    pub wanted_by: String,
    /// URL it was downloaded from.
    pub origin: String,
    /// Its bytes.
    pub blob: Blob,
}

/// A file of metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Path within the repository.
    pub path: String,
    /// Its bytes.
    pub blob: Blob,
}

impl Apt {
    /// Digest of `InRelease`, which vouches for everything else and so identifies the repository. The manifest
    /// has been validated, so it is there.
    pub fn in_release(&self) -> Digest {
        self.files.last().map_or(Digest::of(b""), |file| file.blob.digest)
    }
}

impl Package {
    /// What tells it from every other package: name, version, architecture. In this order lists of packages
    /// are sorted, byte by byte and not by the age of versions, so that any program can check it.
    pub fn identity(&self) -> (&str, &str, &str) {
        (&self.name, &self.version, &self.architecture)
    }
}
