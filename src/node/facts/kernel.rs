//! The kernel: its release, modules, options and settings.

mod options;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::options::{OPTIONAL_OPTIONS, REQUIRED_OPTIONS};
use super::SysctlLine;
use super::root::Root;

/// The kernel that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: Option<String>,
    /// As `uname -v` prints it.
    pub version: Option<String>,
    /// Releases with modules below `/lib/modules`.
    pub installed: Vec<String>,
    /// Modules that matter, by name, with their state; those of which nothing is known are not here.
    pub modules: BTreeMap<String, ModuleState>,
    /// Options that matter and are set, without `CONFIG_`, each `y` or `m`; `None` if there is neither
    /// `/proc/config.gz` nor `/boot/config-RELEASE`.
    pub options: Option<BTreeMap<String, String>>,
    /// Whether the distribution asks for a restart (`/run/reboot-required`).
    pub reboot_required: bool,
}

/// How a module can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ModuleState {
    /// It is loaded.
    Loaded,
    /// It is part of the kernel.
    Builtin,
    /// It can be loaded.
    Available,
    /// The kernel does not have it.
    Absent,
}

/// Modules that matter, each with the option of the kernel that makes it.
const MODULES: [(&str, &str); 14] = [
    ("br_netfilter", "BRIDGE_NETFILTER"),
    ("dummy", "DUMMY"),
    ("ip_tables", "IP_NF_IPTABLES"),
    ("ip_vs", "IP_VS"),
    ("ip_vs_rr", "IP_VS_RR"),
    ("ip_vs_sh", "IP_VS_SH"),
    ("ip_vs_wrr", "IP_VS_WRR"),
    ("nf_conntrack", "NF_CONNTRACK"),
    ("nf_tables", "NF_TABLES"),
    ("nft_compat", "NFT_COMPAT"),
    ("nouveau", "DRM_NOUVEAU"),
    ("overlay", "OVERLAY_FS"),
    ("vxlan", "VXLAN"),
    ("wireguard", "WIREGUARD"),
];

/// Settings that matter.
const SYSCTLS: [&str; 21] = [
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "fs.nr_open",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.conf.all.arp_filter",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.arp_filter",
    "net.ipv4.conf.default.arp_ignore",
    "net.ipv4.conf.default.forwarding",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
];

/// Where files of settings lie; of two with one name the earlier counts (sysctl.d(5)).
const SYSCTL_DIRECTORIES: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

pub(super) fn gather(root: &Root<'_>) -> Kernel {
    let release = root.line("/proc/sys/kernel/osrelease");
    let options = release.as_deref().and_then(|release| options::read(root, release));
    Kernel {
        version: root.line("/proc/sys/kernel/version"),
        installed: root.names("/lib/modules"),
        modules: modules(root, release.as_deref(), options.as_ref()),
        options: options.map(|options| {
            let matters = |name: &str| REQUIRED_OPTIONS.contains(&name) || OPTIONAL_OPTIONS.contains(&name);
            options.into_iter().filter(|(name, _)| matters(name)).collect()
        }),
        reboot_required: root.exists("/run/reboot-required") || root.exists("/var/run/reboot-required"),
        release,
    }
}

fn modules(
    root: &Root<'_>,
    release: Option<&str>,
    options: Option<&BTreeMap<String, String>>,
) -> BTreeMap<String, ModuleState> {
    let list = |name: &str| root.text(&format!("/lib/modules/{}/{name}", release?));
    let loaded = root.text("/proc/modules").unwrap_or_default();
    let (builtin, available) = (list("modules.builtin"), list("modules.dep"));
    let is_loaded = |module: &str| loaded.lines().any(|line| line.split(' ').next() == Some(module));
    let state = |module: &str, option: &str| {
        if is_loaded(module) {
            return Some(ModuleState::Loaded);
        }
        let is_listed = |list: &Option<String>| {
            list.as_ref().is_some_and(|list| list.lines().any(|line| names(line, module)))
        };
        let built = options.and_then(|options| options.get(option)).is_some_and(|value| value == "y");
        match (is_listed(&builtin) || built, &available) {
            (true, _) => Some(ModuleState::Builtin),
            (false, Some(_)) if is_listed(&available) => Some(ModuleState::Available),
            (false, Some(_)) => Some(ModuleState::Absent),
            // Without the list of modules only the options can say that there is none.
            (false, None) => (options?.get(option).is_none()).then_some(ModuleState::Absent),
        }
    };
    let found = MODULES.iter().filter_map(|(module, option)| Some((*module, state(module, option)?)));
    found.map(|(module, state)| (module.to_owned(), state)).collect()
}

/// Whether a line of `modules.dep` or `modules.builtin` is about `module`: `kernel/fs/overlayfs/overlay.ko.xz: …`.
/// In names of files dashes stand for underscores.
fn names(line: &str, module: &str) -> bool {
    let path = line.split(':').next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.split(".ko").next().unwrap_or_default();
    name.len() == module.len() && name.replace('-', "_") == module
}

pub(super) fn sysctls(root: &Root<'_>) -> BTreeMap<String, String> {
    let value = |name: &str| root.line(&format!("/proc/sys/{}", name.replace('.', "/")));
    let found = SYSCTLS.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?)));
    found.collect()
}

/// For each setting that matters the file that has the last word at the next start.
pub(super) fn sysctl_files(root: &Root<'_>) -> BTreeMap<String, SysctlLine> {
    let mut files = BTreeMap::new();
    for directory in SYSCTL_DIRECTORIES {
        for name in root.names(directory).into_iter().filter(|name| name.ends_with(".conf")) {
            files.entry(name.clone()).or_insert_with(|| format!("{directory}/{name}"));
        }
    }
    let mut last = BTreeMap::new();
    for file in files.into_values().chain(["/etc/sysctl.conf".to_owned()]) {
        let text = root.text(&file).unwrap_or_default();
        for (name, value) in settings(&text).filter(|(name, _)| SYSCTLS.contains(&name.as_str())) {
            last.insert(name, SysctlLine { file: file.clone(), value });
        }
    }
    last
}

/// The lines `name = value` of a file of settings; a name may have slashes for dots and a dash before it.
fn settings(text: &str) -> impl Iterator<Item = (String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().trim_start_matches('-').replace('/', "."), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_their_files() {
        assert!(names("kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko", "br_netfilter"));
        assert!(names("kernel/net/netfilter/nf-tables.ko.zst", "nf_tables"));
        assert!(!names("kernel/fs/overlayfs/overlay2.ko:", "overlay"));
        assert!(!names("", "overlay"));
    }

    #[test]
    fn the_last_file_by_name_has_the_last_word() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("etc/sysctl.d/90-a.conf", "net.ipv4.ip_forward = 1\n");
        write("usr/lib/sysctl.d/90-a.conf", "net.ipv4.ip_forward = 5\n");
        write("usr/lib/sysctl.d/95-b.conf", "# x\n-net/ipv4/ip_forward=0\nkernel.sysrq=1\n");
        let found = sysctl_files(&Root::new(directory.path()));
        let line = SysctlLine { file: "/usr/lib/sysctl.d/95-b.conf".into(), value: "0".into() };
        assert_eq!(found, BTreeMap::from([("net.ipv4.ip_forward".to_owned(), line)]));
    }
}
