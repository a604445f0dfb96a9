//! The kubeconfig of the administrator, for use from elsewhere: with the address of the cluster in place of 127.0.0.1.
//!
//! k3s writes it on every server (`/etc/rancher/k3s/k3s.yaml`); `kubectl config view --raw` prints it. It is a secret:
//! whoever has it can do everything.

use serde::Deserialize;

use crate::cluster::address::endpoint;
use crate::cluster::inventory::Inventory;
use crate::cluster::observe::Node;
use crate::cluster::remote::{Command, Remote};
use crate::error::{Error, Result, codes};
use crate::node::availability::API_PORT;
use crate::quote::quote;
use crate::secret::Secret;

/// The kubeconfig that a server has.
///
/// # Errors
/// Those of [`Remote::run`] and of the command.
pub fn read(remote: &dyn Remote) -> Result<Secret<String>> {
    let words = ["kubectl", "config", "view", "--raw", "-o", "json"];
    let answer = remote.run(Command::k3s(words), &mut |_| {})?.success()?;
    Ok(Secret::new(answer.output))
}

/// Where the API is reached from outside: the virtual address, else the server that was asked.
pub fn address(inventory: &Inventory, server: &Node) -> Option<String> {
    endpoint(inventory).or_else(|| server.address.map(|address| super::url(address, API_PORT)))
}

/// The kubeconfig of the server with another address, and `name` for cluster, user and context, so that it can be merged
/// with others. YAML, mode 0600 wherever it is written.
///
/// # Errors
/// [`codes::KUBECONFIG`] if it is not one as k3s writes it.
pub fn render(json: &Secret<String>, address: &str, name: &str) -> Result<Secret<String>> {
    // The cause would repeat what is in the file.
    let config: Config =
        serde_json::from_str(json.reveal()).map_err(|_| unusable("it cannot be understood"))?;
    let [cluster] = &config.clusters[..] else { return Err(unusable("it has not exactly one cluster")) };
    let [user] = &config.users[..] else { return Err(unusable("it has not exactly one user")) };
    let (authority, certificate, key) = (&cluster.cluster.authority, &user.user.certificate, &user.user.key);
    let is_base64 = |text: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    if ![authority, certificate, key].into_iter().all(is_base64) {
        return Err(unusable("a certificate or key is missing in it"));
    }
    Ok(Secret::new(format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {name}\nclusters:\n- name: {name}\n  cluster:\n    \
         certificate-authority-data: {authority}\n    server: {address}\nusers:\n- name: {name}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\ncontexts:\n- name: {name}\n  context:\n    \
         cluster: {name}\n    user: {name}\n"
    )))
}

/// Whether a name needs no quoting in YAML and on command lines.
///
/// # Errors
/// [`codes::USAGE`].
pub fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_plain = name.bytes().all(fits) && name.starts_with(|first: char| first.is_ascii_alphabetic());
    match is_plain {
        true => Ok(()),
        false => Err(Error::new(codes::USAGE, format!("`{}` cannot be the name of a context", quote(name)))
            .with_help("take letters, digits, `-`, `_` and `.`, with a letter first")),
    }
}

/// Whether an address may stand in the file.
///
/// # Errors
/// [`codes::USAGE`].
pub fn check_address(url: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]/".contains(&byte);
    match url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits)) {
        true => Ok(()),
        false => Err(Error::new(codes::USAGE, format!("`{}` is no address of a server", quote(url)))
            .with_help("it is https://HOST:6443")),
    }
}

fn unusable(why: &str) -> Error {
    Error::new(codes::KUBECONFIG, format!("the kubeconfig of the server cannot be used: {why}"))
        .with_help("look at it there: `sudo k3s kubectl config view`; k3s writes it anew when it starts")
}

#[derive(Deserialize)]
struct Config {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct Cluster {
    #[serde(rename = "certificate-authority-data", default)]
    authority: String,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "client-certificate-data", default)]
    certificate: String,
    #[serde(rename = "client-key-data", default)]
    key: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::{VirtualAddress, VirtualAddressMode};
    use crate::cluster::operation::samples::server;
    use crate::cluster::operation::site::tests::inventory;

    fn config(key: &str) -> Secret<String> {
        Secret::new(format!(
            r#"{{"clusters": [{{"name": "default", "cluster": {{"server": "https://127.0.0.1:6443",
                "certificate-authority-data": "QUE="}}}}],
                "users": [{{"name": "default", "user": {{"client-certificate-data": "QkI=", "client-key-data": "{key}"}}}}]}}"#
        ))
    }

    #[test]
    fn the_address_is_that_of_the_cluster() {
        let text = render(&config("Q0M="), "https://10.0.0.9:6443", "lab").unwrap();
        insta::assert_snapshot!(text.reveal(), @r"
        apiVersion: v1
        kind: Config
        current-context: lab
        clusters:
        - name: lab
          cluster:
            certificate-authority-data: QUE=
            server: https://10.0.0.9:6443
        users:
        - name: lab
          user:
            client-certificate-data: QkI=
            client-key-data: Q0M=
        contexts:
        - name: lab
          context:
            cluster: lab
            user: lab
        ");
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused_and_never_repeated() {
        for json in [
            "hunter2",
            r#"{"clusters": [], "users": []}"#,
            config("a\\nb: hunter2").reveal(),
            config("").reveal(),
        ] {
            let error = render(&Secret::new(json.to_owned()), "https://a:6443", "lab").unwrap_err();
            assert_eq!(error.code(), codes::KUBECONFIG);
            assert!(!format!("{error:?} {:?}", error.causes()).contains("hunter2"), "{error:?}");
        }
        assert!(check_address("https://[fd00::1]:6443").is_ok() && check_address("https://a\nb").is_err());
        assert!(check_name("lab-1.x").is_ok() && check_name("").is_err() && check_name("a: b").is_err());
    }

    #[test]
    fn the_virtual_address_comes_before_that_of_a_server() {
        let mut inventory = inventory(1, 0);
        let node = Node { address: Some("fd00::1".parse().unwrap()), ..server("s1") };
        assert_eq!(address(&inventory, &node).unwrap(), "https://[fd00::1]:6443");
        let mode = VirtualAddressMode::External { port: 443 };
        inventory.cluster.virtual_address = Some(VirtualAddress { host: "api.lab".to_owned(), mode });
        assert_eq!(address(&inventory, &node).unwrap(), "https://api.lab:443");
    }
}
