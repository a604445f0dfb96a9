//! What paths mean.

use super::*;
use proptest::prelude::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parse(method: &str, target: &str) -> Result<Request, Refusal> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Request::parse(&method.parse().unwrap(), path, query)
}

fn get(target: &str) -> Request {
    parse("GET", target).unwrap()
}

fn refused(method: &str, target: &str) -> (u16, &'static str) {
    let refusal = parse(method, target).expect_err(target);
    (refusal.status.as_u16(), refusal.reason.code())
}

fn repository(path: &str) -> Repository {
    Repository { namespace: None, path: path.to_owned() }
}

fn empty() -> ContentDigest {
    EMPTY.parse().unwrap()
}

#[test]
fn every_endpoint_is_found() {
    let upload = || UploadId("0f-1".to_owned());
    let tag = || Reference::Tag(TagName::new("1.0").unwrap());
    let r = || repository("a/b");
    let expected = [
        ("GET", "/v2/".to_owned(), Request::Ping),
        ("GET", format!("/v2/a/b/blobs/{EMPTY}"), Request::Blob(r(), empty())),
        ("HEAD", format!("/v2/a/b/blobs/{}", EMPTY.replace(':', "%3A")), Request::Blob(r(), empty())),
        ("GET", "/v2/a/b/manifests/1.0".into(), Request::Manifest(r(), tag())),
        ("HEAD", format!("/v2/a/b/manifests/{EMPTY}"), Request::Manifest(r(), Reference::Digest(empty()))),
        ("POST", "/v2/a/b/blobs/uploads/".into(), Request::StartUpload(r(), Start::Empty(None))),
        ("POST", "/v2/a/b/blobs/uploads".into(), Request::StartUpload(r(), Start::Empty(None))),
        (
            "POST",
            format!("/v2/a/b/blobs/uploads/?digest={EMPTY}"),
            Request::StartUpload(r(), Start::Whole(empty())),
        ),
        (
            "POST",
            "/v2/a/b/blobs/uploads/?digest-algorithm=sha512".into(),
            Request::StartUpload(r(), Start::Empty(Some(Algorithm::Sha512))),
        ),
        (
            "POST",
            format!("/v2/a/b/blobs/uploads/?mount={EMPTY}&from=c/d"),
            Request::StartUpload(r(), Start::Mount(empty(), Some(repository("c/d")))),
        ),
        (
            "POST",
            format!("/v2/a/b/blobs/uploads/?mount={EMPTY}"),
            Request::StartUpload(r(), Start::Mount(empty(), None)),
        ),
        ("PATCH", "/v2/a/b/blobs/uploads/0f-1".into(), Request::AppendUpload(r(), upload())),
        (
            "PUT",
            format!("/v2/a/b/blobs/uploads/0f-1?digest={EMPTY}"),
            Request::FinishUpload(r(), upload(), empty()),
        ),
        ("GET", "/v2/a/b/blobs/uploads/0f-1".into(), Request::UploadStatus(r(), upload())),
        ("DELETE", "/v2/a/b/blobs/uploads/0f-1".into(), Request::CancelUpload(r(), upload())),
        ("PUT", "/v2/a/b/manifests/1.0".into(), Request::PutManifest(r(), tag(), vec![])),
        (
            "PUT",
            format!("/v2/a/b/manifests/{EMPTY}?tag=x&tag=y"),
            Request::PutManifest(
                r(),
                Reference::Digest(empty()),
                ["x", "y"].map(|tag| TagName::new(tag).unwrap()).to_vec(),
            ),
        ),
        (
            "GET",
            "/v2/a/b/tags/list?n=3&last=1.0".into(),
            Request::Tags(r(), Page { limit: Some(3), after: Some("1.0".into()) }),
        ),
        ("DELETE", "/v2/a/b/manifests/1.0".into(), Request::DeleteManifest(r(), tag())),
        ("DELETE", format!("/v2/a/b/blobs/{EMPTY}"), Request::DeleteBlob(r(), empty())),
        (
            "GET",
            format!("/v2/a/b/referrers/{EMPTY}?artifactType=application/x+json"),
            Request::Referrers(r(), empty(), Some("application/x+json".into())),
        ),
        ("GET", "/v2/_catalog?n=2".into(), Request::Catalogue(Page { limit: Some(2), after: None })),
        ("GET", "/token?service=x".into(), Request::Token),
        ("GET", "/airlock/v1/manifest".into(), Request::BundleManifest(None)),
        (
            "GET",
            format!("/airlock/v1/signatures?bundle={EMPTY}"),
            Request::BundleSignatures(empty().sha256()),
        ),
        ("GET", format!("/airlock/v1/blobs/{EMPTY}"), Request::AnyBlob(empty())),
        (
            "GET",
            "/apt/noble/pool/a_1+2%7E3.deb".into(),
            Request::Apt("noble".into(), "pool/a_1+2~3.deb".into()),
        ),
        ("GET", "/apt/noble/./InRelease".into(), Request::Apt("noble".into(), "InRelease".into())),
        ("HEAD", "/healthz".into(), Request::Health),
        ("GET", "/metrics".into(), Request::Metrics),
    ];
    for (method, target, request) in expected {
        assert_eq!(parse(method, &target).unwrap(), request, "{method} {target}");
    }
}

