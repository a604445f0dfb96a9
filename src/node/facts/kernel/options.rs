//! Options that the kernel was built with: `/proc/config.gz`, `/boot/config-RELEASE`.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::node::facts::root::Root;

/// Largest list of options that is read, in bytes; a usual one has 300 KB.
const LIMIT: u64 = 4 << 20;

/// Options that Kubernetes and its network need.
pub const REQUIRED_OPTIONS: [&str; 36] = [
    "BRIDGE",
    "BRIDGE_NETFILTER",
    "CGROUPS",
    "CGROUP_BPF",
    "CGROUP_CPUACCT",
    "CGROUP_DEVICE",
    "CGROUP_FREEZER",
    "CGROUP_PIDS",
    "CGROUP_SCHED",
    "CPUSETS",
    "EXT4_FS",
    "FAIR_GROUP_SCHED",
    "INET",
    "IPC_NS",
    "IP_NF_FILTER",
    "IP_NF_NAT",
    "IP_NF_TARGET_MASQUERADE",
    "IP_NF_TARGET_REJECT",
    "KEYS",
    "MEMCG",
    "NAMESPACES",
    "NETFILTER_XT_MATCH_ADDRTYPE",
    "NETFILTER_XT_MATCH_COMMENT",
    "NETFILTER_XT_MATCH_CONNTRACK",
    "NETFILTER_XT_MATCH_IPVS",
    "NETFILTER_XT_MATCH_MULTIPORT",
    "NETFILTER_XT_MATCH_STATISTIC",
    "NETFILTER_XT_TARGET_REDIRECT",
    "NET_NS",
    "NF_NAT",
    "PID_NS",
    "POSIX_MQUEUE",
    "PROC_FS",
    "SECCOMP",
    "UTS_NS",
    "VETH",
];

/// Options that some setups need.
pub const OPTIONAL_OPTIONS: [&str; 12] = [
    "BLK_DEV_DM",
    "CFS_BANDWIDTH",
    "CGROUP_HUGETLB",
    "CRYPTO_AEAD",
    "CRYPTO_GCM",
    "IP_VS",
    "IP_VS_NFCT",
    "IP_VS_RR",
    "OVERLAY_FS",
    "SECCOMP_FILTER",
    "USER_NS",
    "VXLAN",
];

/// All options that are set, each `y` or `m`, without `CONFIG_`.
pub(super) fn read(root: &Root<'_>, release: &str) -> Option<BTreeMap<String, String>> {
    let running = root.bytes("/proc/config.gz", LIMIT).and_then(|packed| unpacked(&packed));
    let text = running
        .or_else(|| root.text(&format!("/boot/config-{release}")))
        .or_else(|| root.text(&format!("/lib/modules/{release}/config")))?;
    Some(parse(&text))
}

fn unpacked(packed: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(packed).take(LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
    let set = pairs.filter(|(_, value)| matches!(*value, "y" | "m"));
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_there() {
        let text = "CONFIG_VETH=m\n# CONFIG_BRIDGE is not set\nCONFIG_NAME=\"x\"\nCONFIG_INET=y\n";
        let expected =
            [("INET", "y"), ("VETH", "m")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text), BTreeMap::from(expected));
    }
}
