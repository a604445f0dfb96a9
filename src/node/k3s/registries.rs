//! `registries.yaml` of k3s: every image comes from our registries, under its own name.

use std::collections::BTreeSet;

use serde_json::json;

use super::paths;
use crate::bundle::manifest::{Artifact, Manifest};
use crate::fetch::Credentials;
use crate::node::registry::endpoint::Endpoint;
use crate::oci::reference::Reference;

/// The registries that images of a bundle come from: `docker.io`, `nvcr.io`, …
pub fn hosts(manifest: &Manifest) -> BTreeSet<String> {
    let images = manifest.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Image(image) => image.name.parse::<Reference>().ok(),
        _ => None,
    });
    images.map(|reference| reference.host().to_owned()).collect()
}

/// The file that sends containerd to `endpoints` for images of every registry; `hosts` are named besides, since the
/// wildcard had bugs in some releases of k3s (k3s #10351, #11857), and since registries of a site keep every host under
/// a path of its own. `has_authority`: they are known by the certificate in [`paths::REGISTRY_CA`]. May hold a password.
pub fn registries(endpoints: &[Endpoint], hosts: &BTreeSet<String>, has_authority: bool) -> String {
    let mut text = "# Written by airlock.\nmirrors:\n".to_owned();
    let mut mirror = |host: &str, urls: Vec<String>| {
        text += &format!("  {}:\n    endpoint: {}\n", json!(host), json!(urls));
    };
    for host in hosts {
        mirror(host, endpoints.iter().map(|endpoint| endpoint.mirror(host)).collect());
    }
    mirror("*", endpoints.iter().map(Endpoint::mirror_of_others).collect());
    let configured = endpoints.iter().filter_map(|endpoint| {
        let settings = configuration(endpoint, has_authority && endpoint.has_tls());
        (!settings.is_empty()).then(|| format!("  {}:\n{settings}", json!(endpoint.authority())))
    });
    let configured: String = configured.collect();
    if configured.is_empty() { text } else { text + "configs:\n" + &configured }
}

/// How one registry is trusted, and how to log in to it.
fn configuration(endpoint: &Endpoint, has_authority: bool) -> String {
    let tls = match has_authority {
        true => format!("    tls:\n      ca_file: {}\n", json!(paths::REGISTRY_CA)),
        false => String::new(),
    };
    let login = match endpoint.login() {
        None => String::new(),
        Some(Credentials::Password { username, password }) => format!(
            "    auth:\n      username: {}\n      password: {}\n",
            json!(username),
            json!(password.reveal())
        ),
        Some(Credentials::IdentityToken(token)) => {
            format!("    auth:\n      identity_token: {}\n", json!(token.reveal()))
        }
    };
    tls + &login
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Target;
    use crate::secret::Secret;

    #[test]
    fn every_registry_is_sent_to_all_endpoints() {
        let endpoints =
            ["https://127.0.0.1:5443", "https://10.0.0.2:5443"].map(|url| Endpoint::Node(url.to_owned()));
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

    #[test]
    fn the_registry_of_a_site_has_a_path_for_every_host() {
        let target = Target::parse("https://harbor.lab/platform").unwrap();
        let password = Secret::new("a \"b\": c".to_owned());
        let login = Some(Credentials::Password { username: "robot$nodes".to_owned(), password });
        let hosts = BTreeSet::from(["docker.io".to_owned(), "registry.lab:5000".to_owned()]);
        let site = |target: &Target, login| [Endpoint::Site { target: target.clone(), login }];
        insta::assert_snapshot!(registries(&site(&target, login), &hosts, true), @r#"
        # Written by airlock.
        mirrors:
          "docker.io":
            endpoint: ["https://harbor.lab/v2/platform/docker.io"]
          "registry.lab:5000":
            endpoint: ["https://harbor.lab/v2/platform/registry.lab__5000"]
          "*":
            endpoint: ["https://harbor.lab/v2/platform"]
        configs:
          "harbor.lab":
            tls:
              ca_file: "/etc/airlock/registry-ca.crt"
            auth:
              username: "robot$nodes"
              password: "a \"b\": c"
        "#);
        assert!(!registries(&site(&target, None), &hosts, false).contains("configs"));
        let plain = Target::parse("http://harbor.lab").unwrap();
        assert!(!registries(&site(&plain, None), &hosts, true).contains("configs"));
    }
}
