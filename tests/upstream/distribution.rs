//! Registries that lack things, send the wrong ones, or hide behind mirrors (rows 77, 81, 88).

use std::collections::BTreeMap;

use airlock::error::codes;
use airlock::fetch::{Client, Settings, download};
use airlock::oci::digest::Digest;
use airlock::oci::reference::Reference;
use airlock::oci::registry::Registry;

use crate::common::{Listener, Memory, content, expect, mirrored, plain, quick};
use crate::misbehaving::{Seen, Server, Step, answer, cut, head, rest};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BODY: &[u8] = b"{\"schemaVersion\":2}";

fn registry(server: &Server) -> Registry {
    Registry::new(Client::new(plain(&[server.host()])))
}

fn reference(server: &Server, version: &str) -> Reference {
    format!("{}/a/b{version}", server.host()).parse().unwrap()
}

fn document(media_type: &str, body: &[u8]) -> Vec<Step> {
    answer("200 OK", &[("Content-Type", media_type)], body)
}

fn digest_headers(body: &[u8]) -> Vec<Step> {
    let (digest, length) = (Digest::of(body).to_string(), body.len().to_string());
    let headers =
        [("Content-Type", OCI_MANIFEST), ("Docker-Content-Digest", &*digest), ("Content-Length", &*length)];
    vec![Step::Send(head("200 OK", &headers))]
}

#[tokio::test]
async fn a_tag_is_resolved_by_head_alone_where_the_registry_says_everything() {
    let server = Server::start(|_, _| digest_headers(BODY));
    let resolved = registry(&server).resolve(&reference(&server, ":1")).await.unwrap();
    assert_eq!((resolved.digest, resolved.size, resolved.bytes), (Digest::of(BODY), BODY.len() as u64, None));
    assert_eq!(resolved.media_type, OCI_MANIFEST);
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].path.as_str()), (1, "/v2/a/b/manifests/1"));
    assert!(seen[0].header("accept").unwrap().contains(OCI_INDEX));
}

#[tokio::test]
async fn a_tag_is_resolved_by_get_where_head_says_too_little() {
    for (case, to_head) in [
        ("no digest", document(OCI_MANIFEST, b"")),
        ("malformed digest", answer("200 OK", &[("Docker-Content-Digest", "sha256:x")], b"")),
        ("HEAD unknown", answer("405 Method Not Allowed", &[], b"")),
    ] {
        let server = Server::start(move |request, _| match request.method.as_str() {
            "HEAD" => to_head.clone(),
            _ => document(OCI_MANIFEST, BODY),
        });
        let resolved = registry(&server).resolve(&reference(&server, ":1")).await.expect(case);
        assert_eq!((resolved.digest, resolved.bytes.as_deref()), (Digest::of(BODY), Some(BODY)), "{case}");
    }
}

#[tokio::test]
async fn what_does_not_have_its_digest_is_corrupt() {
    // 77
    let server = Server::start(|request, _| match request.method.as_str() {
        "HEAD" => digest_headers(b"other"),
        _ => document(OCI_MANIFEST, b"other"),
    });
    let pinned = reference(&server, &format!(":1@{}", Digest::of(BODY)));
    let error = registry(&server).resolve(&pinned).await.unwrap_err();
    expect("resolve", &error, codes::OCI_DIGEST_MISMATCH, 4, &Digest::of(b"other").to_string());
    let error = registry(&server).manifest(&server.host(), "a/b", Digest::of(BODY)).await.unwrap_err();
    expect("manifest", &error, codes::OCI_DIGEST_MISMATCH, 4, &Digest::of(BODY).to_string());
}

#[tokio::test]
async fn documents_that_are_none_are_refused() {
    let large = || vec![Step::Send(head("200 OK", &[("Content-Length", "52428800")])), Step::Stall];
    let endless = || vec![Step::Send(head("200 OK", &[])), Step::Endless];
    let missing = || {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        answer("404 Not Found", &[("Content-Type", "application/json")], body)
    };
    for (case, steps, code, exit_status, text) in [
        ("88: 50 MB", large(), codes::OCI_DOCUMENT, 3, "more than 4 MiB"),
        ("A23: endless", endless(), codes::OCI_DOCUMENT, 3, "more than 4 MiB"),
        ("81: login page", document("text/html", b"<html>"), codes::FETCH_WEB_PAGE, 8, "is a web page"),
        ("missing", missing(), codes::FETCH_NOT_FOUND, 8, "the server says: manifest unknown"),
    ] {
        let server = Server::start(move |_, _| steps.clone());
        let error =
            registry(&server).manifest(&server.host(), "a/b", Digest::of(BODY)).await.expect_err(case);
        expect(case, &error, code, exit_status, text);
    }
}

