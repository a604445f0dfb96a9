//! Pulling: exact bytes, ranges, conditions, names.

use serde_json::json;

use crate::support::{Server, descriptor, image, sha512};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number * 7 % 251) as u8).collect()
}

#[test]
fn the_registry_says_what_it_is() {
    let server = Server::start();
    let answer = server.privileged("GET", "/v2/", &[], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!(server.get("/healthz").text(), "ok\n");
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("airlock_registry_requests_total{route=\"ping\",status=\"200\"} 1\n"),
        "{metrics}"
    );
}

#[test]
fn manifests_come_back_exactly_as_they_were_pushed() {
    let server = Server::start();
    server.push_blob("a/b", b"{}");
    server.push_blob("a/b", b"layer");
    // White space, order and unknown fields are part of the digest.
    let text = format!("{}  \n", serde_json::to_string_pretty(&image(b"layer")).unwrap());
    let text = text.replacen('{', "{ \"unknown\": [1,  2],", 1);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let pushed =
        server.privileged("PUT", "/v2/a/b/manifests/1.0", &[("Content-Type", media_type)], text.as_bytes());
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let digest = pushed.header("docker-content-digest").unwrap().to_owned();
    assert_eq!(pushed.header("location"), Some(format!("/v2/a/b/manifests/{digest}").as_str()));
    for reference in ["1.0", &digest] {
        let target = format!("/v2/a/b/manifests/{reference}");
        let answer = server.ask("GET", &target, &[("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8")], b"");
        assert_eq!((answer.status, answer.text()), (200, text.clone()));
        let head = server.ask("HEAD", &target, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        for answer in [answer, head] {
            assert_eq!(answer.header("content-type"), Some(media_type));
            assert_eq!(answer.header("content-length"), Some(text.len().to_string().as_str()));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
            assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
            assert_eq!(answer.header("content-encoding"), None);
        }
    }
    let condition = format!("\"sha256:00\", W/\"{digest}\"");
    let unchanged = server.ask("GET", "/v2/a/b/manifests/1.0", &[("If-None-Match", &condition)], b"");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
}

#[test]
fn what_is_missing_is_404_with_the_right_code() {
    let server = Server::start();
    server.push_image("a/b", "1", b"layer");
    let missing = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (target, code) in [
        ("/v2/a/b/manifests/2".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/b/manifests/{missing}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/b/blobs/{missing}"), "BLOB_UNKNOWN"),
        ("/v2/none/manifests/1".to_owned(), "NAME_UNKNOWN"),
        (format!("/v2/none/blobs/{missing}"), "NAME_UNKNOWN"),
    ] {
        assert_eq!(server.get(&target).refusal(), (404, code.to_owned()), "{target}");
        assert_eq!(server.ask("HEAD", &target, &[], b"").status, 404);
    }
    // A blob of another repository is no blob of this one.
    let other = server.push_blob("other", b"secret layer");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{other}")).status, 404);
}

#[test]
fn blobs_can_be_had_whole_and_in_parts() {
    let server = Server::start();
    let blob = bytes(2_000_000);
    let digest = server.push_blob("a", &blob);
    let target = format!("/v2/a/blobs/{digest}");
    let whole = server.get(&target);
    assert_eq!((whole.status, whole.body == blob), (200, true));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let length = blob.len();
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, length - 1),
        ("bytes=-500", length - 500, length - 1),
        ("bytes=1999000-9999999", 1_999_000, length - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=262143-524289", 262_143, 524_289),
    ] {
        let answer = server.ask("GET", &target, &[("Range", range)], b"");
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.header("content-range"), Some(format!("bytes {first}-{last}/{length}").as_str()));
        assert_eq!(answer.header("content-length"), Some((last - first + 1).to_string().as_str()));
        assert!(answer.body == blob[first..=last], "{range}");
        let head = server.ask("HEAD", &target, &[("Range", range)], b"");
        assert_eq!((head.status, head.body.len()), (206, 0));
    }
    for range in ["bytes=500-0", "bytes=2000000-", "bytes=-0"] {
        let answer = server.ask("GET", &target, &[("Range", range)], b"");
        assert_eq!(answer.refusal(), (416, "RANGE_INVALID".to_owned()), "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */2000000"));
    }
    for (header, value) in [("Range", "bytes=0-1,5-6"), ("Range", "lines=1-2")] {
        assert_eq!(server.ask("GET", &target, &[(header, value)], b"").status, 200, "{value}");
    }
    let etag = format!("\"{digest}\"");
    let conditional =
        |tag: &str| server.ask("GET", &target, &[("Range", "bytes=0-9"), ("If-Range", tag)], b"").status;
    assert_eq!((conditional(&etag), conditional("\"other\"")), (206, 200));
    assert_eq!(server.ask("GET", &target, &[("If-None-Match", &etag)], b"").status, 304);
}

