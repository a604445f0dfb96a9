//! The section `nvidia` of `bundle.yaml`, checked: what nodes with NVIDIA GPUs need besides.

pub(crate) mod help;

use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;

/// What nodes with NVIDIA GPUs need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nvidia {
    /// Names of the targets of `apt` whose nodes have GPUs; never empty if packages are wanted.
    pub targets: Vec<String>,
    /// The driver; `None` if nodes have one already (`install: false`).
    pub driver: Option<Driver>,
    /// Whether hosts with NVSwitch are among the nodes: brings Fabric Manager and NSCQ in the driver's version.
    pub fabric_manager: bool,
    /// The container toolkit; `None` if it is not wanted.
    pub container_toolkit: Option<ContainerToolkit>,
    /// The image of the device plugin; `None` if it is not wanted.
    pub device_plugin: Option<Reference>,
    /// 1-based line of the section in the spec.
    pub line: usize,
}

impl Nvidia {
    /// Whether packages are wanted, and not just an image.
    pub fn wants_packages(&self) -> bool {
        self.driver.is_some() || self.fabric_manager || self.container_toolkit.is_some()
    }
}

/// Which driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Where it comes from.
    pub source: DriverSource,
    /// The branch, such as `580`; with neither branch nor version Debian's only one.
    pub branch: Option<String>,
    /// The exact version, such as `580.126.20`, without a Debian revision.
    pub version: Option<String>,
    /// Which kernel modules.
    pub flavour: Flavour,
    /// Kernels of the nodes (`uname -r`), for prebuilt modules or headers. The newest of the release if empty.
    pub kernels: Vec<String>,
    /// 1-based line in the spec.
    pub line: usize,
}

/// Where a driver comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum DriverSource {
    /// The distribution: on Ubuntu prebuilt signed modules where the archive has them for the kernel and DKMS
    /// where it has not, on Debian the packages of non-free.
    Distribution,
    /// NVIDIA's CUDA repository, which is among the repositories of the target; DKMS.
    Cuda,
    /// The installer `NVIDIA-Linux-….run`; DKMS. Where the targets are of two platforms, `url` holds [`MACHINE`]:
    /// [`run_file_url`] gives the one of a platform.
    RunFile { url: String, digest: Option<Digest> },
}

/// Stands in the URL of an installer for the machine as `uname -m` prints it.
pub const MACHINE: &str = "$(MACHINE)";

/// The URL of the installer for nodes on `platform`.
pub fn run_file_url(url: &str, platform: Platform) -> String {
    url.replace(MACHINE, machine(platform))
}

/// A platform as `uname -m` prints it.
pub(crate) fn machine(platform: Platform) -> &'static str {
    match platform {
        Platform::LinuxAmd64 => "x86_64",
        Platform::LinuxArm64 => "aarch64",
    }
}

/// Which of NVIDIA's two kernel modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The open ones, for Turing and later; the only ones for Blackwell.
    Open,
    /// The closed ones.
    Proprietary,
}

/// The four packages of the container toolkit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerToolkit {
    /// Their common version, such as `1.18.0`; the newest unless given.
    pub version: Option<String>,
    /// 1-based line in the spec.
    pub line: usize,
}
