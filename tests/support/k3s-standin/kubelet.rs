//! Who the kubelet of a node is to the API: its certificate, its kubeconfig, and what it may see.

use reqwest::Method;
use serde_json::{Value, json};

use super::certificates::{self, Clock, NODE};
use super::cluster::Cluster;
use super::kubernetes::Place;
use super::paths::write;
use super::settings::Settings;
use super::supervisor_client::Supervisor;
use super::{Result, Variables};

/// Where a server hands certificates out.
pub const CERTIFICATE: &str = "/v1-k3s/client-kubelet.crt";

/// Where it looks for programs that mount volumes; it makes the directory.
const VOLUME_PLUGINS: &str = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec";

/// What a server hands out. The clock of a server that is ahead shows at its own certificates alone.
pub fn certificate(cluster: &Cluster, node: &str) -> Result<Value> {
    let clock = Clock::new(&Variables::new())?;
    let (certificate, key) = certificates::of_kubelet(&cluster.paths, node, clock)?;
    Ok(json!({"certificate": certificate, "key": key}))
}

/// Writes what a kubelet needs to speak with the server at `url`. The real agent names a balancer of its own there.
pub async fn prepare(settings: &Settings, supervisor: &Supervisor, password: &str) -> Result<()> {
    fs_err::create_dir_all(VOLUME_PLUGINS)?;
    let given = supervisor.given(CERTIFICATE, &settings.node_name, password).await?;
    let text = |name: &str| given[name].as_str().unwrap_or_default();
    let authority = supervisor.authority().await?;
    let file = |name: &str| settings.paths.agent(name);
    write(&file("server-ca.crt"), &authority, 0o600)?;
    write(&file("client-kubelet.crt"), text("certificate").as_bytes(), 0o600)?;
    write(&file("client-kubelet.key"), text("key").as_bytes(), 0o600)?;
    let [authority, certificate, key] =
        ["server-ca.crt", "client-kubelet.crt", "client-kubelet.key"].map(|name| json!(file(name)));
    let server = json!(supervisor.url());
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority: {authority}\n    server: {server}\n  \
         name: local\ncontexts:\n- context:\n    cluster: local\n    namespace: default\n    user: user\n  \
         name: Default\ncurrent-context: Default\nkind: Config\nusers:\n- name: user\n  user:\n    \
         client-certificate: {certificate}\n    client-key: {key}\n"
    );
    write(&file("kubelet.kubeconfig"), text.as_bytes(), 0o600)
}

/// Why this user may not do this, if it is a kubelet: each may see its own node, and that is all that is used here.
pub fn refusal(user: Option<&str>, method: &Method, place: &Place) -> Option<String> {
    let (user, node) = user.and_then(|user| Some((user, user.strip_prefix(NODE)?)))?;
    let name = place.name.as_deref();
    if *method == Method::GET && place.plural == "nodes" && name == Some(node) {
        return None;
    }
    let verb = match (method.as_str(), name) {
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        _ => "patch",
    };
    let what = name.map_or_else(String::new, |name| format!("\"{name}\" "));
    let plural = &place.plural;
    Some(format!(
        "{plural} {what}is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \"\" at the \
         cluster scope"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_sees_its_own_node_and_no_other() {
        let nodes = Place::of_word("nodes", None);
        let refused = |user: &str, method, place: &Place| refusal(Some(user), &method, place);
        let kubelet = "system:node:agent1";
        assert_eq!(refused(kubelet, Method::GET, &nodes.named("agent1")), None);
        assert_eq!(refused("system:admin", Method::DELETE, &nodes.named("agent1")), None);
        assert_eq!(
            refused(kubelet, Method::GET, &nodes.named("server1")).unwrap(),
            "nodes \"server1\" is forbidden: User \"system:node:agent1\" cannot get resource \"nodes\" in API group \
             \"\" at the cluster scope"
        );
        assert!(refused(kubelet, Method::GET, &nodes).unwrap().starts_with("nodes is forbidden"));
        assert!(refused(kubelet, Method::DELETE, &nodes.named("agent1")).is_some());
    }
}