/// The origin with mirrors before it.
fn behind(mirrors: Vec<String>, origin: &Server, listener: &std::sync::Arc<Listener>) -> Client {
    let mut hosts = BTreeMap::new();
    for mirror in &mirrors {
        mirrored(&mut hosts, mirror, Vec::new());
    }
    mirrored(&mut hosts, &origin.host(), mirrors);
    Client::new(Settings { hosts, progress: listener.clone(), ..quick() })
}

#[tokio::test]
async fn mirrors_are_asked_first_and_the_host_last() {
    let lacking = Server::start(|_, _| answer("404 Not Found", &[], b""));
    let lying = Server::start(|_, _| document(OCI_MANIFEST, b"other"));
    let origin = Server::start(|_, _| document(OCI_MANIFEST, BODY));
    let listener = Listener::new();
    let client = behind(vec![lacking.host(), lying.host()], &origin, &listener);
    let bytes = Registry::new(client).manifest(&origin.host(), "a/b", Digest::of(BODY)).await.unwrap();
    assert_eq!(bytes, BODY);
    let ns = format!("?ns=127.0.0.1%3A{}", origin.port);
    let path = format!("/v2/a/b/manifests/{}", Digest::of(BODY));
    assert_eq!(lacking.seen()[0].path, format!("{path}{ns}"));
    assert_eq!(lying.seen()[0].path, format!("{path}{ns}"));
    assert_eq!(origin.seen()[0].path, path);
}

#[tokio::test]
async fn a_mirror_that_is_down_is_asked_no_more() {
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let origin = Server::start(|_, _| document(OCI_MANIFEST, BODY));
    let listener = Listener::new();
    let registry = Registry::new(behind(vec![down.clone()], &origin, &listener));
    for _ in 0..3 {
        registry.manifest(&origin.host(), "a/b", Digest::of(BODY)).await.unwrap();
    }
    let warnings = listener.warnings();
    let told = format!("mirror {down} is not asked any more");
    assert_eq!(warnings.matches(&told).count(), 1, "{warnings}");
    assert_eq!(warnings.lines().count(), 2, "one retry, one farewell: {warnings}");
}

/// The usual situation behind a proxy cache: signatures are asked for, the mirror has none, and the origin
/// is out of reach.
#[tokio::test]
async fn what_a_mirror_lacks_is_absent_when_the_origin_is_out_of_reach_and_it_need_not_exist() {
    let mirror = Server::start(|_, _| answer("404 Not Found", &[], b""));
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listener = Listener::new();
    let mut hosts = BTreeMap::new();
    mirrored(&mut hosts, &mirror.host(), Vec::new());
    mirrored(&mut hosts, &origin, vec![mirror.host()]);
    let registry = Registry::new(Client::new(Settings { hosts, progress: listener.clone(), ..quick() }));
    assert_eq!(registry.referrers(&origin, "a/b", Digest::of(BODY)).await.unwrap(), []);
    assert!(listener.warnings().contains("taken for absent"), "{}", listener.warnings());
    // The image itself must exist, so there the same is a failure.
    let error = registry.resolve(&format!("{origin}/a/b:1").parse().unwrap()).await.unwrap_err();
    expect("image", &error, codes::FETCH_CONNECT, 8, "could not be fetched from any of 2 servers");
}

