//! The machine itself: architecture, identity, what it runs in, and the limits of processes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::System;
use super::root::Root;

/// What kind of machine it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// As `uname -m` prints it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// `product_uuid` of the firmware; only root may read it.
    pub product_uuid: Option<String>,
    /// Maker and product by the firmware.
    pub product: Option<String>,
    /// Whether it is a virtual machine, as the processor says.
    pub virtual_machine: bool,
    /// The container it runs in (`docker`, `lxc`, `systemd-nspawn`), or `None`.
    pub container: Option<String>,
    /// The user who looked; 0 is root.
    pub user: Option<u32>,
    /// Limits of processes.
    pub limits: Limits,
}

/// Limits of processes that this one has inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Open files, the limit that holds; `None` if unknown. `u64::MAX` stands for no limit.
    pub open_files: Option<u64>,
    /// Open files, up to which a process may raise its limit.
    pub open_files_hard: Option<u64>,
}

pub(super) fn gather(root: &Root<'_>, system: &dyn System) -> Machine {
    let (open_files, open_files_hard) =
        root.text("/proc/self/limits").and_then(|text| open_files(&text)).unzip();
    let firmware = |name: &str| root.line(&format!("/sys/class/dmi/id/{name}"));
    let product =
        [firmware("sys_vendor"), firmware("product_name")].into_iter().flatten().collect::<Vec<_>>();
    Machine {
        architecture: system.machine(),
        machine_id: root.line("/etc/machine-id"),
        product_uuid: firmware("product_uuid"),
        product: (!product.is_empty()).then(|| product.join(" ")),
        virtual_machine: root.text("/proc/cpuinfo").is_some_and(|text| has_hypervisor(&text)),
        container: container(root),
        user: root.text("/proc/self/status").and_then(|text| effective_user(&text)),
        limits: Limits { open_files, open_files_hard },
    }
}

fn has_hypervisor(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// As systemd's Container Interface and the usual engines leave word.
fn container(root: &Root<'_>) -> Option<String> {
    if let Some(name) = root.line("/run/systemd/container") {
        return Some(name);
    }
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman"), ("/dev/lxd", "lxc")];
    marks.into_iter().find(|(path, _)| root.exists(path)).map(|(_, name)| name.to_owned())
}

/// The effective user of `/proc/self/status`: the second number after `Uid:`.
fn effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The soft and the hard limit of open files in `/proc/self/limits`.
fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let limit = |word: &str| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() };
    let mut words = line.split_whitespace();
    Some((limit(words.next()?)?, limit(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_users_are_read() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 unlimited            files\n";
        assert_eq!(open_files(limits), Some((1024, u64::MAX)));
        assert_eq!(open_files("Max open files 1024"), None);
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
    }
}
