//! `registries.yaml` of k3s: every image comes from our registries, under its own name.

use std::collections::BTreeSet;

use serde_json::json;

use super::paths;
use crate::bundle::manifest::{Artifact, Manifest};
use crate::oci::reference::Reference;

/// The registries that images of a bundle come from: `docker.io`, `nvcr.io`, …
pub fn hosts(manifest: &Manifest) -> BTreeSet<String> {
    let images = manifest.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Image(image) => image.name.parse::<Reference>().ok(),
        _ => None,
    });
    images.map(|reference| reference.host().to_owned()).collect()
}

/// The file that sends containerd to `endpoints` (`https://HOST:PORT`) for images of every registry; `hosts` are
/// named besides, since the wildcard had bugs in some releases of k3s (k3s #10351, #11857). `has_authority`: they
/// are known by the certificate in [`paths::REGISTRY_CA`].
pub fn registries(endpoints: &[String], hosts: &BTreeSet<String>, has_authority: bool) -> String {
    let mut text = "# Written by airlock.\nmirrors:\n".to_owned();
    for host in hosts.iter().map(String::as_str).chain(["*"]) {
        text += &format!("  {}:\n    endpoint: {}\n", json!(host), json!(endpoints));
    }
    if !has_authority {
        return text;
    }
    text += "configs:\n";
    for endpoint in endpoints {
        let address = endpoint.trim_start_matches("https://").trim_end_matches('/');
        text += &format!("  {}:\n    tls:\n      ca_file: {}\n", json!(address), json!(paths::REGISTRY_CA));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registry_is_sent_to_all_endpoints() {
        let endpoints = ["https://127.0.0.1:5443".to_owned(), "https://10.0.0.2:5443".to_owned()];
        let hosts = BTreeSet::from(["docker.io".to_owned()]);
        insta::assert_snapshot!(registries(&endpoints, &hosts, true), @r#"
        # Written by airlock.
        mirrors:
          "docker.io":
            endpoint: ["https://127.0.0.1:5443","https://10.0.0.2:5443"]
          "*":
            endpoint: ["https://127.0.0.1:5443","https://10.0.0.2:5443"]
        configs:
          "127.0.0.1:5443":
            tls:
              ca_file: "/etc/airlock/registry-ca.crt"
          "10.0.0.2:5443":
            tls:
              ca_file: "/etc/airlock/registry-ca.crt"
        "#);
        assert!(!registries(&endpoints, &hosts, false).contains("ca_file"));
    }
}