#[tokio::test]
async fn when_all_fail_each_is_listed() {
    let lacking = Server::start(|_, _| answer("404 Not Found", &[], b""));
    let broken = Server::start(|_, _| answer("500 Internal Server Error", &[], b""));
    let origin = Server::start(|_, _| answer("404 Not Found", &[], b""));
    let client = behind(vec![lacking.host(), broken.host()], &origin, &Listener::new());
    let error = Registry::new(client).resolve(&reference(&origin, ":1")).await.unwrap_err();
    expect("all", &error, codes::FETCH_NOT_FOUND, 8, "could not be fetched from any of 3 servers");
    for (server, text) in [(&lacking, "404"), (&broken, "500"), (&origin, "404")] {
        let line = error.details().iter().find(|line| line.starts_with(&server.host())).expect(text);
        assert!(line.contains(text), "{line}");
    }
}

#[tokio::test]
async fn a_blob_is_continued_from_the_next_server() {
    let body = content(300_000);
    let broken = |request: &Seen, _| match request.start() {
        0 => cut(&content(300_000), 100_000, &[], Some(Step::Reset)),
        _ => vec![Step::Reset],
    };
    let (mirror, origin) =
        (Server::start(broken), Server::start(|request, _| rest(&content(300_000), request.start(), &[])));
    let listener = Listener::new();
    let client = behind(vec![mirror.host()], &origin, &listener);
    let location = Registry::new(client.clone()).blob(&origin.host(), "a/b", Digest::of(&body)).unwrap();
    let mut sink = Memory::default();
    download(&client, &location, Some(300_000), 300_000, &mut sink, &*listener).await.unwrap();
    assert!(sink.bytes == body && sink.restarts == 0);
    assert!(origin.seen()[0].start() > 0);
    assert_eq!(listener.advanced(), 300_000);
}

fn listing(entries: &[(&[u8], &str)]) -> Vec<u8> {
    let manifests: Vec<_> = entries
        .iter()
        .map(|(body, kind)| {
            let digest = Digest::of(body).to_string();
            serde_json::json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": body.len(), "artifactType": kind})
        })
        .collect();
    let list = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    list.to_string().into_bytes()
}

#[tokio::test]
async fn referrers_come_from_the_api_and_from_the_tags_of_cosign() {
    let subject = Digest::of(BODY);
    let server = Server::start(move |request, _| {
        let path = request.path.as_str();
        if path == format!("/v2/a/b/referrers/{subject}") {
            let next =
                [("Content-Type", OCI_INDEX), ("Link", "</v2/a/b/referrers/more?last=1>; rel=\"next\"")];
            answer("200 OK", &next, &listing(&[(b"sbom", "application/spdx+json")]))
        } else if path == "/v2/a/b/referrers/more?last=1" {
            document(OCI_INDEX, &listing(&[(b"sbom", "again"), (b"proof", "application/vnd.in-toto+json")]))
        } else if path == format!("/v2/a/b/manifests/sha256-{}.sig", subject.hex()) {
            digest_headers(b"signature")
        } else {
            answer("404 Not Found", &[], b"")
        }
    });
    let found = registry(&server).referrers(&server.host(), "a/b", subject).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|one| (one.digest, one.artifact_type.as_deref(), one.tag.is_some())).collect();
    assert_eq!(
        found,
        [
            (Digest::of(b"sbom"), Some("application/spdx+json"), false),
            (Digest::of(b"proof"), Some("application/vnd.in-toto+json"), false),
            (Digest::of(b"signature"), None, true),
        ]
    );
}

#[tokio::test]
async fn referrers_without_the_api_come_from_the_tag_with_the_list() {
    let subject = Digest::of(BODY);
    let server = Server::start(move |request, _| {
        let list = listing(&[(b"sbom", "application/spdx+json")]);
        let path = request.path.as_str();
        let tag = format!("/v2/a/b/manifests/sha256-{}", subject.hex());
        if path == tag || path == format!("/v2/a/b/manifests/{}", Digest::of(&list)) {
            document(OCI_INDEX, &list)
        } else {
            answer("404 Not Found", &[], b"")
        }
    });
    let found = registry(&server).referrers(&server.host(), "a/b", subject).await.unwrap();
    assert_eq!(found.iter().map(|one| one.digest).collect::<Vec<_>>(), [Digest::of(b"sbom")]);
    let nothing = registry(&server).referrers(&server.host(), "a/b", Digest::of(b"x")).await.unwrap();
    assert_eq!(nothing, []);
}
