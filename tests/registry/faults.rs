//! Damage, garbage, slowness, too many clients, and stopping.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use airlock::registry::deadline::Deadlines;
use airlock::registry::limits::Limits;

use crate::support::{Answer, Options, Server};

#[test]
fn a_damaged_blob_is_never_sent_whole() {
    let server = Server::start();
    let mut bytes = vec![7_u8; 3_000_000];
    let digest = server.push_blob("a", &bytes);
    let path = server.store.root().join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    let target = format!("/v2/a/blobs/{digest}");
    assert_eq!(server.get(&target).body.len(), bytes.len());
    bytes[1_500_000] ^= 1;
    fs_err::write(&path, &bytes).unwrap();
    let answer = server.get(&target);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("3000000")));
    assert!(answer.body.len() < bytes.len(), "the connection breaks off before the end");
    let report = server.heard.wait_for("warning: E0638");
    assert!(report.contains(&digest), "{report}");
    assert!(server.get("/metrics").text().contains("airlock_registry_damaged_blobs_total 1\n"));
    let part = server.ask("GET", &target, &[("Range", "bytes=0-9")], b"");
    assert_eq!(part.status, 500, "not even a part that may be right");
    // Pushing it again puts it right.
    server.push_blob("a", &vec![7_u8; 3_000_000]);
    assert_eq!(server.get(&target).body.len(), 3_000_000);
}

#[test]
fn garbage_is_answered_or_dropped_and_the_server_goes_on() {
    let server = Server::start();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v2/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PATCH /v2/a/blobs/uploads/0 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\0\0\0\0",
    ] {
        let mut stream = server.connect();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    let mut stream = server.connect();
    let _ = stream.write_all(format!("GET /v2/ HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn names_that_lead_elsewhere_lead_nowhere() {
    let server = Server::start();
    for target in [
        "/v2/../../etc/passwd",
        "/v2/a/blobs/../../../etc/passwd",
        "/v2/..%2f..%2fetc/manifests/passwd",
        "/v2/a/manifests/..%2f..%2fpasswd",
        "/apt/../../etc/passwd",
        "/apt/noble/../../../etc/passwd",
        "/airlock/v1/blobs/../../../../etc/passwd",
    ] {
        let answer = server.get(target);
        assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
    }
}

fn impatient() -> Deadlines {
    let short = Duration::from_millis(200);
    Deadlines {
        handshake: short,
        head: short,
        stall: short,
        grace: short,
        slowest: 1 << 20,
        stop: Duration::from_secs(10),
    }
}

#[test]
fn slow_clients_are_given_up() {
    let server = Server::with(Options { deadlines: impatient(), ..Options::default() });
    let start = Instant::now();
    // A head that never ends, and nothing at all after a connection was made.
    for begin in ["GET /v2/ HTTP/1.1\r\nHost:", "", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = server.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
    }
    let location = server.privileged("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = location.header("location").unwrap().to_owned();
    // A body that stands still.
    let mut stream = server.connect();
    let token = crate::support::TOKEN;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(Answer::read(stream).status, 408);
    let status = server.privileged("GET", &location, &[], b"");
    assert_eq!(status.header("range"), Some("0-2"), "what came is kept");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn who_takes_nothing_is_given_up() {
    let server = Server::with(Options { deadlines: impatient(), ..Options::default() });
    let digest = server.push_blob("a", &vec![1; 32 << 20]);
    let mut stream = server.connect();
    stream.write_all(format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    // The line comes when the server has given up: nothing has been read.
    let line = server.heard.wait_for(&format!("GET /v2/a/blobs/{digest}"));
    assert!(line.contains(" 200 "), "{line}");
}

#[test]
fn one_client_cannot_take_all_connections() {
    let limits = Limits { connections: 100, connections_per_client: 3 };
    let server = Server::with(Options { limits, ..Options::default() });
    let mut held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    // Each is known to the server once it has answered.
    for stream in &mut held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    let mut refused = server.connect();
    let _ = refused.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = Vec::new();
    let _ = refused.read_to_end(&mut answer);
    assert!(answer.is_empty());
    held.clear();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut stream = server.connect();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if answer.starts_with(b"HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < deadline, "places come back");
    }
}

#[test]
fn stopping_lets_transfers_end() {
    let mut server = Server::start();
    let bytes = vec![9_u8; 32 << 20];
    let digest = server.push_blob("a", &bytes);
    let mut stream = server.connect();
    stream.write_all(format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    let idle = server.connect();
    let address = server.address;
    let stopped = server.stop();
    let waiting = std::thread::spawn(stopped);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let head = first.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let body: Vec<u8> = [&first[head..], &rest].concat();
    assert_eq!(Digest::of(&body), Digest::of(&bytes));
    waiting.join().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(idle);
}

#[test]
fn a_full_disk_is_507_and_the_space_comes_back() {
    let disk = tempfile::tempdir().unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        let run = std::process::Command::new(program).args(arguments).arg(disk.path()).output();
        run.is_ok_and(|run| run.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) {
        eprintln!("SKIPPED: only root may mount a small disk");
        return;
    }
    let server = Server::with(Options { store: Some(disk.path().join("store")), ..Options::default() });
    let large = vec![1; 4 << 20];
    let target = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&large));
    let refused = server.privileged("POST", &target, &[], &large);
    let refusal = (!refused.body.is_empty()).then(|| refused.refusal());
    // It may close the connection before all of the body was sent, and the answer is lost then; the log has it.
    server.heard.wait_for(" 507 ");
    assert!(refusal.is_none_or(|refusal| refusal == (507, "DENIED".to_owned())));
    assert_eq!(server.store.upload_usage().unwrap(), (0, 0), "nothing is left of it");
    server.push_blob("a", &vec![2; 1 << 20]);
    drop(server);
    assert!(mount("umount", &["-l"]));
}
