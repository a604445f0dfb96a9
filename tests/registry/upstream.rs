//! Pull-through: what the store lacks comes from the registry that an image comes from.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use airlock::fetch::{Client, RetryPolicy, Settings, Timeouts};
use airlock::oci::digest::Digest;
use airlock::registry::upstream::{self, Hosts};
use airlock::spec::HostSettings;
use airlock::store::garbage::{Mode, Rules};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command::{Process, get, serve};
use crate::images::{Family, ImageLayout, Layer};
use crate::support::{Answer, Options, Server};
use crate::upstream_server::transfer::Pace;
use crate::upstream_server::{self, Server as Upstream};

/// Bytes that do not repeat.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// How images of `hosts` are pulled through, each from its URL.
pub fn through(hosts: &[(&str, &str)], refresh: Duration) -> upstream::Settings {
    let named = hosts.iter().map(|(host, _)| (*host).to_owned()).collect();
    let settings = hosts.iter().map(|(host, url)| {
        let mirrors = vec![(*url).to_owned()];
        ((*host).to_owned(), HostSettings { mirrors, mirrors_only: true, ..HostSettings::default() })
    });
    upstream::Settings { hosts: Hosts { named, any: false }, client: client(settings.collect()), refresh }
}

pub fn client(hosts: BTreeMap<String, HostSettings>) -> Client {
    let moment = Duration::from_millis(1);
    Client::new(Settings {
        hosts,
        retry: RetryPolicy {
            attempts: 4,
            base_delay: moment,
            longest_delay: moment,
            longest_wait: Duration::ZERO,
        },
        timeouts: Timeouts { stall: Duration::from_secs(5), ..Timeouts::default() },
        ..Settings::default()
    })
}

/// A server that asks one upstream, always, for two hosts.
fn server(upstream: &Upstream, refresh: Duration) -> Server {
    let url = upstream.url();
    let settings = through(&[("docker.io", &url), ("quay.io", &url)], refresh);
    Server::with(Options { upstream: Some(settings), ..Options::default() })
}

const ALWAYS: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(3600);

/// What an upstream has.
struct Content {
    manifest: String,
    layer: Vec<u8>,
}

impl Content {
    fn layer(&self) -> String {
        Digest::of(&self.layer).to_string()
    }

    fn blob(&self) -> String {
        format!("/v2/library/x/blobs/{}?ns=docker.io", self.layer())
    }
}

/// Fills `data` with an image of one layer of `length` random bytes, named `reference`.
fn fill(data: &Path, reference: &str, length: usize, seed: u64) -> Content {
    let mut layout = ImageLayout::create(&data.join("layout")).unwrap();
    let content = add(&mut layout, reference, length, seed);
    layout.finish().unwrap();
    content
}

fn add(layout: &mut ImageLayout, reference: &str, length: usize, seed: u64) -> Content {
    let layer = noise(length, seed);
    let descriptor = layout.add("application/vnd.oci.image.layer.v1.tar", &layer).unwrap();
    let layers = [Layer { descriptor, diff_id: Digest::of(&layer) }];
    let image = layout.image(Family::Oci, "amd64", &layers, &["/bin/sh"]).unwrap();
    layout.name(reference, &image);
    Content { manifest: image["digest"].as_str().unwrap().to_owned(), layer }
}

fn start(data: &Path, pace: Pace) -> Upstream {
    Upstream::start(upstream_server::Options { pace, ..upstream_server::Options::new(data) }).unwrap()
}

const MANIFEST: &str = "/v2/library/x/manifests/1.0?ns=docker.io";

fn assert_is(answer: &Answer, bytes: &[u8]) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
    assert!(answer.body == bytes, "{} of {} bytes", answer.body.len(), bytes.len());
}

