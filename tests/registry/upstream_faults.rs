//! Pull-through of upstreams that misbehave, of clients that leave, into stores without room.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use serde_json::json;

use crate::docker_registry::DockerRegistry;
use crate::misbehaving::{self, Server as Upstream, Step, answer, cut, rest};
use crate::support::{Options, Server, descriptor, image};
use crate::tools::is_there;
use crate::upstream::{noise, through};

fn server(upstream: &Upstream) -> Server {
    with(upstream, Options::default())
}

fn with(upstream: &Upstream, options: Options) -> Server {
    let settings = through(&[("docker.io", &upstream.url(""))], Duration::ZERO);
    Server::with(Options { upstream: Some(settings), ..options })
}

fn blob(bytes: &[u8]) -> String {
    format!("/v2/library/x/blobs/{}?ns=docker.io", Digest::of(bytes))
}

fn assert_nothing_is_left(server: &Server, bytes: &[u8]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.store.upload_usage().unwrap() != (0, 0) {
        assert!(Instant::now() < deadline, "the upload is still there");
        std::thread::yield_now();
    }
    let path = server.store.root().join("blobs/sha256").join(Digest::of(bytes).hex());
    assert!(!path.exists());
}

#[test]
fn other_bytes_than_the_digest_says_never_arrive_whole() {
    let good = noise(500_000, 1);
    let mut bad = good.clone();
    bad[250_000] ^= 1;
    let upstream = Upstream::start(move |_, _| answer("200 OK", &[], &bad));
    let server = server(&upstream);
    for range in ["bytes=0-", "bytes=-1000"] {
        let answer = server.ask("GET", &blob(&good), &[("Range", range)], b"");
        let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert!(answer.body.len() < announced, "{} bytes of {announced}", answer.body.len());
    }
    server.heard.wait_for("E0906");
    let part = server.ask("GET", &blob(&good), &[("Range", "bytes=0-9")], b"");
    assert_eq!(part.refusal(), (502, "UNAVAILABLE".to_owned()), "not even a part that may be right");
    assert_nothing_is_left(&server, &good);
}

#[test]
fn a_transfer_that_is_cut_off_goes_on() {
    let bytes = noise(500_000, 2);
    let whole = bytes.clone();
    let upstream = Upstream::start(move |seen, number| match number {
        0 => cut(&whole, 200_000, &[], None),
        1 => vec![Step::Reset],
        _ => rest(&whole, seen.start(), &[]),
    });
    let server = server(&upstream);
    let answer = server.get(&blob(&bytes));
    assert!(answer.status == 200 && answer.body == bytes);
    assert_eq!(upstream.seen()[2].start(), 200_000);
    assert!(server.get(&blob(&bytes)).body == bytes);
    assert_eq!(upstream.seen().len(), 3, "the second client got it from the store");
}

#[test]
fn an_upstream_that_has_to_begin_again_must_send_the_same() {
    let bytes = noise(500_000, 3);
    let whole = bytes.clone();
    let upstream = Upstream::start(move |_, number| match number {
        0 => cut(&whole, 200_000, &[], None),
        _ => answer("200 OK", &[], &whole),
    });
    assert!(server(&upstream).get(&blob(&bytes)).body == bytes);
    let (first, second) = (noise(500_000, 4), bytes.clone());
    let upstream = Upstream::start(move |_, number| match number {
        0 => cut(&first, 200_000, &[], None),
        _ => answer("200 OK", &[], &second),
    });
    let server = server(&upstream);
    let answer = server.get(&blob(&bytes));
    assert!(answer.body.len() <= 200_000, "nobody gets a mixture: {}", answer.body.len());
    assert_nothing_is_left(&server, &bytes);
}

#[test]
fn lengths_that_lie_are_noticed() {
    let bytes = noise(100_000, 5);
    let whole = bytes.clone();
    // More than announced, by chunks without a length at first.
    let upstream = Upstream::start(move |_, _| {
        vec![Step::Send([misbehaving::head("200 OK", &[]), whole.clone()].concat())]
    });
    let unknown = server(&upstream);
    assert!(unknown.get(&blob(&bytes)).body == bytes, "without a length it comes when it is complete");
    let whole = bytes.clone();
    let upstream = Upstream::start(move |_, _| cut(&whole, 50_000, &[], None));
    let short = server(&upstream);
    let answer = short.get(&blob(&bytes));
    assert!(answer.body.len() < bytes.len());
    assert_nothing_is_left(&short, &bytes);
}

