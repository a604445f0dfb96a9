//! Packages: what dpkg has, whether it is at peace, and who holds its locks.

mod baseline;
mod locks;
mod stanza;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::baseline::status_of;
pub use self::locks::LockHolder;
pub use self::stanza::{Stanza, status_text};
use super::previous;
use super::root::Root;
use crate::debian::package::{Flag, Package, State, Want, parse_status};
use crate::oci::digest::Digest;

/// Where dpkg keeps what is installed.
const STATUS: &str = "/var/lib/dpkg/status";
/// Largest status file that is read, in bytes; that of a desktop has 4 MiB.
const STATUS_LIMIT: u64 = 64 << 20;
/// Beginnings of the names of packages that decide something.
const MATTERING: [&str; 11] = [
    "apparmor",
    "apt",
    "containerd",
    "cri-o",
    "docker",
    "dpkg",
    "iptables",
    "libnvidia",
    "linux-",
    "needrestart",
    "nvidia",
];

/// The packages of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Packages {
    /// What manages them; `None` if neither dpkg nor rpm does.
    pub manager: Option<Manager>,
    /// How many are installed.
    pub count: Option<u64>,
    /// SHA-256 of `/var/lib/dpkg/status`.
    pub status_digest: Option<Digest>,
    /// Packages that dpkg has not finished with.
    pub unfinished: Vec<PackageState>,
    /// Names of packages that the administrator holds at their version. Those that an installation holds are not among them.
    pub held: Vec<String>,
    /// Versions of packages that decide something, by name.
    pub versions: BTreeMap<String, String>,
    /// Who is working with dpkg or apt.
    pub locks: Vec<LockHolder>,
    /// Whether unattended-upgrades is switched on.
    pub unattended_upgrades: bool,
    /// Patterns of packages that unattended-upgrades leaves alone.
    pub not_upgraded: Vec<String>,
    /// All that are installed, if they were asked for: the fields of their stanzas that matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Vec<Stanza>>,
}

/// What manages packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Manager {
    /// dpkg, and with it apt.
    Dpkg,
    /// rpm, and with it dnf or zypper.
    Rpm,
}

/// A package and how far it is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageState {
    /// Its name.
    pub name: String,
    /// How far it is installed, in the words of dpkg.
    pub state: String,
}

pub(super) fn gather(root: &Root<'_>, list: bool) -> Packages {
    let has_rpm = || root.exists("/var/lib/rpm") || root.exists("/usr/lib/sysimage/rpm");
    let Some(status) = root.bytes(STATUS, STATUS_LIMIT) else {
        return Packages { manager: has_rpm().then_some(Manager::Rpm), ..Packages::default() };
    };
    let installed = parse_status(&status).map_err(|error| root.note(STATUS, error.message())).ok();
    let installed = installed.unwrap_or_default();
    let matters = |package: &&Package<'_>| MATTERING.iter().any(|start| package.name.starts_with(start));
    let ours = previous::held(root);
    let is_held = |package: &&Package<'_>| {
        package.status.is_some_and(|status| status.want == Want::Hold) && !ours.contains(package.name)
    };
    Packages {
        manager: Some(Manager::Dpkg),
        count: Some(installed.len() as u64),
        status_digest: Some(Digest::of(&status)),
        unfinished: installed.iter().filter_map(unfinished).collect(),
        held: installed.iter().filter(is_held).map(|package| package.name.to_string()).collect(),
        versions: installed
            .iter()
            .filter(matters)
            .map(|package| (package.name.to_string(), package.version.to_string()))
            .collect(),
        locks: locks::gather(root),
        installed: list.then(|| stanza::installed(&status)),
        ..upgrades(root)
    }
}

/// A package whose installation did not come to its end. Waiting triggers are run by whoever comes next.
fn unfinished(package: &Package<'_>) -> Option<PackageState> {
    let status = package.status?;
    let state = match (status.flag, status.state) {
        (Flag::ReinstallRequired, _) => "reinst-required",
        (_, State::HalfInstalled) => "half-installed",
        (_, State::Unpacked) => "unpacked",
        (_, State::HalfConfigured) => "half-configured",
        _ => return None,
    };
    Some(PackageState { name: package.name.to_string(), state: state.to_owned() })
}

/// What apt's configuration says about unattended upgrades (apt.conf(5)).
fn upgrades(root: &Root<'_>) -> Packages {
    let names = root
        .names("/etc/apt/apt.conf.d")
        .into_iter()
        .filter(|name| !name.contains('.') || name.ends_with(".conf"));
    let texts: Vec<String> =
        names.filter_map(|name| root.text(&format!("/etc/apt/apt.conf.d/{name}"))).collect();
    let last = |key: &str| {
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        let mut values = lines.filter_map(|line| line.strip_prefix(key)?.split('"').nth(1));
        values.next_back().map(str::to_owned)
    };
    let is_on =
        last("APT::Periodic::Unattended-Upgrade").is_some_and(|value| value != "0" && !value.is_empty());
    Packages {
        unattended_upgrades: is_on && !root.exists("/etc/systemd/system/apt-daily-upgrade.timer"),
        not_upgraded: texts.iter().flat_map(|text| blacklist(text)).collect(),
        ..Packages::default()
    }
}

/// The values in `Unattended-Upgrade::Package-Blacklist { "nvidia"; };`, without those in comments.
fn blacklist(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("Unattended-Upgrade::Package-Blacklist") else { return Vec::new() };
    let block = rest.split('}').next().unwrap_or_default();
    let lines = block.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_comments_is_upgraded() {
        let text =
            "Unattended-Upgrade::Package-Blacklist {\n// \"linux-\";\n  \"nvidia\";\n};\nOther { \"x\"; };";
        assert_eq!(blacklist(text), ["nvidia"]);
    }
}
