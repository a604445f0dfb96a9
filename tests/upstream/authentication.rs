//! Who sees which credentials (rows 82 and 83, threat A20), and how often tokens are asked for.

use std::sync::Arc;

use airlock::error::{Result, codes};
use airlock::fetch::docker_config::DockerConfig;
use airlock::fetch::{Client, CredentialSource, Credentials, Settings};
use airlock::oci::digest::Digest;
use airlock::oci::registry::Registry;
use airlock::secret::Secret;

use crate::common::{Listener, Memory, expect, plain};
use crate::misbehaving::{Seen, Server, Step, answer};

const BODY: &[u8] = b"{}";

/// Knows one host.
struct Known(String, Credentials);

impl CredentialSource for Known {
    fn credentials(&self, host: &str, _repository: &str) -> Result<Option<Credentials>> {
        Ok((host == self.0).then(|| self.1.clone()))
    }
}

fn password() -> Credentials {
    Credentials::Password { username: "user".to_owned(), password: Secret::new("hunter2".to_owned()) }
}

fn registry(server: &Server, credentials: Option<Credentials>) -> Registry {
    let mut settings = plain(&[server.host()]);
    if let Some(credentials) = credentials {
        settings.credentials = Arc::new(Known(server.host(), credentials));
    }
    Registry::new(Client::new(settings))
}

async fn manifest(registry: &Registry, server: &Server) -> Result<Vec<u8>> {
    registry.manifest(&server.host(), "a/b", Digest::of(BODY)).await
}

fn bearer(realm: &str) -> Vec<Step> {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"lab\",scope=\"repository:a/b:pull\"");
    answer("401 Unauthorized", &[("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", &challenge)], b"")
}

fn token(text: &str) -> Vec<Step> {
    let body = format!("{{\"token\":\"{text}\",\"expires_in\":300}}");
    answer("200 OK", &[("Content-Type", "application/json")], body.as_bytes())
}

fn is_token_request(request: &Seen) -> bool {
    request.path.starts_with("/token")
}

/// A registry whose token service is itself.
fn with_tokens(valid: &'static str) -> Server {
    Server::start(move |request, _| match request.header("authorization") {
        _ if is_token_request(request) => token("t1"),
        Some(sent) if sent == format!("Bearer {valid}") => answer("200 OK", &[], BODY),
        _ => bearer(&format!("http://{}/token", request.header("host").unwrap())),
    })
}

#[tokio::test]
async fn many_requests_share_one_token() {
    let server = with_tokens("t1");
    let registry = registry(&server, Some(password()));
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let (registry, host) = (registry.clone(), server.host());
            tokio::spawn(async move { registry.manifest(&host, "a/b", Digest::of(BODY)).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), BODY);
    }
    let seen = server.seen();
    let asked: Vec<&Seen> = seen.iter().filter(|request| is_token_request(request)).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?scope=repository%3Aa%2Fb%3Apull&service=lab");
    assert_eq!(asked[0].header("authorization"), Some("Basic dXNlcjpodW50ZXIy"));
}

#[tokio::test]
async fn a_token_that_is_never_accepted_ends_the_loop() {
    let server = with_tokens("another");
    let error = manifest(&registry(&server, None), &server).await.unwrap_err();
    expect("401 loop", &error, codes::FETCH_UNAUTHORIZED, 8, "401");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let server = Server::start(|request, number| match request.header("authorization") {
        _ if is_token_request(request) => token(&format!("t{number}")),
        Some("Bearer t1") if number < 3 => answer("200 OK", &[], BODY),
        Some("Bearer t4") => answer("200 OK", &[], BODY),
        _ => bearer(&format!("http://{}/token", request.header("host").unwrap())),
    });
    let registry = registry(&server, None);
    assert_eq!(manifest(&registry, &server).await.unwrap(), BODY);
    assert_eq!(manifest(&registry, &server).await.unwrap(), BODY);
    let sent: Vec<_> =
        server.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    let sent: Vec<_> = sent.iter().map(Option::as_deref).collect();
    assert_eq!(sent, [None, None, Some("Bearer t1"), Some("Bearer t1"), None, Some("Bearer t4")]);
}

#[tokio::test]
async fn identity_tokens_are_exchanged_by_post() {
    let server = with_tokens("t1");
    let identity = Credentials::IdentityToken(Secret::new("refresh&me".to_owned()));
    manifest(&registry(&server, Some(identity)), &server).await.unwrap();
    let request = server.seen().into_iter().find(is_token_request).unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/token"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    for part in
        ["grant_type=refresh_token", "refresh_token=refresh%26me", "service=lab", "scope=repository%3Aa%2Fb"]
    {
        assert!(request.body.contains(part), "{}", request.body);
    }
}

