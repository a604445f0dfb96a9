//! Proxies (row 107).

use airlock::error::codes;
use airlock::fetch::{Client, Limits, Proxies, Settings};

use crate::common::{expect, quick};
use crate::misbehaving::{Server, answer};

fn through(proxy: &str, no_proxy: &str) -> Client {
    let proxies = Proxies::new(Some(proxy), Some(proxy), Some(no_proxy)).unwrap();
    Client::new(Settings { proxies, ..quick() })
}

const LIMITS: Limits = Limits { max_size: 1000 };

#[tokio::test]
async fn requests_go_through_the_proxy_with_its_password() {
    let proxy = Server::start(|_, _| answer("200 OK", &[], b"by proxy"));
    let client = through(&format!("http://user:p%40ss@{}", proxy.host()), "");
    let document = client.document("http://somewhere.invalid/a", LIMITS).await.unwrap();
    assert_eq!(document.bytes, b"by proxy");
    let seen = &proxy.seen()[0];
    assert_eq!(seen.path, "http://somewhere.invalid/a");
    assert_eq!(seen.header("proxy-authorization"), Some("Basic dXNlcjpwQHNz"));
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_asked_directly() {
    let (proxy, server) =
        (Server::start(|_, _| vec![]), Server::start(|_, _| answer("200 OK", &[], b"direct")));
    let client = through(&proxy.url(""), "localhost,127.0.0.0/8");
    assert_eq!(client.document(&server.url("/a"), LIMITS).await.unwrap().bytes, b"direct");
    assert!(proxy.seen().is_empty());
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_named_once() {
    let proxy = Server::start(|_, _| {
        answer("407 Proxy Authentication Required", &[("Proxy-Authenticate", "Basic realm=x")], b"")
    });
    for url in ["http://somewhere.invalid/a", "https://somewhere.invalid/a"] {
        let before = proxy.seen().len();
        let error = through(&proxy.url(""), "").document(url, LIMITS).await.expect_err(url);
        expect(url, &error, codes::FETCH_PROXY, 8, "the proxy to somewhere.invalid wants a user name");
        assert_eq!(proxy.seen().len() - before, 1, "{url}");
    }
}
