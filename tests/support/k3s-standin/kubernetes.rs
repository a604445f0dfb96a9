//! Names of the Kubernetes API: where objects lie, and what they say of themselves.

use serde_json::{Value, json};

/// Where an object or a collection lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `v1` or `GROUP/VERSION`.
    pub group_version: String,
    /// None for what has no namespace, and for a collection of all namespaces.
    pub namespace: Option<String>,
    /// Such as `pods`.
    pub plural: String,
    /// None for a collection.
    pub name: Option<String>,
}

/// Kinds without a namespace, by their plural.
const CLUSTER_WIDE: &[&str] = &[
    "clusterrolebindings",
    "clusterroles",
    "customresourcedefinitions",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "priorityclasses",
    "runtimeclasses",
    "storageclasses",
];

impl Place {
    /// Reads a path such as `/apis/apps/v1/namespaces/default/deployments/web`; a subresource is left out.
    pub fn parse(path: &str) -> Option<Place> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group_version, rest) = match segments[..] {
            ["api", version, ref rest @ ..] => (version.to_owned(), rest),
            ["apis", group, version, ref rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, rest) = match *rest {
            ["namespaces", namespace, ref rest @ ..] if !rest.is_empty() => {
                (Some(namespace.to_owned()), rest)
            }
            _ => (None, rest),
        };
        let (plural, rest) = rest.split_first()?;
        let name = rest.first().map(|name| (*name).to_owned());
        Some(Place { group_version, namespace, plural: (*plural).to_owned(), name })
    }

    /// Of the collection that a manifest belongs to, and its name.
    pub fn of_manifest(manifest: &Value) -> Option<Place> {
        let plural = plural(manifest["kind"].as_str()?);
        let is_cluster_wide = CLUSTER_WIDE.contains(&plural.as_str());
        let namespace = manifest["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        Some(Place {
            group_version: manifest["apiVersion"].as_str()?.to_owned(),
            namespace: (!is_cluster_wide).then_some(namespace),
            plural,
            name: Some(manifest["metadata"]["name"].as_str()?.to_owned()),
        })
    }

    /// Of a kind that `kubectl` is told, such as `node`, `pods` or `deploy`.
    pub fn of_word(word: &str, namespace: Option<&str>) -> Place {
        let (group_version, plural) = match word {
            "no" | "node" | "nodes" => ("v1", "nodes"),
            "po" | "pod" | "pods" => ("v1", "pods"),
            "ns" | "namespace" | "namespaces" => ("v1", "namespaces"),
            "cm" | "configmap" | "configmaps" => ("v1", "configmaps"),
            "secret" | "secrets" => ("v1", "secrets"),
            "svc" | "service" | "services" => ("v1", "services"),
            "deploy" | "deployment" | "deployments" => ("apps/v1", "deployments"),
            "ds" | "daemonset" | "daemonsets" => ("apps/v1", "daemonsets"),
            "job" | "jobs" => ("batch/v1", "jobs"),
            "lease" | "leases" => ("coordination.k8s.io/v1", "leases"),
            "pdb" | "poddisruptionbudget" | "poddisruptionbudgets" => ("policy/v1", "poddisruptionbudgets"),
            "runtimeclass" | "runtimeclasses" => ("node.k8s.io/v1", "runtimeclasses"),
            "addon" | "addons" => ("k3s.cattle.io/v1", "addons"),
            other => ("v1", other),
        };
        let namespace = namespace.filter(|_| !CLUSTER_WIDE.contains(&plural)).map(str::to_owned);
        Place { group_version: group_version.to_owned(), namespace, plural: plural.to_owned(), name: None }
    }

    /// The object with this name in the same collection.
    pub fn named(&self, name: &str) -> Place {
        Place { name: Some(name.to_owned()), ..self.clone() }
    }

    /// The path of the API.
    pub fn path(&self) -> String {
        let root = if self.group_version.contains('/') { "apis" } else { "api" };
        let namespace = self.namespace.iter().map(|namespace| format!("/namespaces/{namespace}"));
        let name = self.name.iter().map(|name| format!("/{name}"));
        let (namespace, name): (String, String) = (namespace.collect(), name.collect());
        format!("/{root}/{}{namespace}/{}{name}", self.group_version, self.plural)
    }
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.as_bytes() {
        [.., b's'] => format!("{kind}es"),
        [.., b'c', b'y'] | [.., b't', b'y'] => format!("{}ies", &kind[..kind.len() - 1]),
        _ => format!("{kind}s"),
    }
}

/// An answer that is no object (`meta/v1.Status`).
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code})
}

/// Lays a JSON merge patch over an object (RFC 7396).
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, change) in changes {
        match (change, object.as_object_mut()) {
            (Value::Null, Some(entries)) => drop(entries.remove(key)),
            _ => merge(&mut object[key], change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_places_are_the_same_thing() {
        for path in [
            "/api/v1/nodes",
            "/api/v1/nodes/server1",
            "/api/v1/namespaces",
            "/api/v1/namespaces/kube-system",
            "/api/v1/namespaces/kube-system/pods/coredns-0",
            "/apis/apps/v1/namespaces/default/deployments",
            "/apis/apps/v1/daemonsets",
        ] {
            assert_eq!(Place::parse(path).unwrap().path(), path);
        }
        assert_eq!(Place::parse("/healthz"), None);
        let manifest =
            json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}});
        let place = Place::of_manifest(&manifest).unwrap();
        assert_eq!(place.path(), "/apis/node.k8s.io/v1/runtimeclasses/nvidia");
        let manifest =
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}});
        let place = Place::of_manifest(&manifest).unwrap();
        assert_eq!(place.path(), "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/x");
    }

    #[test]
    fn patches_are_merged_as_in_the_rfc() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut object, &json!({"a": {"b": null, "e": {"f": 3}}, "d": [2], "g": 4}));
        assert_eq!(object, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2], "g": 4}));
    }
}
