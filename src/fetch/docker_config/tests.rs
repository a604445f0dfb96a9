//! Files as Docker and Podman write them, broken files, and helper programs of every mood.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

fn password(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) })
}

#[test]
fn hosts_and_repositories_find_their_credentials() {
    let text = r#"{
        "auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnBhc3M6d29yZA=="},
            "registry.lab:5000": {"username": "lab", "password": "word"},
            "quay.io/org/private": {"auth": "cm9ib3Q6dG9rZW4="},
            "quay.io": {"auth": "bWU6YWxs"},
            "azure.example": {"auth": "MDA6", "identitytoken": "refresh"},
            "empty.example": {}
        },
        "HttpHeaders": {"User-Agent": "x"}
    }"#;
    let config = DockerConfig::parse(text, "config.json").unwrap();
    for (host, repository, expected) in [
        ("docker.io", "library/busybox", password("hub", "pass:word")),
        ("registry.lab:5000", "a", password("lab", "word")),
        ("registry.lab", "a", None),
        ("quay.io", "org/private/deep", password("robot", "token")),
        ("quay.io", "org/private", password("robot", "token")),
        ("quay.io", "org/privateer", password("me", "all")),
        ("azure.example", "a", Some(Credentials::IdentityToken(Secret::new("refresh".to_owned())))),
        ("empty.example", "a", None),
        ("evil.quay.io", "org/private", None),
    ] {
        assert_eq!(config.credentials(host, repository).unwrap(), expected, "{host}/{repository}");
    }
    assert!(!format!("{config:?}").contains("pass:word"));
}

#[test]
fn broken_files_are_refused_without_repeating_their_secrets() {
    for text in [
        "",
        "7",
        r#"{"auths": {"a": {"auth": "hunter2!"}}}"#,
        r#"{"auths": {"a": {"auth": "aHVudGVyMg=="}}}"#,
        r#"{"auths": {"a": {"password": 7, "auth": "hunter2"}}}"#,
        r#"{"auths": "hunter2"}"#,
    ] {
        let error = DockerConfig::parse(text, "config.json").expect_err(text);
        assert_eq!((error.code(), error.kind().exit_status()), (codes::CREDENTIALS_FILE, 3));
        assert!(error.message().starts_with("config.json cannot be used"), "{error}");
        let everything = format!("{error:?} {:?}", error.causes());
        assert!(!everything.contains("hunter2"), "{everything}");
    }
}

/// A helper program with this body. It is written by another process: a file that this one holds open for
/// writing, if only in a child forked by a neighbouring test, cannot be executed.
fn helper(directory: &Path, body: &str) -> String {
    let path = directory.join("docker-credential-test");
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    path.to_str().unwrap().to_owned()
}

fn ask(body: &str, timeout: Duration) -> Result<Option<Credentials>> {
    let directory = tempfile::tempdir().unwrap();
    credential_helper::run(&helper(directory.path(), body), "registry.lab", timeout)
}

#[test]
fn helpers_are_asked_on_stdin_and_answer_in_json() {
    let body = r#"read host; echo "{\"ServerURL\":\"$host\",\"Username\":\"u-$1-$host\",\"Secret\":\"s\"}""#;
    assert_eq!(ask(body, HELPER_TIMEOUT).unwrap(), password("u-get-registry.lab", "s"));
    let token = r#"echo '{"Username":"<token>","Secret":"refresh"}'"#;
    let expected = Some(Credentials::IdentityToken(Secret::new("refresh".to_owned())));
    assert_eq!(ask(token, HELPER_TIMEOUT).unwrap(), expected);
    let unknown = "echo 'credentials not found in native keychain'; exit 1";
    assert_eq!(ask(unknown, HELPER_TIMEOUT).unwrap(), None);
}

#[test]
fn helpers_that_fail_are_named_and_never_quoted_on_success() {
    for (body, message) in [
        ("echo 'keychain is locked' >&2; exit 1", "keychain is locked"),
        ("echo hunter2", "no valid JSON"),
        ("yes hunter2", "more than"),
    ] {
        let error = ask(body, HELPER_TIMEOUT).expect_err(body);
        assert_eq!((error.code(), error.kind().exit_status()), (codes::CREDENTIAL_HELPER, 7));
        let everything = format!("{error:?}");
        assert!(everything.contains(message), "{everything}");
        assert!(!everything.contains("hunter2"), "{everything}");
    }
    let hanging = ask("exec sleep 600", Duration::from_millis(200)).unwrap_err();
    assert!(hanging.message().contains("did not answer"), "{hanging}");
}

#[test]
fn a_file_of_one_host_is_read_as_it_was_written() {
    let token = Credentials::IdentityToken(Secret::new("a \"b\"".to_owned()));
    for written in [password("robot$nodes", "a:b c").unwrap(), token] {
        let text = render("harbor.lab:8443", &written);
        assert_eq!(format!("{text:?}"), "[secret]");
        let file = DockerConfig::parse(text.reveal(), "login").unwrap();
        assert_eq!(file.credentials("harbor.lab:8443", "platform").unwrap(), Some(written));
        assert_eq!(file.credentials("harbor.lab", "platform").unwrap(), None);
    }
}

#[test]
fn helper_names_cannot_be_paths_and_missing_helpers_are_named() {
    let of = |store: &str| {
        let text = serde_json::json!({"credsStore": store}).to_string();
        DockerConfig::parse(&text, "config.json").unwrap().credentials("a", "b").unwrap_err()
    };
    assert!(of("../../tmp/x").message().contains("is not a name"));
    assert!(of("surely-not-installed").message().contains("docker-credential-surely-not-installed"));
}

proptest! {
    #[test]
    fn no_input_panics(text in "\\PC*", host in "[a-z./:]{0,20}", repository in "[a-z/]{0,20}") {
        let _ = DockerConfig::parse(&text, "x");
        let config = DockerConfig::parse(r#"{"auths":{"a":{"auth":"YTpi"}}}"#, "x").unwrap();
        let _ = config.credentials(&host, &repository);
    }
}