#[test]
fn an_image_comes_once_and_stays() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 3_000_000, 1);
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, NEVER);
    for path in [
        "/v2/library/x/manifests/1.0?ns=docker.io",
        "/v2/docker.io/library/x/manifests/1.0",
        "/v2/docker.io/x/manifests/1.0",
        "/v2/library/x/manifests/1.0",
    ] {
        let manifest = server.get(path);
        assert_eq!(manifest.status, 200, "{path}: {}", manifest.text());
        assert_eq!(manifest.header("docker-content-digest"), Some(content.manifest.as_str()));
        assert_eq!(manifest.header("oci-namespace"), Some("docker.io"));
    }
    let config = server.get(MANIFEST).json()["config"]["digest"].as_str().unwrap().to_owned();
    assert_is(&server.get(&content.blob()), &content.layer);
    assert_eq!(server.get(&format!("/v2/docker.io/library/x/blobs/{config}")).status, 200);
    assert!(
        upstream.stats().total.requests <= 4,
        "HEAD and GET of the manifest, two blobs: {:?}",
        upstream.stats()
    );
    drop(upstream);
    assert_eq!(server.get(&format!("/v2/docker.io/library/x/manifests/{}", content.manifest)).status, 200);
    assert_is(&server.get(&content.blob()), &content.layer);
    // It is as good as pushed: it survives collection, and nothing is missing.
    let at_once = Rules::unneeded(Duration::ZERO, Mode::Remove);
    let removed = server.store.collect_garbage(at_once).unwrap();
    assert_eq!(removed.blobs, 0);
    let report = server.store.verify(std::num::NonZeroUsize::MIN, &airlock::progress::Silent).unwrap();
    assert_eq!((report.blobs, report.damage.len()), (3, 0));
    assert_eq!(server.get("/v2/library/x/tags/list").json()["tags"], serde_json::json!(["1.0"]));
    assert_eq!(server.store.upload_usage().unwrap(), (0, 0));
}

#[test]
fn what_the_upstream_lacks_is_404_and_what_it_cannot_say_is_502() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 1000, 2);
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, ALWAYS);
    let missing = Digest::of(b"missing");
    assert_eq!(
        server.get("/v2/library/x/manifests/9?ns=docker.io").refusal(),
        (404, "MANIFEST_UNKNOWN".into())
    );
    assert_eq!(
        server.get(&format!("/v2/library/x/blobs/{missing}?ns=docker.io")).refusal(),
        (404, "BLOB_UNKNOWN".into())
    );
    assert_eq!(
        server.ask("HEAD", &format!("/v2/library/x/blobs/{missing}?ns=docker.io"), &[], b"").status,
        404
    );
    assert_eq!(server.get("/v2/library/x/manifests/1.0?ns=ghcr.io").refusal(), (404, "NAME_UNKNOWN".into()));
    let head = server.ask("HEAD", &content.blob(), &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    assert_eq!(server.get(MANIFEST).status, 200);
    upstream.reset_stats();
    drop(upstream);
    let down = server.get("/v2/library/x/manifests/9?ns=docker.io");
    assert_eq!(down.refusal(), (502, "UNAVAILABLE".into()));
    assert!(down.text().contains("cannot be reached"), "{}", down.text());
    assert_eq!(server.get(&content.blob()).refusal(), (502, "UNAVAILABLE".into()));
    // What the store has is served, and the operator hears that it may be old.
    assert_eq!(server.get(MANIFEST).header("docker-content-digest"), Some(content.manifest.as_str()));
    server.heard.wait_for("docker.io/library/x:1.0: what the store has is served");
}

#[test]
fn a_tag_that_moved_is_found_when_it_is_time_to_ask() {
    let data = tempfile::tempdir().unwrap();
    let old = fill(data.path(), "docker.io/library/x:1.0", 1000, 3);
    let upstream = start(data.path(), Pace::default());
    let (patient, curious) = (server(&upstream, NEVER), server(&upstream, ALWAYS));
    let digest = |server: &Server| server.get(MANIFEST).header("docker-content-digest").map(str::to_owned);
    assert_eq!(
        (digest(&patient), digest(&curious)),
        (Some(old.manifest.clone()), Some(old.manifest.clone()))
    );
    upstream.reset_stats();
    assert_eq!(digest(&curious), Some(old.manifest.clone()));
    assert_eq!(upstream.stats().total.requests, 1, "HEAD alone, as long as nothing changes");
    let new = fill(data.path(), "docker.io/library/x:1.0", 1000, 4);
    assert_eq!((digest(&patient), digest(&curious)), (Some(old.manifest.clone()), Some(new.manifest)));
    assert_eq!(server_has(&curious, &old.manifest), 200, "the old one is still there by its digest");
}

