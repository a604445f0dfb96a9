//! The Node that an agent registers.

use serde_json::{Map, Value, json};

use super::flags::Role;
use super::settings::Settings;
use super::{etcd, removal, version};

/// The object of the node with these settings.
pub fn node(settings: &Settings) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": settings.node_name, "labels": labels(settings), "annotations": annotations(settings)},
        "spec": {"taints": taints(settings)},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": settings.node_ip},
                {"type": "Hostname", "address": settings.node_name},
            ],
            "nodeInfo": {
                "architecture": architecture(),
                "containerRuntimeVersion": "containerd://stand-in",
                "kernelVersion": read("/proc/sys/kernel/osrelease"),
                "kubeletVersion": version::version(),
                "operatingSystem": "linux",
                "osImage": os_image(),
            },
        },
    })
}

/// Applied at every start, over those that are there.
fn labels(settings: &Settings) -> Value {
    let mut labels = Map::new();
    let name = &settings.node_name;
    for (key, value) in [
        ("beta.kubernetes.io/arch", architecture()),
        ("kubernetes.io/arch", architecture()),
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", "k3s"),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
    if settings.role == Role::Server {
        labels.insert("node-role.kubernetes.io/control-plane".to_owned(), json!("true"));
    }
    if has_etcd(settings) {
        labels.insert("node-role.kubernetes.io/etcd".to_owned(), json!("true"));
    }
    for label in settings.all("node-label") {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        labels.insert(key.to_owned(), json!(value));
    }
    Value::Object(labels)
}

fn annotations(settings: &Settings) -> Value {
    match etcd::known_name(&settings.paths) {
        Some(name) if has_etcd(settings) => {
            json!({removal::MEMBER: name, removal::ADDRESS: settings.node_ip})
        }
        _ => json!({}),
    }
}

/// Whether the server keeps its data in etcd; once it does, it does for ever.
pub fn has_etcd(settings: &Settings) -> bool {
    let exists = settings.paths.server("db/etcd").exists();
    settings.role == Role::Server && (settings.is_on("cluster-init") || exists)
}

fn taints(settings: &Settings) -> Vec<Value> {
    settings.all("node-taint").iter().filter_map(|taint| parse_taint(taint)).collect()
}

/// Reads `key=value:Effect`.
pub fn parse_taint(text: &str) -> Option<Value> {
    let (key_value, effect) = text.rsplit_once(':')?;
    let (key, value) = key_value.split_once('=').unwrap_or((key_value, ""));
    Some(json!({"key": key, "value": value, "effect": effect}))
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn os_image() -> String {
    let text = read("/etc/os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

fn read(file: &str) -> String {
    fs_err::read_to_string(file).unwrap_or_default().trim().to_owned()
}
