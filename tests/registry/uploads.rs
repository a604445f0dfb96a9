//! Pushing blobs, in every way there is.

use airlock::oci::digest::Digest;

use crate::support::{Answer, Options, Server, sha512};

const WRONG: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn start(server: &Server) -> String {
    let answer = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!((answer.status, answer.header("content-length")), (202, Some("0")));
    assert!(answer.header("docker-upload-uuid").is_some());
    answer.header("location").unwrap().to_owned()
}

fn patch(server: &Server, location: &str, range: Option<&str>, bytes: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> = range.map(|range| ("Content-Range", range)).into_iter().collect();
    server.privileged("PATCH", location, &headers, bytes)
}

fn finish(server: &Server, location: &str, digest: &str, bytes: &[u8]) -> Answer {
    server.privileged("PUT", &format!("{location}?digest={digest}"), &[], bytes)
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn assert_there(server: &Server, digest: &str, bytes: &[u8]) {
    let answer = server.get(&format!("/v2/a/blobs/{digest}"));
    assert!(answer.status == 200 && answer.body == bytes, "{}", answer.text());
}

#[test]
fn every_way_to_push_a_blob_works() {
    let server = Server::start();
    let expected = |answer: &Answer, digest: &str| {
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(format!("/v2/a/blobs/{digest}").as_str()));
        assert_eq!(answer.header("docker-content-digest"), Some(digest));
    };
    let one = digest(b"in one request");
    let target = format!("/v2/a/blobs/uploads/?digest={one}");
    expected(&server.privileged("POST", &target, &[], b"in one request"), &one);
    assert_there(&server, &one, b"in one request");

    let two = digest(b"in two requests");
    expected(&finish(&server, &start(&server), &two, b"in two requests"), &two);
    assert_there(&server, &two, b"in two requests");

    let chunks = digest(b"in chunks");
    let location = start(&server);
    let first = patch(&server, &location, Some("0-2"), b"in ");
    assert_eq!((first.status, first.header("range")), (202, Some("0-2")));
    let location = first.header("location").unwrap();
    assert_eq!(patch(&server, location, Some("3-5"), b"chu").status, 202);
    expected(&finish(&server, location, &chunks, b"nks"), &chunks);
    assert_there(&server, &chunks, b"in chunks");

    let streamed = digest(b"as a stream");
    let location = start(&server);
    assert_eq!(patch(&server, &location, None, b"as a stream").status, 202);
    expected(&finish(&server, &location, &streamed, b""), &streamed);
    assert_there(&server, &streamed, b"as a stream");
}

#[test]
fn chunks_out_of_order_are_refused_and_the_upload_goes_on() {
    let server = Server::start();
    let location = start(&server);
    assert_eq!(patch(&server, &location, Some("0-3"), b"good").status, 202);
    for range in ["5-8", "0-3", "3-6"] {
        let refused = patch(&server, &location, Some(range), b"more");
        assert_eq!(refused.refusal(), (416, "RANGE_INVALID".to_owned()), "{range}");
        assert_eq!(refused.header("range"), Some("0-3"));
        assert_eq!(refused.header("location"), Some(location.as_str()));
    }
    let status = server.privileged("GET", &location, &[], b"");
    assert_eq!(
        (status.status, status.header("range"), status.header("location")),
        (204, Some("0-3"), Some(location.as_str()))
    );
    assert_eq!(patch(&server, &location, Some("4-7"), b"more").status, 202);
    assert_eq!(finish(&server, &location, &digest(b"goodmore"), b"").status, 201);
    assert_eq!(
        server.privileged("GET", &location, &[], b"").refusal(),
        (404, "BLOB_UPLOAD_UNKNOWN".to_owned())
    );
}

#[test]
fn a_range_that_is_none_or_does_not_fit_its_body_is_refused() {
    let server = Server::start();
    let location = start(&server);
    assert_eq!(patch(&server, &location, Some("nonsense"), b"abc").status, 400);
    assert_eq!(patch(&server, &location, Some("0-9"), b"abc").refusal(), (400, "SIZE_INVALID".to_owned()));
}