#[test]
fn a_tag_that_is_gone_upstream_stays_here() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 1000, 17);
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, ALWAYS);
    assert_eq!(server.get(MANIFEST).status, 200);
    fill(data.path(), "docker.io/library/x:2.0", 1000, 18);
    assert_eq!(server.get(MANIFEST).header("docker-content-digest"), Some(content.manifest.as_str()));
    server.heard.wait_for("docker.io/library/x:1.0: what the store has is served");
    assert_eq!(server.get("/v2/library/x/manifests/2.0?ns=docker.io").status, 200);
}

fn server_has(server: &Server, digest: &str) -> u16 {
    server.get(&format!("/v2/library/x/manifests/{digest}?ns=docker.io")).status
}

#[test]
fn two_registries_may_have_the_same_path() {
    let data = tempfile::tempdir().unwrap();
    let mut layout = ImageLayout::create(&data.path().join("layout")).unwrap();
    let hub = add(&mut layout, "docker.io/library/x:1.0", 1000, 5);
    let quay = add(&mut layout, "quay.io/library/x:1.0", 1000, 6);
    layout.finish().unwrap();
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, NEVER);
    for (host, content, other) in [("docker.io", &hub, &quay), ("quay.io", &quay, &hub)] {
        let manifest = server.get(&format!("/v2/library/x/manifests/1.0?ns={host}"));
        assert_eq!(manifest.header("docker-content-digest"), Some(content.manifest.as_str()));
        assert_is(&server.get(&format!("/v2/{host}/library/x/blobs/{}", content.layer())), &content.layer);
        assert_eq!(server.get(&format!("/v2/{host}/library/x/blobs/{}", other.layer())).status, 404);
    }
    // Docker asks mirrors by the path alone, and means its own registry.
    let plain = server.get("/v2/library/x/manifests/1.0");
    assert_eq!(plain.header("docker-content-digest"), Some(hub.manifest.as_str()));
}

#[test]
fn indexes_are_brought_bit_by_bit() {
    let data = tempfile::tempdir().unwrap();
    let mut layout = ImageLayout::create(&data.path().join("layout")).unwrap();
    let images = ["amd64", "arm64"].map(|architecture| {
        let layer = layout.layer(Family::Oci, &[("arch", 0o644, architecture.as_bytes())]).unwrap();
        layout.image(Family::Oci, architecture, &[layer], &["/bin/sh"]).unwrap()
    });
    let index = layout.index(&[("amd64", &images[0]), ("arm64", &images[1])]).unwrap();
    layout.name("docker.io/library/x:1.0", &index);
    layout.finish().unwrap();
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, NEVER);
    assert_eq!(server.get(MANIFEST).header("docker-content-digest"), index["digest"].as_str());
    let child = |image: &Value| {
        server.get(&format!("/v2/docker.io/library/x/manifests/{}", image["digest"].as_str().unwrap()))
    };
    let mine = child(&images[0]);
    let layer = mine.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/v2/docker.io/library/x/blobs/{layer}")).status, 200);
    drop(upstream);
    assert_eq!((child(&images[0]).status, child(&images[1]).status), (200, 502));
    let report = server.store.verify(std::num::NonZeroUsize::MIN, &airlock::progress::Silent).unwrap();
    assert!(report.damage.is_empty(), "what was never asked for is not missing: {:?}", report.damage);
}

