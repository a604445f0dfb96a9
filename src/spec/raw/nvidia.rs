//! The section `nvidia` as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use super::either::Switch;
use crate::spec::yaml::{Given, Located};

/// What nodes with NVIDIA GPUs need besides.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::spec) struct Nvidia {
    /// Names of the targets of `apt` whose nodes have GPUs. Default: all.
    #[schemars(length(min = 1))]
    pub targets: Given<Located<Vec<Text>>>,
    /// Install a driver. Default: true; false if the nodes have one already.
    pub install: Given<bool>,
    /// Which driver. Default: that of the distribution.
    pub driver: Given<Located<Driver>>,
    /// Bring Fabric Manager for hosts with NVSwitch, in the driver's version. Default: false.
    pub fabric_manager: Given<Located<bool>>,
    /// Bring the container toolkit, or this version of it. Default: true.
    pub container_toolkit: Given<Located<Switch>>,
    /// Image of the device plugin, or false. Default: false.
    pub device_plugin: Given<Located<Switch>>,
}

/// Which driver.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::spec) struct Driver {
    /// Where it comes from. Default: `distribution`.
    #[schemars(extend("enum" = ["distribution", "cuda", "run-file"]))]
    pub from: Given<Text>,
    /// Its branch, such as `580`.
    #[schemars(with = "Branch")]
    pub branch: Given<Text>,
    /// Its exact version, such as `580.126.20`.
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)+$"))]
    pub version: Given<Text>,
    /// Which kernel modules. Default: `open`.
    #[schemars(extend("enum" = ["open", "proprietary"]))]
    pub flavour: Given<Text>,
    /// Kernels of the nodes, as `uname -r` prints them. Default: the newest of the release.
    pub kernels: Given<Vec<Text>>,
    /// Where to download the installer, for `run-file`; `$(MACHINE)` stands for `x86_64` or `aarch64`.
    #[schemars(regex(pattern = "^https?://"))]
    pub url: Given<Text>,
    /// SHA-256 of the installer, for `run-file`.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Given<Text>,
}

/// A number, in quotes or not.
#[derive(JsonSchema)]
#[schemars(inline, extend("type" = ["integer", "string"], "pattern" = "^[0-9]{3,4}$"))]
struct Branch(#[expect(dead_code, reason = "the schema wants a type")] String);
