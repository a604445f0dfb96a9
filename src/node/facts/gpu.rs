//! NVIDIA devices by PCI, and the driver: `/sys/bus/pci/devices`, `/proc/driver/nvidia`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// PCI vendor of NVIDIA.
pub const VENDOR_NVIDIA: &str = "10de";
/// First PCI device of the Turing generation; the open kernel modules drive it and everything after it.
const FIRST_TURING: u16 = 0x1e00;

/// NVIDIA devices and drivers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    /// GPUs: VGA and 3D controllers.
    pub devices: Vec<NvidiaDevice>,
    /// NVSwitches: bridges of NVIDIA.
    pub switches: Vec<NvidiaDevice>,
    /// Version of the driver that is loaded.
    pub driver: Option<String>,
    /// Whether the driver that is loaded is the open one.
    pub open_modules: Option<bool>,
    /// Whether the installer `NVIDIA-Linux-….run` has put a driver here.
    pub run_file: bool,
    /// Modules that DKMS built or should build: names below `/var/lib/dkms`.
    pub dkms: Vec<String>,
    /// Whether headers of the running kernel are there, which DKMS needs.
    pub headers: bool,
}

/// A PCI device of NVIDIA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NvidiaDevice {
    /// Its address: `0000:17:00.0`.
    pub address: String,
    /// Its PCI device, four hexadecimal digits.
    pub device: String,
    /// Its PCI class and subclass, four hexadecimal digits.
    pub class: String,
    /// The driver bound to it: `nvidia`, `nouveau`, `vfio-pci`.
    pub driver: Option<String>,
}

impl NvidiaDevice {
    /// Whether the open kernel modules drive it: it is of the Turing generation or newer.
    pub fn has_open_modules(&self) -> bool {
        u16::from_str_radix(&self.device, 16).is_ok_and(|device| device >= FIRST_TURING)
    }
}

pub(super) fn gather(root: &Root<'_>) -> Gpu {
    let devices: Vec<NvidiaDevice> = devices(root).collect();
    let of = |classes: &[&str]| {
        devices.iter().filter(|device| classes.contains(&device.class.as_str())).cloned().collect()
    };
    let version = root.text("/proc/driver/nvidia/version");
    let release = root.line("/proc/sys/kernel/osrelease").unwrap_or_default();
    Gpu {
        devices: of(&["0300", "0302"]),
        switches: of(&["0680"]),
        open_modules: version.as_ref().map(|text| text.contains("Open Kernel Module")),
        driver: version.as_deref().and_then(driver_version),
        run_file: root.exists("/usr/bin/nvidia-uninstall") || root.exists("/usr/local/bin/nvidia-uninstall"),
        dkms: root.names("/var/lib/dkms").into_iter().filter(|name| name.starts_with("nvidia")).collect(),
        headers: !release.is_empty()
            && fs_err::metadata(root.at(&format!("/lib/modules/{release}/build"))).is_ok(),
    }
}

fn devices(root: &Root<'_>) -> impl Iterator<Item = NvidiaDevice> {
    root.names("/sys/bus/pci/devices").into_iter().filter_map(|address| {
        let place = format!("/sys/bus/pci/devices/{address}");
        let number = |name: &str| {
            let line = root.line(&format!("{place}/{name}"))?;
            Some(line.trim_start_matches("0x").to_ascii_lowercase())
        };
        if number("vendor")? != VENDOR_NVIDIA {
            return None;
        }
        Some(NvidiaDevice {
            device: number("device")?,
            class: number("class")?.get(..4)?.to_owned(),
            driver: root.link_name(&format!("{place}/driver")),
            address,
        })
    })
}

/// The version in `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build …`: the
/// first word that is numbers with dots between.
pub fn driver_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let is_version = |word: &&str| {
        word.contains('.')
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    line.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_kinds_of_modules_are_read() {
        for (line, version) in [
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (x)",
                "580.95.05",
            ),
            ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May", "470.256.02"),
        ] {
            assert_eq!(driver_version(line).as_deref(), Some(version));
        }
        assert_eq!(driver_version("GCC version: 12.3.0"), None);
    }

    #[test]
    fn generations_are_known_by_their_numbers() {
        let device = |device: &str| NvidiaDevice {
            address: String::new(),
            device: device.to_owned(),
            class: "0302".to_owned(),
            driver: None,
        };
        for (number, open) in
            [("1db6", false), ("1b06", false), ("1eb8", true), ("20b5", true), ("2330", true)]
        {
            assert_eq!(device(number).has_open_modules(), open, "{number}");
        }
    }
}
