//! kube-vip holds the address from inside the cluster: a pod on every server, one of which answers for it by ARP.

use std::net::IpAddr;

use crate::node::k3s::paths;
use crate::node::resource::{File, Resources};
use crate::node::step::names;

/// Where its image is from …
pub(super) const REPOSITORY: &str = "ghcr.io/kube-vip/kube-vip";
/// … and one that is known to work.
pub(super) const EXAMPLE: &str = "ghcr.io/kube-vip/kube-vip:v1.2.3";

/// The name of its manifest.
pub(super) const FILE: &str = "/airlock-kube-vip.yaml";

/// What k3s applies, with words in capitals to be replaced.
const MANIFEST: &str = include_str!("../../../manifests/kube-vip.yaml");

/// The step that puts its manifest where k3s applies it. It is the same on all servers.
pub(super) fn step(address: IpAddr, interface: Option<&str>, image: &str, data_directory: &str) -> Resources {
    let path = format!("{}{FILE}", paths::manifests(data_directory));
    Resources::new(names::KUBE_VIP, "Tell the cluster of its virtual address")
        .with(File::private(path, manifest(address, interface, image)))
}

fn manifest(address: IpAddr, interface: Option<&str>, image: &str) -> String {
    let length = if address.is_ipv4() { "32" } else { "128" };
    let lines = MANIFEST.split_inclusive('\n');
    let wanted = lines.filter(|line| interface.is_some() || !line.contains("VIRTUAL_INTERFACE"));
    wanted
        .collect::<String>()
        .replace("VIRTUAL_INTERFACE", interface.unwrap_or_default())
        .replace("VIRTUAL_ADDRESS", &address.to_string())
        .replace("VIRTUAL_LENGTH", length)
        .replace("KUBE_VIP_IMAGE", image)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_manifest_is_whole_and_names_the_image_of_the_bundle() {
        for interface in [Some("eth1"), None] {
            let text = manifest("10.0.0.100".parse().unwrap(), interface, EXAMPLE);
            assert!(!text.contains("VIRTUAL") && !text.contains("KUBE_VIP_IMAGE"), "{text}");
            let documents: Vec<Value> =
                text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
            let kinds: Vec<&str> = documents.iter().filter_map(|one| one["kind"].as_str()).collect();
            assert_eq!(kinds, ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet"]);
            let container = &documents[3]["spec"]["template"]["spec"]["containers"][0];
            assert_eq!(
                (&container["image"], &container["imagePullPolicy"]),
                (&EXAMPLE.into(), &"IfNotPresent".into())
            );
            let variables = container["env"].as_array().unwrap();
            let value =
                |name: &str| variables.iter().find(|one| one["name"] == name).map(|one| one["value"].clone());
            assert_eq!(value("address"), Some("10.0.0.100".into()));
            assert_eq!(value("vip_subnet"), Some("32".into()));
            assert_eq!(value("vip_interface"), interface.map(Value::from));
        }
    }
}
