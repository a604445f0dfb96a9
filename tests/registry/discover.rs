//! Finding out what is there.

use serde_json::{Value, json};

use crate::support::{Server, descriptor, image};

#[test]
fn tags_are_sorted_and_come_in_pages() {
    let server = Server::start();
    for tag in ["b", "a", "C", "d"] {
        server.push_image("x/y", tag, b"layer");
    }
    let tags = |target: &str| server.get(target).json()["tags"].clone();
    assert_eq!(server.get("/v2/x/y/tags/list").json(), json!({"name": "x/y", "tags": ["C", "a", "b", "d"]}));
    assert_eq!(tags("/v2/x/y/tags/list?n=0"), json!([]));
    assert_eq!(tags("/v2/x/y/tags/list?last=a"), json!(["b", "d"]));
    assert_eq!(tags("/v2/x/y/tags/list?n=2&last=C"), json!(["a", "b"]));
    let mut all = Vec::new();
    let mut next = Some("/v2/x/y/tags/list?n=3".to_owned());
    while let Some(target) = next {
        let answer = server.get(&target);
        all.extend(answer.json()["tags"].as_array().unwrap().clone());
        next = answer.header("link").map(|link| {
            let (target, relation) = link.split_once("; ").unwrap();
            assert_eq!(relation, "rel=\"next\"");
            target.trim_matches(['<', '>']).to_owned()
        });
    }
    assert_eq!(Value::from(all), json!(["C", "a", "b", "d"]));
    assert_eq!(server.get("/v2/none/tags/list").refusal(), (404, "NAME_UNKNOWN".to_owned()));
    assert_eq!(server.get("/v2/x/y/tags/list?n=x").refusal(), (400, "PAGINATION_NUMBER_INVALID".to_owned()));
}

#[test]
fn repositories_are_listed_as_docker_does() {
    let server = Server::start();
    assert_eq!(server.get("/v2/_catalog").json(), json!({"repositories": []}));
    for repository in ["b", "docker.io!library/x", "a/c"] {
        server.push_image(repository, "1", b"layer");
    }
    assert_eq!(
        server.get("/v2/_catalog").json(),
        json!({"repositories": ["a/c", "b", "docker.io/library/x"]})
    );
    let first = server.get("/v2/_catalog?n=2");
    assert_eq!(first.json(), json!({"repositories": ["a/c", "b"]}));
    assert_eq!(first.header("link"), Some("</v2/_catalog?n=2&last=b>; rel=\"next\""));
}

#[test]
fn referrers_are_found_by_what_they_refer_to() {
    let server = Server::start();
    let subject = server.push_image("a", "1", b"layer");
    let target = format!("/v2/a/referrers/{subject}");
    let none = server.get(&target);
    assert_eq!((none.status, none.json()["manifests"].clone()), (200, json!([])));
    assert_eq!(none.header("content-type"), Some("application/vnd.oci.image.index.v1+json"));
    for kind in ["application/x.signature", "application/x.sbom+json"] {
        server.push_blob("a", kind.as_bytes());
        let mut referrer = image(kind.as_bytes());
        referrer["artifactType"] = json!(kind);
        referrer["annotations"] = json!({"made.by": "the test"});
        referrer["subject"] =
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1});
        let digest = descriptor("", referrer.to_string().as_bytes())["digest"].clone();
        server.push_manifest("a", digest.as_str().unwrap(), &referrer);
    }
    let all = server.get(&target);
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(all.header("oci-filters-applied"), None);
    for escaped in ["application/x.sbom+json", "application%2Fx.sbom%2Bjson"] {
        let filtered = server.get(&format!("{target}?artifactType={escaped}"));
        assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
        let found = filtered.json()["manifests"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        assert_eq!(found[0]["artifactType"], "application/x.sbom+json");
        assert_eq!(found[0]["annotations"]["made.by"], "the test");
    }
    // Never 404, or clients would look for tags instead.
    let other = descriptor("", b"unknown")["digest"].as_str().unwrap().to_owned();
    for target in [format!("/v2/a/referrers/{other}"), format!("/v2/none/referrers/{other}")] {
        let answer = server.get(&target);
        assert_eq!((answer.status, answer.json()["manifests"].clone()), (200, json!([])), "{target}");
    }
    assert_eq!(server.get("/v2/a/referrers/sha256:bad").refusal(), (400, "DIGEST_INVALID".to_owned()));
}
