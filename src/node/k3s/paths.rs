//! Where k3s and we keep what belongs to it.

/// The program.
pub const PROGRAM: &str = "/usr/local/bin/k3s";
/// Names under which the program is other programs.
pub const LINKS: [&str; 3] = ["kubectl", "crictl", "ctr"];
/// Its configuration.
pub const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
/// Where its containerd looks for images.
pub const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";
/// The join token: given by the operator, or made on the first server.
pub const TOKEN: &str = "/etc/rancher/k3s/token";
/// Name servers for pods where the host has none.
pub const RESOLV_CONF: &str = "/etc/rancher/k3s/resolv.conf";
/// Certificate of the authority that signs the certificates of our registries.
pub const REGISTRY_CA: &str = "/etc/airlock/registry-ca.crt";
/// The admin kubeconfig that a server writes.
pub const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";

/// Manifests that a server applies by itself, in its data directory.
pub fn manifests(data_directory: &str) -> String {
    format!("{data_directory}/server/manifests")
}
