//! The upstream server is what other tests trust, so it is tested itself, with raw HTTP.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "support/samples.rs"]
mod samples;
#[path = "support/upstream/server.rs"]
mod server;

use airlock::oci::digest::Digest;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use server::transfer::Pace;
use server::{Options, Server};

/// A server with the samples, in a directory that lives as long.
struct Upstream {
    server: Server,
    directory: tempfile::TempDir,
    client: reqwest::Client,
}

impl Upstream {
    fn start(adjust: impl FnOnce(&mut Options)) -> Upstream {
        // A second installation of the provider is refused and changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        samples::make(directory.path(), &program()).unwrap();
        let mut options = Options::new(directory.path());
        adjust(&mut options);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Upstream { server: Server::start(options).unwrap(), directory, client }
    }

    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = self.client.get(format!("{}{path}", self.server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, response.bytes().await.unwrap().to_vec())
    }
}

// Large enough for several chunks, and not compressible to nothing.
fn program() -> Vec<u8> {
    (0..20_000u32).flat_map(|number| Digest::of(&number.to_le_bytes()).bytes()[..16].to_vec()).collect()
}

fn layer_path(manifest: &[u8]) -> String {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    format!("/v2/library/hello/blobs/{}?ns=docker.io", manifest["layers"][0]["digest"].as_str().unwrap())
}

#[tokio::test]
async fn manifests_are_served_by_tag_and_digest_with_their_exact_type() {
    let upstream = Upstream::start(|_| {});
    let (status, headers, bytes) = upstream.get("/v2/library/hello/manifests/1.0?ns=docker.io", &[]).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], samples::images::DOCKER_MANIFEST);
    let digest = Digest::of(&bytes).to_string();
    assert_eq!(headers["docker-content-digest"], digest.as_str());
    let by_digest = upstream.get(&format!("/v2/docker.io/library/hello/manifests/{digest}"), &[]).await;
    assert_eq!((by_digest.0, by_digest.2), (StatusCode::OK, bytes));
    for path in ["/v2/library/hello/manifests/1.0?ns=quay.io", "/v2/library/hello/manifests/9"] {
        assert_eq!(upstream.get(path, &[]).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let upstream = Upstream::start(|_| {});
    let url = format!("{}/v2/library/busybox/manifests/1.36", upstream.server.url());
    let response = upstream.client.head(url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], samples::images::OCI_INDEX);
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 100);
    assert_eq!(upstream.server.stats().total, server::stats::Traffic { requests: 1, bytes: 0 });
}