#[test]
fn many_clients_at_once_cost_one_transfer() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 4_000_000, 7);
    let upstream = start(data.path(), Pace { bytes_per_second: Some(8_000_000), fail_after: None });
    let server = server(&upstream, NEVER);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                assert_eq!(server.get(MANIFEST).status, 200);
                assert_is(&server.get(&content.blob()), &content.layer);
            });
        }
    });
    let layer = upstream.stats().matching(&content.layer());
    assert_eq!((layer.requests, layer.bytes), (1, content.layer.len() as u64));
    assert!(upstream.stats().matching("/manifests/").requests <= 2, "{:?}", upstream.stats());
}

#[test]
fn the_first_bytes_come_long_before_the_last() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 2_000_000, 8);
    let upstream = start(data.path(), Pace { bytes_per_second: Some(1_000_000), fail_after: None });
    let server = server(&upstream, NEVER);
    let begin = Instant::now();
    let mut stream = server.connect();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", content.blob());
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut first = vec![0; 20_000];
    std::io::Read::read_exact(&mut stream, &mut first).unwrap();
    let to_first = begin.elapsed();
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();
    let to_last = begin.elapsed();
    let head = first.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!([&first[head..], &rest].concat() == content.layer);
    assert!(to_last > Duration::from_secs(1), "the upstream is slow: {to_last:?}");
    assert!(to_first < to_last / 3, "first bytes after {to_first:?} of {to_last:?}");
}

#[test]
fn parts_of_what_comes_are_right_as_well() {
    let data = tempfile::tempdir().unwrap();
    let upstream = start(data.path(), Pace::default());
    for (seed, range, expected) in
        [(9, "bytes=1000-", 1000..300_000), (10, "bytes=-500", 299_500..300_000), (11, "bytes=5-9", 5..10)]
    {
        let content = fill(data.path(), "docker.io/library/x:1.0", 300_000, seed);
        let server = server(&upstream, NEVER);
        let part = server.ask("GET", &content.blob(), &[("Range", range)], b"");
        assert_eq!((part.status, part.body == content.layer[expected]), (206, true), "{range}");
        assert!(part.header("content-range").is_some_and(|range| range.ends_with("/300000")));
        assert_is(&server.get(&content.blob()), &content.layer);
    }
    let content = fill(data.path(), "docker.io/library/x:1.0", 1000, 12);
    let server = server(&upstream, NEVER);
    assert_eq!(server.ask("GET", &content.blob(), &[("Range", "bytes=1000-")], b"").status, 416);
    let etag = format!("\"{}\"", content.layer());
    assert_eq!(server.ask("GET", &content.blob(), &[("If-None-Match", &etag)], b"").status, 304);
}

#[test]
fn who_may_not_pull_makes_nobody_ask() {
    let data = tempfile::tempdir().unwrap();
    let content = fill(data.path(), "docker.io/library/x:1.0", 1000, 13);
    let upstream = start(data.path(), Pace::default());
    let settings = through(&[("docker.io", &upstream.url())], ALWAYS);
    let server =
        Server::with(Options { upstream: Some(settings), anonymous_pull: false, ..Options::default() });
    for target in [MANIFEST, &content.blob()] {
        assert_eq!(server.get(target).status, 401);
    }
    assert_eq!(upstream.stats().total.requests, 0);
    assert_eq!(server.privileged("GET", MANIFEST, &[], b"").status, 200);
    assert_is(&server.privileged("GET", &content.blob(), &[], b""), &content.layer);
}

#[test]
fn a_layer_that_another_image_has_brought_is_not_fetched_again() {
    let data = tempfile::tempdir().unwrap();
    let mut layout = ImageLayout::create(&data.path().join("layout")).unwrap();
    let first = add(&mut layout, "docker.io/library/x:1.0", 1000, 14);
    add(&mut layout, "docker.io/library/y:1.0", 1000, 14);
    layout.finish().unwrap();
    let upstream = start(data.path(), Pace::default());
    let server = server(&upstream, NEVER);
    assert_eq!(server.get(MANIFEST).status, 200);
    assert_is(&server.get(&first.blob()), &first.layer);
    upstream.reset_stats();
    assert_eq!(server.get("/v2/library/y/manifests/1.0?ns=docker.io").status, 200);
    assert_is(&server.get(&first.blob().replace("/x/", "/y/")), &first.layer);
    assert_eq!(upstream.stats().matching("/blobs/").requests, 0);
}