#[tokio::test]
async fn a_foreign_token_service_never_sees_credentials() {
    // 82: the other host is 127.0.0.1, the registry localhost.
    let service = Server::start(|_, _| token("t1"));
    let realm = service.url("/token");
    let server = Server::start(move |request, _| match request.header("authorization") {
        Some("Bearer t1") => answer("200 OK", &[], BODY),
        _ => bearer(&realm),
    });
    let host = format!("localhost:{}", server.port);
    let ask = |source: Option<Known>| {
        let mut settings = plain(std::slice::from_ref(&host));
        if let Some(source) = source {
            settings.credentials = Arc::new(source);
        }
        let (registry, host) = (Registry::new(Client::new(settings)), host.clone());
        async move { registry.manifest(&host, "a/b", Digest::of(BODY)).await }
    };
    let error = ask(Some(Known(host.clone(), password()))).await.unwrap_err();
    expect("82", &error, codes::FETCH_REALM, 8, "their credentials were not sent there");
    assert!(service.seen().is_empty());
    assert_eq!(ask(None).await.unwrap(), BODY);
    assert_eq!(service.seen()[0].header("authorization"), None);
    assert_eq!(ask(Some(Known(service.host(), password()))).await.unwrap(), BODY);
    assert_eq!(service.seen()[1].header("authorization"), Some("Basic dXNlcjpodW50ZXIy"));
}

#[tokio::test]
async fn basic_authentication_is_asked_for_once_and_kept() {
    let server = Server::start(|request, _| match request.header("authorization") {
        Some("Basic dXNlcjpodW50ZXIy") => answer("200 OK", &[], BODY),
        _ => answer("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"lab\"")], b""),
    });
    let known = registry(&server, Some(password()));
    for _ in 0..2 {
        assert_eq!(manifest(&known, &server).await.unwrap(), BODY);
    }
    assert_eq!(server.seen().len(), 3);
    let error = manifest(&registry(&server, None), &server).await.unwrap_err();
    expect("nobody", &error, codes::FETCH_UNAUTHORIZED, 8, "wants a user name and password");
    assert!(error.help().unwrap().contains(&format!("docker login {}", server.host())));
    let wrong =
        Credentials::Password { username: "user".to_owned(), password: Secret::new("wrong".to_owned()) };
    let error = manifest(&registry(&server, Some(wrong)), &server).await.unwrap_err();
    expect("wrong", &error, codes::FETCH_UNAUTHORIZED, 8, "401");
}

#[tokio::test]
async fn authorization_stays_behind_when_a_blob_lies_elsewhere() {
    // 83
    let store = Server::start(|_, _| answer("200 OK", &[], BODY));
    let elsewhere = store.url("/blob?signature=x");
    let server = Server::start(move |request, _| match request.header("authorization") {
        Some("Basic dXNlcjpodW50ZXIy") => answer("307 Temporary Redirect", &[("Location", &elsewhere)], b""),
        _ => answer("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"lab\"")], b""),
    });
    let registry = registry(&server, Some(password()));
    let location = registry.blob(&server.host(), "a/b", Digest::of(BODY)).unwrap();
    let mut sink = Memory::default();
    let mut settings = plain(&[server.host()]);
    settings.credentials = Arc::new(Known(server.host(), password()));
    let client = Client::new(settings);
    airlock::fetch::download(&client, &location, Some(2), 2, &mut sink, &*Listener::new()).await.unwrap();
    assert_eq!(sink.bytes, BODY);
    assert_eq!(store.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn token_services_that_misbehave_are_errors() {
    for (case, steps, code, text) in [
        ("no json", answer("200 OK", &[], b"<html>hunter2"), codes::FETCH_ANSWER, "no JSON of a token"),
        ("no token", answer("200 OK", &[], b"{}"), codes::FETCH_ANSWER, "without a token"),
        (
            "line break",
            answer("200 OK", &[], b"{\"token\":\"a\\nb\"}"),
            codes::FETCH_ANSWER,
            "cannot be sent",
        ),
        ("too long", answer("200 OK", &[], &vec![b' '; 300 << 10]), codes::FETCH_ANSWER, "more than 256 KiB"),
        ("refused", answer("401 Unauthorized", &[], b""), codes::FETCH_UNAUTHORIZED, "without a login"),
        ("overloaded", answer("503 Service Unavailable", &[], b""), codes::FETCH_STATUS, "tried 3 times"),
    ] {
        let server = Server::start(move |request, _| match is_token_request(request) {
            true => steps.clone(),
            false => bearer(&format!("http://{}/token", request.header("host").unwrap())),
        });
        let error = manifest(&registry(&server, None), &server).await.expect_err(case);
        expect(case, &error, code, 8, text);
        assert!(!format!("{error:?}").contains("hunter2"), "{case}");
    }
}

#[tokio::test]
async fn a_helper_that_fails_ends_the_request_instead_of_going_on_anonymously() {
    let server = with_tokens("t1");
    let text = format!("{{\"credHelpers\": {{\"{}\": \"surely-not-installed\"}}}}", server.host());
    let source = DockerConfig::parse(&text, "config.json").unwrap();
    let settings = Settings { credentials: Arc::new(source), ..plain(&[server.host()]) };
    let error = manifest(&Registry::new(Client::new(settings)), &server).await.unwrap_err();
    expect("helper", &error, codes::CREDENTIAL_HELPER, 7, "cannot be started");
}
