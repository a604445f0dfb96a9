//! Memory and swap: `/proc/meminfo`, `/proc/swaps`, `/etc/fstab` (proc(5), fstab(5)).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// Memory of a machine, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// All that the kernel has.
    pub total: Option<u64>,
    /// What new programs could use.
    pub available: Option<u64>,
    /// Swap that is on.
    pub swaps: Vec<Swap>,
    /// What would switch swap on at the next start: lines of `/etc/fstab`, units of zram.
    pub swap_at_boot: Vec<String>,
}

/// A file or device that is swapped to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// Where it is.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// What of it is in use.
    pub used: u64,
}

/// Files that set up swap in compressed memory (systemd-zram-generator, zram-tools).
const ZRAM: [&str; 4] = [
    "/etc/systemd/zram-generator.conf",
    "/usr/lib/systemd/zram-generator.conf",
    "/etc/systemd/system/multi-user.target.wants/zramswap.service",
    "/etc/systemd/system/multi-user.target.wants/zram-config.service",
];

pub(super) fn gather(root: &Root<'_>) -> Memory {
    let meminfo = root.text("/proc/meminfo").unwrap_or_default();
    let fstab = root.text("/etc/fstab").unwrap_or_default();
    let zram = ZRAM.into_iter().filter(|path| root.exists(path)).map(str::to_owned);
    Memory {
        total: kibibytes(&meminfo, "MemTotal"),
        available: kibibytes(&meminfo, "MemAvailable"),
        swaps: root.text("/proc/swaps").map(|text| swaps(&text)).unwrap_or_default(),
        swap_at_boot: swap_lines(&fstab).chain(zram).collect(),
    }
}

/// A value of `/proc/meminfo`, in bytes.
fn kibibytes(meminfo: &str, wanted: &str) -> Option<u64> {
    let (_, value) =
        meminfo.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| *name == wanted)?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn swaps(text: &str) -> Vec<Swap> {
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let bytes = |kibibytes: &str| kibibytes.parse::<u64>().ok()?.checked_mul(1024);
    rows.filter_map(|row| match row[..] {
        [path, _, size, used, ..] => {
            Some(Swap { path: path.to_owned(), size: bytes(size)?, used: bytes(used)? })
        }
        _ => None,
    })
    .collect()
}

fn swap_lines(fstab: &str) -> impl Iterator<Item = String> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let is_swap = |line: &&str| line.split_whitespace().nth(2) == Some("swap") && !line.contains("noauto");
    lines.filter(is_swap).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_bytes() {
        let meminfo = "MemTotal:       24684084 kB\nMemAvailable:     1 kB\nHugePages_Total:       0\n";
        assert_eq!(kibibytes(meminfo, "MemTotal"), Some(24_684_084 << 10));
        assert_eq!(kibibytes(meminfo, "HugePages_Total"), None);
        let found = swaps("Filename Type Size Used Priority\n/dev/sda2 partition 1024 4 -2\ntorn line\n");
        assert_eq!(found, [Swap { path: "/dev/sda2".into(), size: 1 << 20, used: 4096 }]);
    }

    #[test]
    fn only_swap_that_comes_on_by_itself_counts() {
        let fstab = "UUID=1 / ext4 defaults 0 1\n# UUID=2 none swap sw 0 0\nUUID=3 none swap sw 0 0\nUUID=4 none swap noauto 0 0\n";
        assert_eq!(swap_lines(fstab).collect::<Vec<_>>(), ["UUID=3 none swap sw 0 0"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((MemTotal|MemFree)?:? {0,3}[0-9]{0,22} ?(kB)?\n?){0,10}") {
            let _ = kibibytes(&text, "MemTotal");
            prop_assert!(swaps(&text).len() <= text.lines().count());
        }
    }
}
