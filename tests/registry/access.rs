//! Who may do what.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Answer, Options, Server, TOKEN};

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("ada:{password}")))
}

#[test]
fn pushing_and_deleting_need_a_token() {
    let server = Server::start();
    server.push_image("a", "1", b"layer");
    for (method, target) in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/0"),
        ("PUT", "/v2/a/manifests/1"),
        ("DELETE", "/v2/a/manifests/1"),
    ] {
        for headers in
            [vec![], vec![("Authorization", "Bearer wrong")], vec![("Authorization", "Basic YTpi")]]
        {
            let answer = server.ask(method, target, &headers, b"");
            assert_eq!(answer.refusal(), (401, "UNAUTHORIZED".to_owned()), "{method} {target}");
        }
    }
    assert_eq!(server.get("/v2/a/manifests/1").status, 200);
    let wrong = server.ask("GET", "/v2/a/manifests/1", &[("Authorization", &basic("wrong"))], b"");
    assert_eq!(wrong.status, 401, "who logs in wrongly is told");
    let spoken = server.heard.lines().join("\n");
    assert!(!spoken.contains(TOKEN) && !spoken.contains("wrong"), "{spoken}");
}

#[test]
fn clients_log_in_as_they_do_at_other_registries() {
    let server = Server::start();
    let ping = server.get("/v2/");
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"airlock\"", server.address);
    assert_eq!((ping.status, ping.header("www-authenticate")), (401, Some(challenge.as_str())));
    let push = server.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    let challenge = format!("{challenge},scope=\"repository:a:pull,push\"");
    assert_eq!(push.header("www-authenticate"), Some(challenge.as_str()));
    let target = "/token?account=ada&client_id=docker&service=airlock&scope=repository:a:pull,push";
    let log_in = |headers: &[(&str, &str)]| server.ask("GET", target, headers, b"");
    assert_eq!(log_in(&[("Authorization", &basic("wrong"))]).status, 401);
    let token = |answer: &Answer| format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let full = log_in(&[("Authorization", &basic(TOKEN))]);
    assert!(!full.text().contains(TOKEN) && full.header("cache-control") == Some("no-store"));
    let full = token(&full);
    assert_eq!(server.ask("GET", "/v2/", &[("Authorization", &full)], b"").status, 200);
    assert_eq!(server.ask("POST", "/v2/a/blobs/uploads/", &[("Authorization", &full)], b"").status, 202);
    // Without credentials there is a pass for reading.
    let anonymous = token(&log_in(&[]));
    assert_eq!(server.ask("GET", "/v2/", &[("Authorization", &anonymous)], b"").status, 200);
    assert_eq!(server.ask("POST", "/v2/a/blobs/uploads/", &[("Authorization", &anonymous)], b"").status, 401);
    assert_eq!(server.ask("POST", target, &[], b"").status, 405, "clients then try GET");
}

#[test]
fn reading_can_need_a_token_too() {
    let server = Server::with(Options { anonymous_pull: false, ..Options::default() });
    let digest = server.push_image("a", "1", b"layer");
    for target in ["/v2/a/manifests/1", "/v2/a/tags/list", "/v2/_catalog", "/airlock/v1/manifest", "/token"] {
        assert_eq!(server.get(target).status, 401, "{target}");
    }
    assert_eq!(server.get(&format!("/airlock/v1/blobs/{digest}")).status, 401);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.ask("GET", "/v2/a/manifests/1", &[("Authorization", &basic(TOKEN))], b"").status, 200);
}

#[test]
fn the_unix_socket_needs_no_token() {
    let server = Server::start();
    let mode = fs_err::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    let request =
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(Answer::read(stream).status, 202);
    server.heard.wait_for("unix POST");
}

#[test]
fn secrets_in_requests_do_not_reach_the_log() {
    let server = Server::start();
    server.get("/token?password=hunter2&scope=x");
    let line = server.heard.wait_for("/token");
    assert!(!line.contains("hunter2"), "{line}");
}
