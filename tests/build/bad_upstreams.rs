//! Upstreams in trouble, as a tired administrator sees them: exit status, message and help.

use std::sync::Arc;

use super::fetching::large_images;
use super::misbehaving::{self, Seen, Step, answer, cut};
use super::server::transfer::Pace;
use super::server::{Options, Server};
use super::site::{Site, until};

/// One image from a server of its own.
fn spec(host: &str, settings: &str) -> String {
    format!("  \"{host}\": {{{settings}}}\nimages: [\"{host}/lab/a:1\"]\n")
}

/// Builds against a server that follows a script. `[SERVER]` stands for its address.
fn scripted(script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static) -> String {
    against(&misbehaving::Server::start(script).host(), "plainHttp: true")
}

/// Builds an image of that server.
fn against(host: &str, settings: &str) -> String {
    let site =
        Site::with_data(&spec(host, settings), Pace::default(), |data| fs_err::create_dir(data).unwrap());
    let outcome = site.build(&[]);
    assert!(!site.path("out").exists());
    outcome.to_string().replace(host, "[SERVER]")
}

/// A registry whose blobs of more than 100 kB are answered by `blob`.
fn registry(site: &Site, blob: impl Fn(&[u8]) -> Vec<Step> + Send + Sync + 'static) -> misbehaving::Server {
    let layout = site.data("layout");
    let index: serde_json::Value =
        serde_json::from_slice(&fs_err::read(layout.join("index.json")).unwrap()).unwrap();
    let root = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    misbehaving::Server::start(move |request, _| {
        let digest = request.path.rsplit('/').next().unwrap().split('?').next().unwrap();
        let digest = if digest.starts_with("sha256:") { digest } else { &root };
        let bytes = fs_err::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
        if bytes.len() > 100_000 && request.method == "GET" {
            return blob(&bytes);
        }
        let media_type = super::samples::images::OCI_MANIFEST;
        answer("200 OK", &[("Content-Type", media_type), ("Docker-Content-Digest", digest)], &bytes)
    })
}

fn with_blobs(blob: impl Fn(&[u8]) -> Vec<Step> + Send + Sync + 'static) -> String {
    let mut site = Site::with_data("", Pace::default(), large_images);
    let server = registry(&site, blob);
    site.spec(&spec(&server.host(), "plainHttp: true"));
    site.build(&[]).to_string().replace(&server.host(), "[SERVER]")
}

fn status(line: &'static str, headers: &'static [(&str, &str)]) -> String {
    scripted(move |_, _| {
        answer(line, headers, b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\u001b[31m\"}]}")
    })
}

fn login_page() -> String {
    scripted(|_, _| {
        answer("200 OK", &[("Content-Type", "text/html")], b"<!doctype html><title>Login</title>")
    })
}

fn login_page_for_blobs() -> String {
    with_blobs(|_| answer("200 OK", &[("Content-Type", "text/html")], b"<html>Login</html>"))
}

fn wrong_blob() -> String {
    with_blobs(|bytes| answer("200 OK", &[], &vec![0; bytes.len()]))
}

fn longer_blob() -> String {
    with_blobs(|bytes| answer("200 OK", &[], &vec![0; bytes.len() + 1]))
}

fn truncated_blob() -> String {
    with_blobs(|bytes| cut(bytes, 1000, &[], None))
}

fn missing_tag() -> String {
    let mut site = Site::with_data("", Pace::default(), large_images);
    site.spec("images: [\"{upstream}/lab/a:1.0\"]\n");
    site.build(&[]).to_string()
}

fn no_credentials() -> String {
    with_credentials("{}")
}

fn wrong_credentials() -> String {
    // name:wrong
    with_credentials("{\"auths\": {\"[HOST]\": {\"auth\": \"bmFtZTp3cm9uZw==\"}}}")
}

fn with_credentials(config: &str) -> String {
    let mut site = Site::with_data("", Pace::default(), large_images);
    let credentials = Some("name:secret".to_owned());
    site.upstream = Server::start(Options { credentials, ..Options::new(&site.data("")) }).unwrap();
    site.spec("images: [\"{upstream}/lab/a:1\"]\n");
    fs_err::create_dir(site.path(".docker")).unwrap();
    fs_err::write(site.path(".docker/config.json"), config.replace("[HOST]", &site.address())).unwrap();
    site.build(&[]).to_string()
}

fn unknown_authority() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let server = misbehaving::Server::start_tls(Arc::new(config), |_, _| answer("200 OK", &[], b"{}"));
    against(&server.host(), "")
}

fn plain_http_where_tls_was_expected() -> String {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(Options::new(directory.path())).unwrap();
    against(&server.address().to_string(), "")
}

/// The older bundle stays when the upstream goes away in the middle of a build.
fn dies_half_way() -> String {
    let pace = Pace { bytes_per_second: Some(500_000), ..Pace::default() };
    let mut site = Site::with_data("images: [\"{upstream}/lab/d:1\"]\n", pace, large_images);
    site.must_build(&[]);
    let older = site.digests("out");
    site.spec("images: [\"{upstream}/lab/c:1\"]\n");
    site.lock(&[]);
    site.upstream.reset_stats();
    let child = site.command(&["bundle", "build", "--locked", "-q", "-o", "out"]).spawn().unwrap();
    until(|| site.sent() >= 100_000);
    let address = site.address();
    site.upstream = Server::start(Options::new(&site.data("gone"))).unwrap();
    let outcome = site.outcome(&child.wait_with_output().unwrap()).to_string();
    let mut after = site.digests("out");
    after.retain(|(name, _)| !name.ends_with(".partial"));
    assert_eq!(after, older);
    site.must_verify("out");
    outcome.replace(&address, "[SERVER]")
}

#[test]
fn troubles_are_told_with_their_remedy() {
    // Several of them are tried again for a while: all at once.
    type Case = (&'static str, fn() -> String);
    let cases: [Case; 17] = [
        ("nobody listens", || against("127.0.0.1:1", "plainHttp: true")),
        ("login needed", no_credentials),
        ("login refused", wrong_credentials),
        ("forbidden", || status("403 Forbidden", &[])),
        ("a tag that does not exist", missing_tag),
        ("too many requests, for ever", || status("429 Too Many Requests", &[("Retry-After", "1")])),
        ("too many requests, for hours", || status("429 Too Many Requests", &[("Retry-After", "7200")])),
        ("internal errors", || status("500 Internal Server Error", &[])),
        ("a login page", login_page),
        ("a login page for blobs", login_page_for_blobs),
        ("no manifest at all", || scripted(|_, _| answer("200 OK", &[], b"hello"))),
        ("a wrong blob", wrong_blob),
        ("a longer blob", longer_blob),
        ("a blob that breaks off", truncated_blob),
        ("an unknown authority", unknown_authority),
        ("plain HTTP where TLS was expected", plain_http_where_tls_was_expected),
        ("an upstream that dies half way", dies_half_way),
    ];
    let said: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(_, case)| scope.spawn(case)).collect();
        running.into_iter().map(|case| case.join().unwrap()).collect()
    });
    let gallery: String =
        cases.iter().zip(said).map(|((what, _), said)| format!("== {what}\n{said}")).collect();
    insta::assert_snapshot!(gallery);
}