#[test]
fn too_many_requests_are_passed_on() {
    let upstream = Upstream::start(|_, _| answer("429 Too Many Requests", &[("Retry-After", "17")], b""));
    let server = server(&upstream);
    for target in [blob(b"x"), "/v2/library/x/manifests/1?ns=docker.io".to_owned()] {
        let answer = server.get(&target);
        assert_eq!(answer.refusal(), (429, "TOOMANYREQUESTS".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("17"));
    }
    assert_eq!(upstream.seen().len(), 2, "asking again at once would make it worse");
}

#[test]
fn refusals_name_their_cause() {
    let upstream = Upstream::start(|seen, _| match seen.path.contains("blobs") {
        true => answer("403 Forbidden", &[], b""),
        false => answer("200 OK", &[("Content-Type", "text/html")], b"<html>log in</html>"),
    });
    let server = server(&upstream);
    let refused = server.get(&blob(b"x"));
    assert_eq!(refused.refusal(), (403, "DENIED".to_owned()));
    assert!(refused.text().contains("403"), "{}", refused.text());
    let portal = server.get("/v2/library/x/manifests/1?ns=docker.io");
    assert_eq!(portal.refusal(), (502, "UNAVAILABLE".to_owned()));
}

#[test]
fn a_manifest_must_have_its_digest() {
    let upstream = Upstream::start(|_, _| {
        let json = "application/vnd.oci.image.manifest.v1+json";
        answer("200 OK", &[("Content-Type", json)], b"{}")
    });
    let server = server(&upstream);
    let wanted = Digest::of(b"another");
    let answer = server.get(&format!("/v2/library/x/manifests/{wanted}?ns=docker.io"));
    assert_eq!(answer.refusal(), (502, "UNAVAILABLE".to_owned()));
    // By tag there is no digest to go by, but it is no manifest.
    let answer = server.get("/v2/library/x/manifests/1?ns=docker.io");
    assert_eq!(answer.refusal(), (502, "UNAVAILABLE".to_owned()));
    assert_eq!(server.get("/v2/_catalog").json()["repositories"], serde_json::json!([]));
}

/// Begins to read a blob, and returns when its first bytes are there.
fn begin(server: &Server, target: &str) -> TcpStream {
    let mut stream = server.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    stream
}

#[test]
fn a_transfer_ends_when_nobody_wants_it_and_goes_on_while_somebody_does() {
    let bytes = noise(400_000, 6);
    let whole = bytes.clone();
    let upstream = Upstream::start(move |_, _| cut(&whole, 100_000, &[], Some(Step::Stall)));
    let server = server(&upstream);
    let (first, second) = (begin(&server, &blob(&bytes)), begin(&server, &blob(&bytes)));
    drop(first);
    // The one who stays still has a transfer to follow: a third joins it.
    let third = begin(&server, &blob(&bytes));
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(server.store.upload_usage().unwrap().0, 1);
    drop((second, third));
    assert_nothing_is_left(&server, &bytes);
    // And the next one begins anew.
    drop(begin(&server, &blob(&bytes)));
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn without_room_a_blob_is_passed_on() {
    let bytes = noise(1_000_000, 7);
    let whole = bytes.clone();
    let upstream = Upstream::start(move |seen, _| match seen.start() {
        0 => answer("200 OK", &[], &whole),
        start => rest(&whole, start, &[]),
    });
    for limit in [0, 300_000] {
        let server = with(&upstream, Options { upload_limit: Some(limit), ..Options::default() });
        let answer = server.get(&blob(&bytes));
        assert!(answer.status == 200 && answer.body == bytes, "{} bytes", answer.body.len());
        let end = server.ask("GET", &blob(&bytes), &[("Range", "bytes=900000-")], b"");
        assert!(end.status == 206 && end.body == bytes[900_000..], "{} bytes", end.body.len());
        server.heard.wait_for("is passed on, but not kept");
        assert_nothing_is_left(&server, &bytes);
    }
    // Without room and without a length there is nothing to go by.
    let whole = bytes.clone();
    let unannounced = Upstream::start(move |_, _| {
        vec![Step::Send([misbehaving::head("200 OK", &[]), whole.clone()].concat())]
    });
    let server = with(&unannounced, Options { upload_limit: Some(0), ..Options::default() });
    assert_eq!(server.get(&blob(&bytes)).refusal(), (503, "UNAVAILABLE".to_owned()));
    // Wrong bytes are no better for it.
    let mut bad = bytes.clone();
    bad[999_999] ^= 1;
    let upstream = Upstream::start(move |_, _| answer("200 OK", &[], &bad));
    let server = with(&upstream, Options { upload_limit: Some(300_000), ..Options::default() });
    assert!(server.get(&blob(&bytes)).body.len() < bytes.len());
}

#[test]
fn a_full_disk_keeps_nobody_from_pulling() {
    let disk = tempfile::tempdir().unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        let run = Command::new(program).args(arguments).arg(disk.path()).output();
        run.is_ok_and(|run| run.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) {
        eprintln!("SKIPPED: only root may mount a small disk");
        return;
    }
    let bytes = noise(4 << 20, 8);
    let whole = bytes.clone();
    let upstream = Upstream::start(move |seen, _| match seen.start() {
        0 => answer("200 OK", &[], &whole),
        start => rest(&whole, start, &[]),
    });
    let server = with(&upstream, Options { store: Some(disk.path().join("store")), ..Options::default() });
    let answer = server.get(&blob(&bytes));
    assert!(answer.status == 200 && answer.body == bytes, "{} bytes", answer.body.len());
    server.heard.wait_for("is passed on, but not kept");
    assert_nothing_is_left(&server, &bytes);
    server.push_blob("a", &vec![2; 1 << 20]);
    drop(server);
    assert!(mount("umount", &["-l"]));
}

#[test]
fn skopeo_pulls_through_a_docker_registry() {
    if !is_there("skopeo") {
        return;
    }
    let Some(upstream) = DockerRegistry::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let digest = layout(&directory.path().join("in"));
    let skopeo = |from: &str, to: &str| {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--preserve-digests", "--src-tls-verify=false"]);
        let output = command.args(["--dest-tls-verify=false", from, to]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let local = format!("oci:{}", directory.path().join("in").display());
    skopeo(&local, &format!("docker://{}/library/x:1.0", upstream.address));
    let settings = through(&[("docker.io", &format!("http://{}", upstream.address))], Duration::ZERO);
    let server = Server::with(Options { upstream: Some(settings), ..Options::default() });
    let image = format!("docker://{}/docker.io/library/x:1.0", server.address);
    let pull = |name: &str| {
        let out = directory.path().join(name);
        skopeo(&image, &format!("oci:{}:x", out.display()));
        fs_err::read_to_string(out.join("index.json")).unwrap()
    };
    assert!(pull("first").contains(&digest));
    drop(upstream);
    assert!(pull("second").contains(&digest));
}

/// An OCI image layout with one image of several megabytes.
fn layout(directory: &Path) -> String {
    let layer: Vec<u8> =
        (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let configuration = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers",
        "diff_ids": [descriptor("", &layer)["digest"]]}})
    .to_string();
    let mut manifest = image(&layer);
    manifest["config"] = descriptor("application/vnd.oci.image.config.v1+json", configuration.as_bytes());
    let manifest = manifest.to_string();
    let blobs = directory.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).unwrap();
    for bytes in [&layer[..], configuration.as_bytes(), manifest.as_bytes()] {
        let digest = descriptor("", bytes)["digest"].as_str().unwrap().to_owned();
        fs_err::write(blobs.join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    }
    let entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs_err::write(directory.join("index.json"), index.to_string()).unwrap();
    fs_err::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    entry["digest"].as_str().unwrap().to_owned()
}
