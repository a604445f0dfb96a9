//! Documents and redirect targets.

use airlock::error::codes;
use airlock::fetch::Limits;

use crate::common::{client, expect};
use crate::misbehaving::{Server, Step, answer, cut, head};

const LIMITS: Limits = Limits { max_size: 1000 };

#[tokio::test]
async fn a_document_comes_with_what_the_server_says_about_it() {
    let server = Server::start(|request, number| match (request.path.as_str(), number) {
        ("/a", 0) => cut(b"whole", 2, &[], None),
        ("/a", _) => answer("301 Moved Permanently", &[("Location", "/b")], b""),
        _ => answer("200 OK", &[("Content-Type", "Text/Plain; charset=utf-8"), ("ETag", "\"1\"")], b"whole"),
    });
    let document = client().document(&server.url("/a"), LIMITS).await.unwrap();
    assert_eq!(document.bytes, b"whole");
    assert_eq!(document.content_type.as_deref(), Some("text/plain"));
    assert_eq!(document.etag.as_deref(), Some("\"1\""));
    assert_eq!(document.final_url.as_str(), server.url("/b"));
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let html = [("Content-Type", "text/html")];
    let text = [("Content-Type", "text/plain")];
    let gzip = [("Content-Encoding", "gzip")];
    let cases: [(&str, Vec<Step>, _, &str); 7] = [
        ("81: html", answer("200 OK", &html, b"log in"), codes::FETCH_WEB_PAGE, "is a web page"),
        (
            "81: hidden html",
            answer("200 OK", &text, b"\n<!DOCTYPE HTML>"),
            codes::FETCH_WEB_PAGE,
            "is a web page",
        ),
        ("announced", answer("200 OK", &[], &[0; 1001]), codes::FETCH_LENGTH, "more than the allowed 1000"),
        (
            "A23: endless",
            vec![Step::Send(head("200 OK", &[])), Step::Endless],
            codes::FETCH_LENGTH,
            "more than the allowed 1000",
        ),
        ("encoded", answer("200 OK", &gzip, b"x"), codes::FETCH_ANSWER, "sent as `gzip`"),
        ("missing", answer("404 Not Found", &[], b""), codes::FETCH_NOT_FOUND, "404"),
        ("nonsense", vec![Step::Send(b"SSH-2.0-OpenSSH\r\n".to_vec())], codes::FETCH_CONNECT, "127.0.0.1"),
    ];
    for (case, steps, code, text) in cases {
        let server = Server::start(move |_, _| steps.clone());
        let error = client().document(&server.url("/a"), LIMITS).await.expect_err(case);
        expect(case, &error, code, 8, text);
    }
    let error = client().document("file:///etc/passwd", LIMITS).await.unwrap_err();
    expect("scheme", &error, codes::FETCH_URL, 3, "only http and https");
}

#[tokio::test]
async fn a_redirect_target_need_not_exist() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/stable" => answer("302 Found", &[("Location", "/latest")], b""),
        "/latest" => answer("302 Found", &[("Location", "/tag/v1.36.3+k3s1")], b""),
        "/tag/v1.36.3+k3s1" => answer("404 Not Found", &[], b""),
        _ => answer("200 OK", &[], b"hello"),
    });
    let target = client().redirect_target(&server.url("/stable")).await.unwrap();
    assert_eq!(target.as_str(), server.url("/tag/v1.36.3+k3s1"));
    let error = client().redirect_target(&server.url("/plain")).await.unwrap_err();
    expect("no redirect", &error, codes::FETCH_ANSWER, 8, "should redirect");
}
