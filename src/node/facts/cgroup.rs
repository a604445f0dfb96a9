//! Control groups: which version, with which controllers (cgroups(7)).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// Control groups of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cgroup {
    /// Which version is mounted at `/sys/fs/cgroup`; `None` if none is.
    pub version: Option<CgroupVersion>,
    /// Controllers that can be used with that version.
    pub controllers: BTreeSet<String>,
}

/// Which version of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CgroupVersion {
    /// One hierarchy for each controller.
    V1,
    /// The controllers in version 1, and a hierarchy of version 2 beside them for systemd alone.
    Hybrid,
    /// One hierarchy.
    V2,
}

pub(super) fn gather(root: &Root<'_>) -> Cgroup {
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
    if let Some(controllers) = root.text("/sys/fs/cgroup/cgroup.controllers") {
        return Cgroup { version: Some(CgroupVersion::V2), controllers: words(controllers) };
    }
    let mounted = root.names("/sys/fs/cgroup");
    let version = match mounted.iter().any(|name| name == "unified") {
        _ if mounted.is_empty() => None,
        true => Some(CgroupVersion::Hybrid),
        false => Some(CgroupVersion::V1),
    };
    Cgroup { version, controllers: root.text("/proc/cgroups").map(|text| enabled(&text)).unwrap_or_default() }
}

/// The controllers of `/proc/cgroups` that are not switched off: `name hierarchy groups enabled`.
fn enabled(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(str::split_whitespace);
    rows.filter_map(|mut row| {
        let name = row.next()?;
        (row.nth(2)? == "1").then(|| name.to_owned())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_that_are_switched_off_do_not_count() {
        let found = enabled("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t3\t1\nmemory\t0\t1\t0\n");
        assert_eq!(found, BTreeSet::from(["cpu".to_owned()]));
    }
}
