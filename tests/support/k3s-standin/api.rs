//! Port 6443: what nodes ask a server, and the part of the Kubernetes API that is used here.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kubernetes::{Place, status};
use super::tls::Peer;
use super::{
    agent, etcd_snapshot, eviction, join, kubelet, members, removal, service_accounts, snapshots, version,
};

/// Larger objects are refused, as by etcd.
const LARGEST_OBJECT: usize = 1024 * 1024;

/// Everything that is served.
pub fn router(cluster: Arc<Cluster>) -> Router {
    Router::new()
        .route("/ping", get(|| async { "pong" }))
        .route("/cacerts", get(authority))
        .fallback(answer)
        .with_state(cluster)
}

async fn authority(State(cluster): State<Arc<Cluster>>) -> Response {
    match fs_err::read(cluster.paths.server("tls/server-ca.crt")) {
        Ok(certificate) => certificate.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn answer(
    State(cluster): State<Arc<Cluster>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let user = user(&cluster, peer, &parts.headers);
    if user.is_none() {
        return failure(401, "Unauthorized", "Unauthorized");
    }
    let path = parts.uri.path();
    match path {
        "/readyz" | "/readyz/etcd" if !cluster.has_quorum() => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "[-]etcd failed: reason withheld\n").into_response();
        }
        "/v1-k3s/server-bootstrap" | "/v1-k3s/stand-in/state" => {
            return for_servers(&cluster, path, user.as_deref());
        }
        members::NEWS => return news(&cluster, user.as_deref(), body).await,
        etcd_snapshot::PATH => return snapshot(&cluster, user.as_deref(), body).await,
        "/readyz" | "/readyz/etcd" | "/livez" | "/healthz" | "/v1-k3s/readyz" => return "ok".into_response(),
        "/version" => {
            return document(200, &json!({"gitVersion": version::version(), "platform": "stand-in"}));
        }
        agent::CONFIGURATION | kubelet::CERTIFICATE => {
            return for_nodes(&cluster, path, &parts.headers).await;
        }
        _ => {}
    }
    let Some(place) = Place::parse(path) else {
        return failure(404, "NotFound", "the server could not find the requested resource");
    };
    if let Some(refusal) = kubelet::refusal(user.as_deref(), &parts.method, &place) {
        return failure(403, "Forbidden", &refusal);
    }
    let Ok(bytes) = to_bytes(body, LARGEST_OBJECT).await else {
        return failure(413, "RequestEntityTooLarge", "etcdserver: request is too large");
    };
    let object = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if let (&Method::PUT, "members", Some(name)) = (&parts.method, place.plural.as_str(), &place.name)
        && let Some(refusal) = members::refusal(&cluster, name)
    {
        return failure(503, "ServiceUnavailable", refusal);
    }
    if !cluster.has_quorum() {
        return failure(503, "ServiceUnavailable", "etcdserver: no leader");
    }
    if path.ends_with("/eviction")
        && let Some(refusal) = eviction::refusal(&cluster, &place)
    {
        return failure(429, "TooManyRequests", refusal);
    }
    if parts.method == Method::POST
        && place.name.is_none()
        && let Some(refusal) = service_accounts::refusal(&cluster, &place, &object)
    {
        return failure(403, "Forbidden", &refusal);
    }
    let changes_state = parts.method != Method::GET && place.plural != "leases";
    if let (true, Some(leader)) = (changes_state, cluster.other_leader()) {
        return match members::forward(&cluster, &leader, parts.method, &place.path(), &object).await {
            Ok(answer) => found(&place, answer),
            Err(error) => failure(503, "ServiceUnavailable", &format!("etcdserver: {error}")),
        };
    }
    let answer = act(&cluster, &parts.method, &place, object);
    if changes_state {
        members::replicate(&cluster).await;
    }
    answer
}

/// The leader tells what it has changed.
async fn news(cluster: &Cluster, user: Option<&str>, body: Body) -> Response {
    if user != Some("server") {
        return failure(403, "Forbidden", "not authorized");
    }
    let state = to_bytes(body, usize::MAX).await.map_err(Into::into);
    let state = state.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    match state.and_then(|state: Value| cluster.adopt(&state)) {
        Ok(true) => document(200, &json!({})),
        Ok(false) => failure(412, "Conflict", "cluster ID mismatch"),
        Err(error) => failure(400, "BadRequest", &error.to_string()),
    }
}

/// What `k3s etcd-snapshot` asks for.
async fn snapshot(cluster: &Cluster, user: Option<&str>, body: Body) -> Response {
    if !matches!(user, Some("server" | "system:admin")) {
        return failure(403, "Forbidden", "not authorized");
    }
    let bytes = to_bytes(body, LARGEST_OBJECT).await.unwrap_or_default();
    let request: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let result = if cluster.has_etcd {
        snapshots::answer(cluster, &request)
    } else {
        Err("etcd datastore disabled".into())
    };
    match result {
        Ok(answer) => document(200, &answer),
        Err(error) => failure(500, "InternalError", &error.to_string()),
    }
}