#[tokio::test]
async fn ranges_give_the_bytes_asked_for() {
    let upstream = Upstream::start(|_| {});
    let (_, _, manifest) = upstream.get("/v2/library/hello/manifests/1.0", &[]).await;
    let blob = layer_path(&manifest);
    let (_, headers, whole) = upstream.get(&blob, &[]).await;
    let (size, tag) = (whole.len(), headers["etag"].to_str().unwrap().to_owned());
    for (range, expected) in [
        ("bytes=0-0", &whole[..1]),
        ("bytes=10-", &whole[10..]),
        ("bytes=-7", &whole[size - 7..]),
        ("bytes=5-999999999", &whole[5..]),
    ] {
        let (status, headers, part) = upstream.get(&blob, &[("range", range), ("if-range", &tag)]).await;
        assert_eq!(status, 206, "{range}");
        assert_eq!(part, expected, "{range}");
        assert!(headers["content-range"].to_str().unwrap().ends_with(&format!("/{size}")));
    }
    let behind = format!("bytes={size}-");
    assert_eq!(upstream.get(&blob, &[("range", &behind)]).await.0, 416);
    let changed = upstream.get(&blob, &[("range", "bytes=10-"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.0, changed.2.len()), (StatusCode::OK, size));
}

#[tokio::test]
async fn referrers_and_cosign_tags_are_found() {
    let upstream = Upstream::start(|_| {});
    let (_, headers, _) = upstream.get("/v2/example/signed/manifests/1.0?ns=quay.io", &[]).await;
    let digest = headers["docker-content-digest"].to_str().unwrap();
    let referrers = format!("/v2/example/signed/referrers/{digest}?ns=quay.io");
    for (query, count) in
        [("", 1), ("&artifactType=application%2Fspdx%2Bjson", 1), ("&artifactType=other", 0)]
    {
        let (status, headers, bytes) = upstream.get(&format!("{referrers}{query}"), &[]).await;
        let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((status.as_u16(), index["manifests"].as_array().unwrap().len()), (200, count));
        assert_eq!(headers.contains_key("oci-filters-applied"), !query.is_empty());
    }
    let (_, _, tags) = upstream.get("/v2/example/signed/tags/list?ns=quay.io", &[]).await;
    let tags: serde_json::Value = serde_json::from_slice(&tags).unwrap();
    assert_eq!(tags["tags"], serde_json::json!(["1.0", format!("{}.sig", digest.replace(':', "-"))]));
}

#[tokio::test]
async fn a_token_is_needed_where_credentials_are_set() {
    let upstream = Upstream::start(|options| options.credentials = Some("reader:secret\n".into()));
    let manifest = "/v2/library/busybox/manifests/1.36";
    let (status, headers, _) = upstream.get(manifest, &[]).await;
    assert_eq!(status, 401);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("scope=\"repository:library/busybox:pull\""), "{challenge}");
    let endpoint = "/token?service=upstream&scope=repository:library/busybox:pull";
    assert_eq!(upstream.get(endpoint, &[]).await.0, 401);
    let (_, _, token) = upstream.get(endpoint, &[("authorization", "Basic cmVhZGVyOnNlY3JldA==")]).await;
    let token: serde_json::Value = serde_json::from_slice(&token).unwrap();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    assert_eq!(upstream.get(manifest, &[("authorization", &bearer)]).await.0, 200);
    let other = upstream.get("/v2/library/hello/manifests/1.0", &[("authorization", &bearer)]).await;
    assert_eq!(other.0, 401, "a token is good for its repository only");
}

#[tokio::test]
async fn k3s_releases_lie_where_the_real_ones_do() {
    let upstream = Upstream::start(|_| {});
    let (status, headers, _) = upstream.get("/v1-release/channels/stable", &[]).await;
    assert_eq!(status, 302);
    let page = headers["location"].to_str().unwrap();
    assert!(page.ends_with("/k3s-io/k3s/releases/tag/v1.36.3+k3s1"), "{page}");
    let release = "/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1";
    let (_, _, sums) = upstream.get(&format!("{release}/sha256sum-arm64.txt"), &[]).await;
    let sums = String::from_utf8(sums).unwrap();
    assert_eq!(sums.lines().count(), 4);
    for line in sums.lines() {
        let (sum, asset) = line.split_once("  ").unwrap();
        let (_, _, bytes) = upstream.get(&format!("{release}/{asset}"), &[]).await;
        assert_eq!(Digest::of(&bytes).hex(), sum, "{asset}");
    }
    assert!(sums.lines().last().unwrap().ends_with("  k3s-arm64"));
    for path in ["/../Cargo.toml", "/%2e%2e/%2e%2e/etc/passwd", "/v1-release/channels/none"] {
        assert_eq!(upstream.get(path, &[]).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn cut_connections_break_off_and_are_counted() {
    let upstream =
        Upstream::start(|options| options.pace = Pace { fail_after: Some(1000), ..Pace::default() });
    let url = format!("{}/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s", upstream.server.url());
    let response = upstream.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    assert_eq!(upstream.server.stats().matching("/k3s").bytes, 1000);
    upstream.server.reset_stats();
    assert_eq!(upstream.server.stats().total.requests, 0);
}

#[tokio::test]
async fn equal_input_gives_equal_samples() {
    let (first, second) = (Upstream::start(|_| {}), Upstream::start(|_| {}));
    let read =
        |upstream: &Upstream| fs_err::read(upstream.directory.path().join("layout/index.json")).unwrap();
    assert_eq!(read(&first), read(&second));
}