#[test]
fn a_wrong_digest_is_400_however_it_comes() {
    let server = Server::start();
    let invalid = (400, "DIGEST_INVALID".to_owned());
    let target = format!("/v2/a/blobs/uploads/?digest={WRONG}");
    assert_eq!(server.privileged("POST", &target, &[], b"bytes").refusal(), invalid);
    assert_eq!(finish(&server, &start(&server), WRONG, b"bytes").refusal(), invalid);
    let location = start(&server);
    assert_eq!(patch(&server, &location, Some("0-4"), b"bytes").status, 202);
    assert_eq!(finish(&server, &location, WRONG, b"").refusal(), invalid);
    let location = start(&server);
    assert_eq!(finish(&server, &location, "sha256:baddigeststring", b"bytes").refusal(), invalid);
    assert_eq!(finish(&server, &location, &sha512(b"other"), b"bytes").refusal(), invalid);
    assert_eq!(server.get(&format!("/v2/a/blobs/{WRONG}")).status, 404);
}

#[test]
fn the_algorithm_may_become_known_at_the_end_only() {
    let server = Server::start();
    let digest = sha512(b"a layer");
    let location = start(&server);
    assert_eq!(patch(&server, &location, None, b"a la").status, 202);
    assert_eq!(finish(&server, &location, &digest, b"yer").status, 201);
    assert_there(&server, &digest, b"a layer");
    let announced = server.privileged("POST", "/v2/a/blobs/uploads/?digest-algorithm=sha512", &[], b"");
    let digest = sha512(b"another");
    assert_eq!(finish(&server, announced.header("location").unwrap(), &digest, b"another").status, 201);
    assert_there(&server, &digest, b"another");
}

#[test]
fn blobs_are_mounted_from_where_they_are() {
    let server = Server::start();
    let there = server.push_blob("other", b"layer");
    for from in ["&from=other", ""] {
        let target = format!("/v2/a{}/blobs/uploads/?mount={there}{from}", from.len());
        let answer = server.privileged("POST", &target, &[], b"");
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(server.get(answer.header("location").unwrap()).text(), "layer");
    }
    // What cannot be mounted becomes an ordinary upload.
    for target in [
        format!("/v2/a/blobs/uploads/?mount={WRONG}&from=other"),
        format!("/v2/a/blobs/uploads/?mount={WRONG}"),
        format!("/v2/a/blobs/uploads/?mount={there}&from=nowhere"),
    ] {
        let answer = server.privileged("POST", &target, &[], b"");
        assert_eq!(answer.status, 202, "{target}");
        let bytes = target.as_bytes();
        assert_eq!(finish(&server, answer.header("location").unwrap(), &digest(bytes), bytes).status, 201);
    }
}

#[test]
fn uploads_can_be_cancelled_and_belong_to_their_repository() {
    let server = Server::start();
    let location = start(&server);
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(patch(&server, &elsewhere, None, b"x").refusal(), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
    assert_eq!(server.privileged("DELETE", &location, &[], b"").status, 204);
    assert_eq!(server.privileged("DELETE", &location, &[], b"").status, 404);
    assert_eq!(patch(&server, &location, None, b"x").status, 404);
}

#[test]
fn the_place_of_an_upload_keeps_its_namespace() {
    let server = Server::start();
    let answer = server.privileged("POST", "/v2/x/blobs/uploads/?ns=quay.io", &[], b"");
    let location = answer.header("location").unwrap();
    assert!(location.ends_with("?ns=quay.io"), "{location}");
    let target = format!("{location}&digest={}", digest(b"bytes"));
    let answer = server.privileged("PUT", &target, &[], b"bytes");
    assert_eq!(answer.status, 201);
    let location = answer.header("location").unwrap();
    assert!(location.ends_with("?ns=quay.io"), "{location}");
    assert_eq!(server.get(location).text(), "bytes");
    assert_eq!(server.get(&format!("/v2/quay.io/x/blobs/{}", digest(b"bytes"))).text(), "bytes");
}

#[test]
fn a_full_upload_space_is_507_and_comes_back() {
    let server = Server::with(Options { upload_limit: Some(10), ..Options::default() });
    let location = start(&server);
    let refused = patch(&server, &location, None, b"more than ten bytes");
    assert_eq!(refused.refusal(), (507, "DENIED".to_owned()));
    assert_eq!(server.privileged("GET", &location, &[], b"").status, 404, "nothing is left of it");
    server.heard.wait_for("unfinished uploads");
    server.push_blob("a", b"ten bytes!");
}