#[test]
fn words_of_the_api_may_stand_in_names() {
    let tag = || Reference::Tag(TagName::new("1").unwrap());
    for name in ["blobs", "tags/list", "a/blobs/uploads", "manifests/manifests", "v2"] {
        assert_eq!(get(&format!("/v2/{name}/manifests/1")), Request::Manifest(repository(name), tag()));
        assert_eq!(get(&format!("/v2/{name}/tags/list")), Request::Tags(repository(name), Page::default()));
    }
}

#[test]
fn the_namespace_is_part_of_the_name() {
    let Request::Manifest(found, _) = get("/v2/library/x/manifests/1?ns=registry-1.docker.io") else {
        panic!()
    };
    assert_eq!(found, Repository { namespace: Some("docker.io".into()), path: "library/x".into() });
    let Request::Manifest(found, _) = get("/v2/x/manifests/1?ns=reg.lab:5000") else { panic!() };
    assert_eq!(found.namespace.as_deref(), Some("reg.lab:5000"));
    assert_eq!(refused("GET", "/v2/x/manifests/1?ns=../etc"), (400, "NAME_INVALID"));
}

#[test]
fn what_is_malformed_is_refused_with_the_right_code() {
    for (method, target, expected) in [
        ("GET", "/v2/a/blobs/sha256:baddigeststring", (400, "DIGEST_INVALID")),
        ("GET", "/v2/a/manifests/sha256:baddigeststring", (400, "DIGEST_INVALID")),
        ("GET", "/v2/a/referrers/sha256:bad", (400, "DIGEST_INVALID")),
        ("GET", "/v2/a/manifests/.hidden", (400, "TAG_INVALID")),
        ("GET", "/v2/A/manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2/a/../b/manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2/a/%2e%2e/b/manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2/a//b/manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2//manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2/a/manifests/%zz", (400, "NAME_INVALID")),
        ("GET", "/v2/a/manifests/%ff", (400, "NAME_INVALID")),
        ("GET", "/v2/a/manifests/%", (400, "NAME_INVALID")),
        ("GET", "/v2/a/tags/list?n=-1", (400, "PAGINATION_NUMBER_INVALID")),
        ("GET", "/v2/a/tags/list?n=+1", (400, "PAGINATION_NUMBER_INVALID")),
        ("GET", "/v2/a/blobs/uploads/a.b", (404, "BLOB_UPLOAD_UNKNOWN")),
        ("PUT", "/v2/a/blobs/uploads/ab", (400, "DIGEST_INVALID")),
        ("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", (400, "DIGEST_INVALID")),
        ("POST", "/v2/a/manifests/1", (405, "UNSUPPORTED")),
        ("DELETE", "/v2/", (405, "UNSUPPORTED")),
        ("BREW", "/metrics", (405, "UNSUPPORTED")),
        ("GET", "/v2/a/b", (404, "NAME_UNKNOWN")),
        ("GET", "/", (404, "NAME_UNKNOWN")),
        ("GET", "/apt/noble/", (404, "NAME_UNKNOWN")),
        ("GET", "/airlock/v1/", (404, "NAME_UNKNOWN")),
    ] {
        assert_eq!(refused(method, target), expected, "{method} {target}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_names_are_checked(
        method in "GET|HEAD|PUT|POST|PATCH|DELETE",
        path in "/(v2/)?[a-zA-Z0-9%:./_é-]{0,40}(/blobs/|/manifests/|/tags/list|/blobs/uploads/|/referrers/)?[a-f0-9%:.-]{0,20}",
        query in proptest::option::of("[a-z=&%0-9:/-]{0,40}"),
    ) {
        if let Ok(request) = Request::parse(&method.parse().unwrap(), &path, query.as_deref())
            && let Some(repository) = request.repository()
        {
            prop_assert!(!repository.path.split('/').any(|element| element.is_empty() || element.starts_with(['.', '_'])));
        }
    }
}