#[test]
fn any_registry_can_be_asked_where_that_is_wanted() {
    let data = tempfile::tempdir().unwrap();
    let upstream = start(data.path(), Pace::default());
    let host = upstream.address().to_string();
    let content = fill(data.path(), "docker.io/library/x:1.0", 1000, 15);
    let settings = HostSettings { plain_http: true, ..HostSettings::default() };
    let settings = upstream::Settings {
        hosts: Hosts { any: true, ..Hosts::default() },
        client: client(BTreeMap::from([(host.clone(), settings)])),
        refresh: NEVER,
    };
    let server = Server::with(Options { upstream: Some(settings), ..Options::default() });
    let manifest = server.get(&format!("/v2/library/x/manifests/1.0?ns={host}"));
    assert_eq!(manifest.header("docker-content-digest"), Some(content.manifest.as_str()));
    assert_eq!(server.get("/v2/library/x/manifests/2.0").status, 404, "no registry is named");
}

#[test]
fn the_command_asks_upstreams_with_the_logins_of_docker() {
    let directory = tempfile::tempdir().unwrap();
    let content = fill(&directory.path().join("data"), "docker.io/library/x:1.0", 1000, 16);
    let credentials = Some("ada:secret-of-ada".to_owned());
    let options = upstream_server::Options::new(&directory.path().join("data"));
    let upstream = Upstream::start(upstream_server::Options { credentials, ..options }).unwrap();
    let named = format!("docker.io={}", upstream.url());
    let arguments = ["--listen", "http://127.0.0.1:0", "--store", "store", "--upstream", &named];
    let mut anonymous = Process::start(&mut serve(directory.path(), &arguments));
    let refused = get(&anonymous.address("http"), MANIFEST);
    assert_eq!(refused.refusal(), (403, "DENIED".to_owned()));
    assert!(refused.text().contains("lets nobody read library/x without a login"), "{}", refused.text());
    drop(anonymous);
    fs_err::create_dir(directory.path().join(".docker")).unwrap();
    let login = serde_json::json!({"auths": {upstream.address().to_string(): {"auth": STANDARD.encode("ada:secret-of-ada")}}});
    fs_err::write(directory.path().join(".docker/config.json"), login.to_string()).unwrap();
    let mut process = Process::start(&mut serve(directory.path(), &arguments));
    let address = process.address("http");
    assert_eq!(get(&address, MANIFEST).header("docker-content-digest"), Some(content.manifest.as_str()));
    assert_is(&get(&address, &content.blob()), &content.layer);
    let listed = std::process::Command::new(env!("CARGO_BIN_EXE_airlock"))
        .args(["store", "list", "--images", "--store", "store"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("docker.io/library/x:1.0") && listed.contains(&content.manifest), "{listed}");
    process.signal("TERM");
    let (status, said) = process.wait();
    assert!(status.success() && !said.contains("secret-of-ada"), "{said}");
}

#[test]
fn pull_through_needs_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let stick = directory.path().join("stick");
    fs_err::create_dir(&stick).unwrap();
    crate::bundles::Contents::with_files(&[]).signed(None).write_to(&stick);
    let signer =
        airlock::trust::signature::Signer::public_key(&crate::bundles::test_key()).allowed_line("test");
    fs_err::write(directory.path().join("signers"), signer).unwrap();
    let arguments = [
        "--in-place",
        "stick",
        "--allowed-signers",
        "signers",
        "--listen",
        "http://127.0.0.1:0",
        "--upstream",
        "docker.io",
    ];
    let (status, said) = Process::start(&mut serve(directory.path(), &arguments)).wait();
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("there is no store for what comes from upstreams"), "{said}");
}
