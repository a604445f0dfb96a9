//! The GPUs of a node: how many it has, and how many the device plugin offers to pods.

use std::collections::BTreeMap;

use serde::Serialize;

/// Label with the number of GPUs that the node has found in itself.
const COUNT: &str = "nvidia.com/gpu.count";
/// The resource by which pods ask for whole GPUs.
const WHOLE: &str = "nvidia.com/gpu";
/// All resources of its device plugin: parts of GPUs (`nvidia.com/mig-1g.10gb`) and shared ones besides.
const ALL: &str = "nvidia.com/";

/// How many GPUs a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gpus {
    /// In all.
    pub present: u64,
    /// Those that pods can use. The device plugin takes back the ones that are not healthy.
    pub usable: u64,
}

impl Gpus {
    /// From the labels of a node, and from its `capacity` and `allocatable` (core/v1, `NodeStatus`). `None` if it has
    /// no GPU of NVIDIA.
    pub(super) fn of(
        labels: &BTreeMap<String, String>,
        capacity: &BTreeMap<String, String>,
        allocatable: &BTreeMap<String, String>,
    ) -> Option<Gpus> {
        let number = |resources: &BTreeMap<String, String>| resources.get(WHOLE)?.parse::<u64>().ok();
        let counted = labels.get(COUNT).and_then(|count| count.parse().ok());
        // Others may have set up the node, and do not label it.
        let present = counted.or_else(|| number(capacity)).filter(|present| *present > 0)?;
        let is_divided = |(name, quantity): (&String, &String)| {
            name.starts_with(ALL) && name != WHOLE && !matches!(quantity.as_str(), "" | "0")
        };
        // How many of the GPUs their parts belong to is not told.
        let usable = match allocatable.iter().any(is_divided) {
            true => present,
            // Shared in time, a GPU is offered several times.
            false => number(allocatable).unwrap_or(0).min(present),
        };
        Some(Gpus { present, usable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(count: &str, capacity: &[(&str, &str)], allocatable: &[(&str, &str)]) -> Option<(u64, u64)> {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let labels = if count.is_empty() { map(&[]) } else { map(&[(COUNT, count)]) };
        Gpus::of(&labels, &map(capacity), &map(allocatable)).map(|gpus| (gpus.present, gpus.usable))
    }

    #[test]
    fn pods_use_what_the_device_plugin_offers() {
        let eight = [("cpu", "64"), (WHOLE, "8")];
        assert_eq!(gpus("8", &eight, &eight), Some((8, 8)));
        assert_eq!(gpus("8", &eight, &[(WHOLE, "7")]), Some((8, 7)), "one is not healthy");
        assert_eq!(gpus("8", &[("cpu", "64")], &[("cpu", "64")]), Some((8, 0)), "there is no device plugin");
        assert_eq!(gpus("", &eight, &[(WHOLE, "7")]), Some((8, 7)), "labelled by nobody");
        assert_eq!(gpus("8", &[(WHOLE, "32")], &[(WHOLE, "32")]), Some((8, 8)), "shared in time");
    }

    #[test]
    fn parts_of_gpus_are_gpus_too() {
        let parts = [(WHOLE, "0"), ("nvidia.com/mig-1g.10gb", "14")];
        assert_eq!(gpus("2", &parts, &parts), Some((2, 2)));
        assert_eq!(gpus("2", &parts, &[(WHOLE, "0"), ("nvidia.com/mig-1g.10gb", "0")]), Some((2, 0)));
        assert_eq!(gpus("2", &[], &[("nvidia.com/gpu.shared", "8")]), Some((2, 2)));
    }

    #[test]
    fn a_node_without_gpus_has_none() {
        assert_eq!(gpus("", &[("cpu", "64")], &[("cpu", "64")]), None);
        assert_eq!(gpus("", &[(WHOLE, "0")], &[(WHOLE, "0")]), None);
        assert_eq!(gpus("0", &[], &[]), None);
    }
}
