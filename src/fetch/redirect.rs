//! Where a server may send us (RFC 9110, 10.2.2 and 15.4). Redirects are followed by our own hand, because
//! what a library follows silently can leak credentials or leave TLS.

use std::net::IpAddr;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{StatusCode, Url};

use super::failure::Failure;
use super::shown;
use crate::error::{Error, codes};

/// Redirects in a row before it is called a loop.
pub(super) const MOST: usize = 10;

/// Whether `status` sends a GET or HEAD elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether two URLs are of one server, so that what is meant for one may be sent to the other (RFC 6454).
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// The URL that an answer of `from` with these headers leads to.
pub(super) fn target(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let location = headers
        .get(LOCATION)
        .ok_or_else(|| Failure::senseless(from, "it redirects without saying where to"))?
        .to_str()
        .map_err(|_| refused(from, "elsewhere", "the address is not plain text"))?;
    let lower = location.to_ascii_lowercase();
    if lower.contains("%0a") || lower.contains("%0d") {
        return Err(refused(from, location, "the address hides a line break"));
    }
    let mut target = from.join(location).map_err(|_| refused(from, location, "that is no URL"))?;
    check(from, &target).map_err(|reason| refused(from, &shown::url(&target), reason))?;
    // A user name in a foreign address would be sent as if it were ours.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Ok(target)
}

/// The URL at which an upload goes on. A server that calls itself by `http` although it was asked by `https` sits
/// behind something that ends TLS: it is asked by `https` again.
pub(super) fn next(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let named = headers.get(LOCATION).and_then(|location| from.join(location.to_str().ok()?).ok());
    match named {
        Some(mut url) if from.scheme() == "https" && url.scheme() == "http" && url.host() == from.host() => {
            // Neither can fail between two URLs that have hosts.
            let _ = url.set_scheme("https");
            let _ = url.set_port(from.port());
            Ok(url)
        }
        _ => target(from, headers),
    }
}

/// Whether a server at `from` may make us talk to `target`.
pub(super) fn check(from: &Url, target: &Url) -> Result<(), &'static str> {
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err("it would leave TLS"),
        _ => return Err("only http and https are followed"),
    }
    match address(target) {
        Some(ip) if is_link_local(ip) => Err("link-local addresses belong to this machine's own services"),
        _ => Ok(()),
    }
}

fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

fn refused(from: &Url, target: &str, reason: &str) -> Failure {
    let from_shown = shown::url(from);
    let message = format!("{from_shown} redirects to {}: {reason}", shown::printable(target));
    Failure::elsewhere(redirect_error(message, from))
}

/// The redirects of `from` come to no end.
pub(super) fn endless(from: &Url, looping: bool) -> Failure {
    let what = if looping { "redirects in a circle" } else { "redirects more than 10 times" };
    Failure::elsewhere(redirect_error(format!("{} {what}", shown::url(from)), from))
}

fn redirect_error(message: String, from: &Url) -> Error {
    Error::new(codes::FETCH_REDIRECT, message).with_help(format!(
        "look at the redirects with `curl -vL {}`, and name the final address",
        shown::url(from)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn follow(from: &str, location: &str) -> Result<String, String> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        target(&Url::parse(from).unwrap(), &headers)
            .map(|url| url.to_string())
            .map_err(|failure| failure.error.message().to_owned())
    }

    #[test]
    fn relative_and_absolute_targets_are_followed() {
        for (from, location, expected) in [
            ("https://a/b/c", "../d?e=f", "https://a/d?e=f"),
            ("http://a/b", "https://c:8443/d", "https://c:8443/d"),
            ("http://a/b", "http://10.0.0.1/", "http://10.0.0.1/"),
            ("https://a/b", "//c/d", "https://c/d"),
            ("https://a/b", "https://user:word@c/d", "https://c/d"),
        ] {
            assert_eq!(follow(from, location).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn dangerous_targets_are_refused_with_their_reason() {
        for (from, location, reason) in [
            ("https://a/", "http://a/", "would leave TLS"),
            ("https://a/", "file:///etc/shadow", "only http and https"),
            ("http://a/", "ftp://a/", "only http and https"),
            ("http://a/", "http://169.254.169.254/latest/meta-data", "link-local"),
            ("http://a/", "http://0xA9FEA9FE/", "link-local"),
            ("http://a/", "http://[fe80::1]/", "link-local"),
            ("http://a/", "http://[::ffff:169.254.1.1]/", "link-local"),
            ("http://a/", "http://0.0.0.0/", "link-local"),
            ("http://a/", "/x%0d%0aHost:b", "line break"),
            ("http://a/", "http://", "no URL"),
        ] {
            let message = follow(from, location).expect_err(location);
            assert!(message.contains(reason), "{location}: {message}");
        }
    }

    #[test]
    fn an_upload_goes_on_where_it_began_even_if_a_proxy_forgets_tls() {
        for (from, location, expected) in [
            ("https://a:8443/v2/", "http://a/v2/x?_state=y", Some("https://a:8443/v2/x?_state=y")),
            ("https://a/v2/", "/v2/x", Some("https://a/v2/x")),
            ("https://a/v2/", "https://s3/x?signature=y", Some("https://s3/x?signature=y")),
            ("https://a/v2/", "http://b/v2/x", None),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
            let found = next(&Url::parse(from).unwrap(), &headers).ok().map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one, other| same_origin(&Url::parse(one).unwrap(), &Url::parse(other).unwrap());
        assert!(same("https://a/b", "https://a:443/c"));
        assert!(!same("https://a", "http://a"));
        assert!(!same("https://a", "https://a:444"));
        assert!(!same("https://a", "https://a.b"));
    }
}
