//! Pushing manifests.

use serde_json::json;

use crate::support::{Answer, Server, descriptor, image};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn put(server: &Server, reference: &str, media_type: &str, bytes: &[u8]) -> Answer {
    let target = format!("/v2/a/manifests/{reference}");
    server.privileged("PUT", &target, &[("Content-Type", media_type)], bytes)
}

#[test]
fn a_manifest_whose_blobs_are_missing_is_refused_by_name() {
    let server = Server::start();
    server.push_blob("a", b"{}");
    let answer = put(&server, "1", MANIFEST, image(b"missing").to_string().as_bytes());
    assert_eq!(answer.refusal(), (404, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    let missing = descriptor("", b"missing")["digest"].clone();
    assert_eq!(answer.json()["errors"][0]["detail"], json!([missing]));
    assert_eq!(server.get("/v2/a/manifests/1").status, 404);
}

#[test]
fn indexes_may_be_nested_empty_and_sparse() {
    let server = Server::start();
    let inner = server.push_image("a", "inner", b"layer");
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": inner, "size": 1}, descriptor(MANIFEST, b"of another platform")]});
    let index_digest = server.push_manifest("a", "index", &index);
    let nested = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": INDEX, "digest": index_digest, "size": 1}]});
    server.push_manifest("a", "nested", &nested);
    let empty = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    server.push_manifest("a", "empty", &empty);
    for (tag, document) in [("index", index), ("nested", nested), ("empty", empty)] {
        let answer = server.get(&format!("/v2/a/manifests/{tag}"));
        assert_eq!((answer.text(), answer.header("content-type")), (document.to_string(), Some(INDEX)));
    }
}

#[test]
fn layers_that_must_not_be_distributed_may_be_missing() {
    let server = Server::start();
    server.push_blob("a", b"{}");
    let mut manifest = image(b"x");
    let layer = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"licensed");
    manifest["layers"] = json!([layer]);
    server.push_manifest("a", "1", &manifest);
}

#[test]
fn docker_manifests_are_taken_as_they_are() {
    let server = Server::start();
    server.push_blob("a", b"{}");
    server.push_blob("a", b"layer");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let mut manifest = image(b"layer");
    manifest["mediaType"] = json!(docker);
    server.push_manifest("a", "1", &manifest);
    assert_eq!(server.get("/v2/a/manifests/1").header("content-type"), Some(docker));
}

#[test]
fn manifests_are_large_but_not_too_large() {
    let server = Server::start();
    server.push_blob("a", b"{}");
    server.push_blob("a", b"layer");
    let manifest = |length: usize| {
        let mut manifest = image(b"layer");
        manifest["annotations"] = json!({"long": ""});
        let missing = length - manifest.to_string().len();
        manifest["annotations"] = json!({"long": "x".repeat(missing)});
        manifest.to_string().into_bytes()
    };
    let large = manifest(3_900_000);
    assert_eq!(put(&server, "large", MANIFEST, &large).status, 201);
    assert!(server.get("/v2/a/manifests/large").body == large);
    assert_eq!(
        put(&server, "too-large", MANIFEST, &manifest(4 * 1024 * 1024 + 1)).refusal(),
        (413, "SIZE_INVALID".to_owned())
    );
}

#[test]
fn what_is_no_manifest_is_refused() {
    let server = Server::start();
    server.push_image("a", "1", b"layer");
    let invalid = (400, "MANIFEST_INVALID".to_owned());
    assert_eq!(put(&server, "2", MANIFEST, b"not json").refusal(), invalid);
    assert_eq!(put(&server, "2", MANIFEST, b"").refusal(), invalid);
    let text = image(b"layer").to_string();
    assert_eq!(server.privileged("PUT", "/v2/a/manifests/2", &[], text.as_bytes()).refusal(), invalid);
    let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(put(&server, wrong, MANIFEST, text.as_bytes()).refusal(), (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(put(&server, "-x", MANIFEST, text.as_bytes()).refusal(), (400, "TAG_INVALID".to_owned()));
}

#[test]
fn a_subject_is_acknowledged_whether_it_exists_or_not() {
    let server = Server::start();
    server.push_blob("a", b"{}");
    server.push_blob("a", b"signature");
    let mut signature = image(b"signature");
    signature["subject"] = descriptor(MANIFEST, b"not pushed yet");
    let answer = put(&server, "sig", MANIFEST, signature.to_string().as_bytes());
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("oci-subject"), signature["subject"]["digest"].as_str());
}
