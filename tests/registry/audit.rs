//! Rules of the distribution specification, and habits of clients, that no other test has. The table in
//! `main.rs` says which rule is tested where.

use std::io::{Read as _, Write as _};

use serde_json::json;

use crate::support::{Answer, Options, Server, descriptor, image};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Sends exactly these bytes, with a token, and reads the answer.
fn raw(server: &Server, head: &str, body: &[u8]) -> Answer {
    let mut stream = server.connect();
    let token = crate::support::TOKEN;
    let head = format!("{head}\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    Answer::read(stream)
}

fn digest(bytes: &[u8]) -> String {
    descriptor("", bytes)["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_body_of_unknown_length_is_taken() {
    let server = Server::start();
    let start = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = start.header("location").unwrap();
    let head = format!("PATCH {location} HTTP/1.1\r\nTransfer-Encoding: chunked");
    let patched = raw(&server, &head, b"4\r\nin c\r\n5\r\nhunks\r\n0\r\n\r\n");
    assert_eq!((patched.status, patched.header("range")), (202, Some("0-8")));
    let target = format!("{location}?digest={}", digest(b"in chunks"));
    assert_eq!(server.privileged("PUT", &target, &[], b"").status, 201);
    // The same for a manifest.
    server.push_blob("a", b"{}");
    let text = image(b"in chunks").to_string();
    let head =
        format!("PUT /v2/a/manifests/1 HTTP/1.1\r\nContent-Type: {MANIFEST}\r\nTransfer-Encoding: chunked");
    let body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    assert_eq!(raw(&server, &head, body.as_bytes()).status, 201);
    assert_eq!(server.get("/v2/a/manifests/1").text(), text);
}

#[test]
fn an_upload_goes_on_after_its_connection_was_lost() {
    let server = Server::start();
    let start = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = start.header("location").unwrap().to_owned();
    let mut stream = server.connect();
    let token = crate::support::TOKEN;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\nlost "
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Half of the connection is enough to know when the server has noticed.
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let status = server.privileged("GET", &location, &[], b"");
    assert_eq!((status.status, status.header("range")), (204, Some("0-4")), "what came is kept");
    let patched = server.privileged("PATCH", &location, &[("Content-Range", "5-13")], b"and found");
    assert_eq!(patched.status, 202, "{}", patched.text());
    let target = format!("{location}?digest={}", digest(b"lost and found"));
    assert_eq!(server.privileged("PUT", &target, &[], b"").status, 201);
}

#[test]
fn every_way_of_uploading_takes_an_empty_blob() {
    let server = Server::start();
    let empty = digest(b"");
    for patch in [false, true] {
        let start = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
        let location = start.header("location").unwrap();
        if patch {
            assert_eq!(server.privileged("PATCH", location, &[], b"").status, 202);
        }
        let target = format!("{location}?digest={empty}");
        assert_eq!(server.privileged("PUT", &target, &[], b"").status, 201);
    }
    let answer = server.get(&format!("/v2/a/blobs/{empty}"));
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
}

#[test]
fn malformed_digests_are_refused_wherever_they_stand() {
    let server = Server::start();
    server.push_image("a", "1", b"layer");
    let long = format!("sha256:{}", "a".repeat(65));
    let upper = format!("sha256:{}", "A".repeat(64));
    for bad in
        ["sha256:baddigeststring", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", &long, &upper, "a:b:c"]
    {
        for target in ["/v2/a/blobs/", "/v2/a/manifests/", "/airlock/v1/blobs/"] {
            let answer = server.get(&format!("{target}{bad}"));
            assert!([400, 404].contains(&answer.status), "{target}{bad}: {}", answer.status);
        }
        let target = format!("/v2/a/blobs/uploads/?digest={bad}");
        assert_eq!(
            server.privileged("POST", &target, &[], b"x").refusal(),
            (400, "DIGEST_INVALID".to_owned())
        );
        let target = format!("/v2/a/blobs/uploads/?mount={bad}&from=a");
        assert_eq!(
            server.privileged("POST", &target, &[], b"").refusal(),
            (400, "DIGEST_INVALID".to_owned())
        );
        assert_eq!(server.privileged("DELETE", &format!("/v2/a/blobs/{bad}"), &[], b"").status, 400);
    }
}

#[test]
fn names_outside_the_grammar_are_refused() {
    let server = Server::start();
    for name in ["A", "a//b", "-a", "a-", "a..b", "a___b", "_a", "a/_b", "a.-b", &"a".repeat(256)] {
        for (method, target) in [
            ("GET", format!("/v2/{name}/manifests/1")),
            ("GET", format!("/v2/{name}/tags/list")),
            ("POST", format!("/v2/{name}/blobs/uploads/")),
        ] {
            let answer = server.privileged(method, &target, &[], b"");
            assert!([400, 404].contains(&answer.status), "{method} {target}: {}", answer.status);
        }
    }
    for tag in [".a", "-a", "a%2Fb", "a%00b", &"a".repeat(129)] {
        let answer = server.get(&format!("/v2/a/manifests/{tag}"));
        assert!([400, 404].contains(&answer.status), "{tag}: {}", answer.status);
    }
    for name in ["a.b_c__d-e--f/g0", &"a".repeat(255)] {
        assert_eq!(
            server.privileged("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"").status,
            202,
            "{name}"
        );
    }
}

#[test]
fn every_refusal_has_the_form_of_the_specification() {
    let server = Server::start();
    for (method, target) in [
        ("GET", "/v2/a/manifests/1"),
        ("GET", "/v2/A/manifests/1"),
        ("GET", "/nowhere"),
        ("PATCH", "/v2/a/manifests/1"),
        ("GET", "/v2/a/blobs/sha256:bad"),
        ("POST", "/v2/a/blobs/uploads/?digest=bad"),
    ] {
        let answer = server.privileged(method, target, &[], b"");
        let error = &answer.json()["errors"][0];
        assert!(
            answer.status >= 400 && error["code"].is_string() && error["message"].is_string(),
            "{target}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(method != "PATCH" || answer.header("allow").is_some());
    }
}

#[test]
fn containerd_finds_what_it_asks_for() {
    let server = Server::start();
    let manifest = server.push_image("docker.io!library/x", "1", b"layer");
    let layer = digest(b"layer");
    // By tag: the three headers without which it would ask again with GET.
    let head = server.ask(
        "HEAD",
        "/v2/library/x/manifests/1?ns=docker.io",
        &[("Accept", &format!("{MANIFEST}, */*"))],
        b"",
    );
    for name in ["content-type", "docker-content-digest", "content-length"] {
        assert!(head.header(name).is_some(), "{name}");
    }
    // By digest: first as a manifest, then as a blob. Each kind is found as what it is.
    let ask = |kind: &str, digest: &str| {
        server.ask("HEAD", &format!("/v2/library/x/{kind}/{digest}?ns=docker.io"), &[], b"").status
    };
    assert_eq!((ask("manifests", &manifest), ask("blobs", &manifest)), (200, 200));
    assert_eq!((ask("manifests", &layer), ask("blobs", &layer)), (404, 200));
    // Layers are never compressed on the way, whatever it says it could undo.
    let accept = ("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5");
    let target = format!("/v2/library/x/blobs/{layer}?ns=docker.io");
    let whole = server.ask("GET", &target, &[accept, ("Range", "bytes=0-")], b"");
    assert_eq!((whole.status, whole.text().as_str(), whole.header("content-encoding")), (206, "layer", None));
}

#[test]
fn containerd_pushes_with_a_namespace() {
    let server = Server::start();
    let layer = digest(b"layer");
    for bytes in [&b"layer"[..], b"{}"] {
        let digest = digest(bytes);
        let target = format!("/v2/x/blobs/{digest}?ns=ghcr.io");
        assert_eq!(server.ask("HEAD", &target, &[], b"").status, 404);
        let target = format!("/v2/x/blobs/uploads/?mount={digest}&from=y&ns=ghcr.io");
        let start = server.privileged("POST", &target, &[], b"");
        assert_eq!(start.status, 202, "what cannot be mounted is uploaded");
        let location = start.header("location").unwrap();
        let put = server.privileged("PUT", &format!("{location}&digest={digest}"), &[], bytes);
        assert_eq!(put.status, 201, "{}", put.text());
    }
    let text = image(b"layer").to_string();
    let put = server.privileged(
        "PUT",
        "/v2/x/manifests/1?ns=ghcr.io",
        &[("Content-Type", MANIFEST)],
        text.as_bytes(),
    );
    assert_eq!(put.status, 201);
    assert_eq!(server.get("/v2/ghcr.io/x/manifests/1").text(), text);
    assert_eq!(server.get(&format!("/v2/ghcr.io/x/blobs/{layer}")).text(), "layer");
}

#[test]
fn a_repository_with_blobs_alone_has_no_tags() {
    let server = Server::start();
    server.push_blob("a", b"layer");
    let answer = server.get("/v2/a/tags/list");
    assert_eq!((answer.status, answer.json()), (200, json!({"name": "a", "tags": []})));
}

#[test]
fn an_index_may_name_what_is_not_there() {
    let server = Server::start();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"licensed"),
        descriptor("application/vnd.example.unknown", b"unknown")]});
    server.push_manifest("a", "1", &index);
    assert_eq!(server.get("/v2/a/manifests/1").text(), index.to_string());
}

#[test]
fn what_was_deleted_can_be_pushed_again() {
    let server = Server::start();
    let first = server.push_image("a", "1", b"first");
    assert_eq!(server.privileged("DELETE", &format!("/v2/a/manifests/{first}"), &[], b"").status, 202);
    assert_eq!(server.ask("HEAD", "/v2/a/manifests/1", &[], b"").status, 404);
    let second = server.push_image("a", "1", b"second");
    assert_eq!(server.get("/v2/a/manifests/1").header("docker-content-digest"), Some(second.as_str()));
    assert_eq!(server.push_image("a", "old", b"first"), first);
    assert_eq!(server.get(&format!("/v2/a/manifests/{first}")).status, 200);
}

#[test]
fn who_may_not_read_learns_nothing_of_blobs_of_others() {
    let server = Server::with(Options { anonymous_pull: false, ..Options::default() });
    let there = server.push_blob("secret", b"layer");
    let missing = digest(b"missing");
    for digest in [&there, &missing] {
        for (method, target) in [
            ("HEAD", format!("/v2/secret/blobs/{digest}")),
            ("HEAD", format!("/v2/mine/blobs/{digest}")),
            ("POST", format!("/v2/mine/blobs/uploads/?mount={digest}&from=secret")),
            ("GET", format!("/airlock/v1/blobs/{digest}")),
        ] {
            assert_eq!(server.ask(method, &target, &[], b"").status, 401, "{method} {target}");
        }
    }
    // Also for those who may, a blob belongs to the repositories that have it.
    assert_eq!(server.privileged("GET", &format!("/v2/secret/blobs/{there}"), &[], b"").status, 200);
    assert_eq!(server.privileged("GET", &format!("/v2/mine/blobs/{there}"), &[], b"").status, 404);
}

#[test]
fn a_manifest_of_four_mebibytes_fits() {
    let server = Server::start();
    let index = |padding: usize| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"p": "x".repeat(padding)}})
            .to_string()
    };
    let text = index(4 * 1024 * 1024 - index(0).len());
    assert_eq!(text.len(), 4 * 1024 * 1024);
    let put = server.privileged("PUT", "/v2/a/manifests/1", &[("Content-Type", INDEX)], text.as_bytes());
    assert_eq!(put.status, 201, "{}", put.text());
    assert!(server.get("/v2/a/manifests/1").text() == text);
}

#[test]
fn several_requests_share_a_connection() {
    let server = Server::start();
    let manifest = server.push_image("a", "1", b"layer");
    let mut stream = server.connect();
    // The second is on its way before the first is answered; a refusal does not end the connection.
    let requests = "GET /v2/a/manifests/9 HTTP/1.1\r\nHost: x\r\n\r\n\
        HEAD /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("HTTP/1.1 200 OK"), "{text}");
    assert!(text.contains(&manifest));
}