/// What only servers are told.
fn for_servers(cluster: &Cluster, path: &str, user: Option<&str>) -> Response {
    let has_etcd = !members::all(&cluster.datastore).is_empty();
    match (user, path) {
        (Some("server"), "/v1-k3s/stand-in/state") => document(200, &cluster.state()),
        (Some("server"), _) if has_etcd => match join::bootstrap(cluster) {
            Ok(bootstrap) => document(200, &bootstrap),
            Err(error) => failure(503, "ServiceUnavailable", &error.to_string()),
        },
        (Some("server"), _) => failure(404, "NotFound", "this server has no etcd"),
        _ => failure(403, "Forbidden", "not authorized"),
    }
}

/// By certificate the administrator or a kubelet, by token a node or server.
fn user(cluster: &Cluster, peer: Peer, headers: &HeaderMap) -> Option<String> {
    if peer.user.is_some() {
        return peer.user;
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    cluster.credentials.allow(user, password).then(|| user.to_owned())
}

/// What an agent needs to begin; checks that its name is its own.
async fn for_nodes(cluster: &Cluster, path: &str, headers: &HeaderMap) -> Response {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (node, password) = (value("k3s-node-name"), value("k3s-node-password"));
    // A name that is new is remembered, which is a change; one that is taken is refused below.
    if let Some(leader) = cluster.other_leader()
        && let Err(error) = members::introduce(cluster, &leader, node, password).await
        && !error.to_string().starts_with("Node password rejected")
    {
        return failure(503, "ServiceUnavailable", &format!("etcdserver: {error}"));
    }
    if let Err(refusal) = cluster.check_node_password(node, password) {
        return (StatusCode::FORBIDDEN, refusal).into_response();
    }
    if path != kubelet::CERTIFICATE {
        return document(200, &json!({"ClusterDNS": "10.43.0.10", "ClusterDomain": "cluster.local"}));
    }
    match kubelet::certificate(cluster, node) {
        Ok(given) => document(200, &given),
        Err(error) => failure(500, "InternalError", &error.to_string()),
    }
}

fn act(cluster: &Cluster, method: &Method, place: &Place, object: Value) -> Response {
    let is_node = place.plural == "nodes";
    let datastore = &cluster.datastore;
    match (method.as_str(), &place.name) {
        ("PUT", Some(name)) if place.plural == "leases" => {
            cluster.renew_lease(name);
            document(200, &object)
        }
        ("GET", Some(name)) if place.plural == "leases" => {
            let mut leases = cluster.leases().into_iter();
            found(place, leases.find(|lease| lease["metadata"]["name"] == name.as_str()))
        }
        ("GET", None) => {
            let items = match place.plural.as_str() {
                "nodes" => cluster.nodes(),
                "leases" => cluster.leases(),
                _ => datastore.list(place),
            };
            document(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
        }
        ("GET", Some(_)) => {
            found(place, datastore.get(place).map(|object| decorate(cluster, is_node, object)))
        }
        ("POST", None) => match object["metadata"]["name"].as_str().map(|name| place.named(name)) {
            Some(place) if datastore.get(&place).is_some() => already_exists(&place),
            Some(place) => document(201, &datastore.put(&place, object.clone())),
            None => {
                failure(422, "Invalid", "metadata.name: Required value: name or generateName is required")
            }
        },
        ("PUT", Some(_)) => document(200, &datastore.put(place, object)),
        ("PATCH", Some(_)) => found(place, datastore.patch(place, &object)),
        ("DELETE", Some(name)) => {
            let deleted = datastore.delete(place);
            if let (true, Some(node)) = (is_node, &deleted) {
                cluster.end_lease(name);
                removal::after_deletion(cluster, node);
            }
            found(place, deleted)
        }
        // An eviction that nothing speaks against is a deletion.
        ("POST", Some(_)) if place.plural == "pods" => found(place, datastore.delete(place)),
        _ => failure(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
    }
}

fn decorate(cluster: &Cluster, is_node: bool, object: Value) -> Value {
    if is_node { cluster.with_conditions(object) } else { object }
}

fn found(place: &Place, object: Option<Value>) -> Response {
    let name = place.name.as_deref().unwrap_or_default();
    match object {
        Some(object) => document(200, &object),
        None => failure(404, "NotFound", &format!("{} \"{name}\" not found", place.plural)),
    }
}

fn already_exists(place: &Place) -> Response {
    let name = place.name.as_deref().unwrap_or_default();
    failure(409, "AlreadyExists", &format!("{} \"{name}\" already exists", place.plural))
}

fn failure(code: u16, reason: &str, message: &str) -> Response {
    document(code, &status(code, reason, message))
}

fn document(code: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
