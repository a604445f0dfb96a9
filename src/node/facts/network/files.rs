//! What files say about firewalls, proxies and the services that manage interfaces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::facts::os::assignments;
use crate::node::facts::root::Root;
use crate::quote::{has_credentials, quote};

/// Firewalls. Their rules are not read: that takes programs, which load modules as they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Firewall {
    /// Whether ufw is switched on.
    pub ufw: bool,
    /// Whether firewalld runs.
    pub firewalld: bool,
    /// Whether rules for nftables are loaded at the start (`nftables.service`).
    pub nftables_service: bool,
    /// Tables of the older iptables that are in use; only root may know them.
    pub iptables_tables: Vec<String>,
}

/// A setting about proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxySetting {
    /// The file.
    pub file: String,
    /// The variable, in upper case.
    pub variable: String,
    /// Its value; user names and passwords are replaced by asterisks.
    pub value: String,
}

/// Files whose variables services or logins get.
const ENVIRONMENT_FILES: [&str; 7] = [
    "/etc/environment",
    "/etc/default/k3s",
    "/etc/default/k3s-agent",
    "/etc/sysconfig/k3s",
    "/etc/sysconfig/k3s-agent",
    "/etc/systemd/system/k3s.service.env",
    "/etc/systemd/system/k3s-agent.service.env",
];

pub(super) fn firewall(root: &Root<'_>, processes: &BTreeMap<String, u32>) -> Firewall {
    let ufw = root.text("/etc/ufw/ufw.conf").map(|text| assignments(&text)).unwrap_or_default();
    let tables = root.text("/proc/net/ip_tables_names").unwrap_or_default();
    Firewall {
        ufw: ufw.get("ENABLED").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
        firewalld: processes.contains_key("firewalld"),
        nftables_service: root.exists("/etc/systemd/system/sysinit.target.wants/nftables.service")
            || root.exists("/etc/systemd/system/multi-user.target.wants/nftables.service"),
        iptables_tables: tables.lines().map(str::to_owned).collect(),
    }
}

pub(super) fn proxies(root: &Root<'_>) -> Vec<ProxySetting> {
    let mut found = Vec::new();
    for file in ENVIRONMENT_FILES {
        for (variable, value) in root.text(file).map(|text| assignments(&text)).unwrap_or_default() {
            let variable = variable.to_ascii_uppercase();
            if ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].iter().any(|name| variable.ends_with(name)) {
                let value = if has_credentials(&value) { quote(&value) } else { value };
                found.push(ProxySetting { file: file.to_owned(), variable, value });
            }
        }
    }
    found
}

/// NetworkManager without a word about the interfaces of pods, or networkd with settings for all interfaces.
pub(super) fn meddling_manager(root: &Root<'_>, processes: &BTreeMap<String, u32>) -> Option<String> {
    let texts = |directory: &str| {
        let names = root.names(directory).into_iter().map(|name| format!("{directory}/{name}"));
        names.filter_map(|path| root.text(&path)).collect::<Vec<String>>()
    };
    if processes.contains_key("NetworkManager") {
        let files = [texts("/etc/NetworkManager/conf.d"), texts("/usr/lib/NetworkManager/conf.d")].concat();
        let excepts = |text: &String| text.contains("unmanaged-devices") && text.contains("cni");
        return (!files.iter().any(excepts)).then(|| "NetworkManager".to_owned());
    }
    if processes.contains_key("systemd-network") {
        let files = [texts("/etc/systemd/network"), texts("/run/systemd/network")].concat();
        let is_for_all = |text: &String| text.lines().any(|line| line.trim() == "Name=*");
        return files.iter().any(is_for_all).then(|| "systemd-networkd".to_owned());
    }
    None
}