#[test]
fn an_empty_blob_is_a_blob() {
    let server = Server::start();
    let digest = server.push_blob("a", b"");
    let answer = server.get(&format!("/v2/a/blobs/{digest}"));
    assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (200, 0, Some("0")));
    let part = server.ask("GET", &format!("/v2/a/blobs/{digest}"), &[("Range", "bytes=0-")], b"");
    assert_eq!(part.status, 416);
}

#[test]
fn the_registry_an_image_comes_from_is_part_of_its_name() {
    let server = Server::start();
    let hub = server.push_image("docker.io!library/x", "1", b"of docker");
    let quay = server.push_image("quay.io!library/x", "1", b"of quay");
    server.push_image("quay.io!library/y", "1", b"only there");
    let digest = |target: &str| server.get(target).header("docker-content-digest").map(str::to_owned);
    assert_eq!(digest("/v2/library/x/manifests/1?ns=docker.io"), Some(hub.clone()));
    assert_eq!(digest("/v2/library/x/manifests/1?ns=registry-1.docker.io"), Some(hub.clone()));
    assert_eq!(digest("/v2/library/x/manifests/1?ns=quay.io"), Some(quay.clone()));
    assert_eq!(digest("/v2/docker.io/library/x/manifests/1"), Some(hub));
    assert_eq!(digest("/v2/quay.io/library/x/manifests/1"), Some(quay));
    assert_eq!(server.get("/v2/library/x/manifests/1?ns=ghcr.io").status, 404);
    assert!(digest("/v2/library/y/manifests/1").is_some(), "one is enough");
    assert_eq!(server.get("/v2/library/x/manifests/1?ns=quay.io").header("oci-namespace"), Some("quay.io"));
    let ambiguous = server.get("/v2/library/x/manifests/1");
    assert_eq!(ambiguous.refusal(), (404, "NAME_UNKNOWN".to_owned()));
    let candidates = &ambiguous.json()["errors"][0]["detail"]["candidates"];
    assert_eq!(candidates, &json!(["docker.io/library/x", "quay.io/library/x"]));
    // What was pushed without a registry is found without one.
    let own = server.push_image("library/x", "1", b"our own");
    assert_eq!(digest("/v2/library/x/manifests/1"), Some(own));
}

#[test]
fn sha512_names_blobs_and_manifests_as_well() {
    let server = Server::start();
    let digest = sha512(b"layer");
    let target = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(server.privileged("POST", &target, &[], b"layer").status, 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).text(), "layer");
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        descriptor("application/vnd.oci.image.manifest.v1+json", b"sparse")]});
    let (text, media_type) = (index.to_string(), index["mediaType"].as_str().unwrap().to_owned());
    let digest = sha512(text.as_bytes());
    let target = format!("/v2/a/manifests/{digest}?tag=x&tag=y");
    let pushed = server.privileged("PUT", &target, &[("Content-Type", &media_type)], text.as_bytes());
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let tags: Vec<&str> =
        pushed.headers.iter().filter(|(name, _)| name == "oci-tag").map(|(_, tag)| tag.as_str()).collect();
    assert_eq!(tags, ["x", "y"]);
    assert_eq!(server.get("/v2/a/manifests/y").header("docker-content-digest"), Some(digest.as_str()));
}
