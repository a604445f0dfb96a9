//! URLs and host names: only HTTP, and never with a password in them.

use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::raw::Text;
use crate::spec::source::Source;

use super::text::text;

/// An `http://` or `https://` URL without user information (RFC 3986).
pub(in crate::spec) fn url(source: &Source<'_>, value: &Text) -> Result<String> {
    let url = text(source, value)?;
    let Some((reason, help)) = fault(url) else { return Ok(url.to_owned()) };
    let message = format!("`{}` cannot be used as a URL: {reason}", quote(url));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

/// A URL below which more is looked up: no query, no fragment. The result has no `/` at its end.
pub(in crate::spec) fn base_url(source: &Source<'_>, value: &Text) -> Result<String> {
    let url = url(source, value)?;
    if url.contains(['?', '#']) {
        let message = format!("`{}` has a query or fragment, so nothing can be appended to it", quote(&url));
        let help = "write the URL up to, but without, the `?` or `#`";
        return Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// `host` or `host:port`, as it stands in image references.
pub(in crate::spec) fn host(source: &Source<'_>, value: &Text) -> Result<String> {
    let host = text(source, value)?;
    if is_host(host) {
        return Ok(host.to_owned());
    }
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let bare = bare.rsplit_once('@').map_or(bare, |(_, rest)| rest);
    let bare = bare.split(['/', '?', '#']).next().unwrap_or_default();
    let help = match is_host(bare) {
        true => format!("write `{bare}`"),
        false => "write `host` or `host:port`, for example `registry.lab:5000`".to_owned(),
    };
    let message = format!("`{}` is not a host name", quote(host));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

fn fault(text: &str) -> Option<(&'static str, String)> {
    let example = "write it out, for example `https://example.com/file.tar.gz`";
    if text.contains(char::is_whitespace) {
        return Some(("it contains white space", "write `%20` for a space that belongs to it".to_owned()));
    }
    match reqwest::Url::parse(text) {
        Err(_) if !text.contains("://") => {
            Some(("it has no scheme", format!("write `https://{}`", quote(text.trim_start_matches('/')))))
        }
        Err(_) => Some(("it is malformed", example.to_owned())),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Some(("only http and https are supported", "write an `https://` URL".to_owned()))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Some((
            "it carries a user name or password",
            "delete everything up to `@`; this file is copied and reviewed, so no password belongs into it"
                .to_owned(),
        )),
        Ok(url) if !url.has_host() => Some(("it has no host", example.to_owned())),
        Ok(_) => None,
    }
}

/// Whether `text` is a DNS name or address with an optional port (RFC 3986, 3.2.2 and 3.2.3).
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port_fits = port.is_none_or(|port| {
        port.starts_with(|c: char| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let name_fits = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.len() <= 253 && name.split('.').all(label),
    };
    name_fits && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_urls_and_paths() {
        for host in ["docker.io", "registry.lab:5000", "localhost", "10.0.0.1:80", "[fe80::1]:5000", "[::1]"]
        {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            "https://docker.io",
            "a/b",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b",
            ".lab",
            "-a",
            "[x]",
            "u@h",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn urls_that_are_not_plain_http_are_refused() {
        for url in ["https://example.com/x", "http://127.0.0.1:8080/a?b=c", "https://github.com"] {
            assert!(fault(url).is_none(), "{url}");
        }
        for url in [
            "ftp://example.com/x",
            "file:///etc/passwd",
            "example.com/x",
            "https://",
            "https://u:p@example.com/",
            "https://u@example.com/",
            "https://exa mple.com",
            "//example.com",
            "",
        ] {
            assert!(fault(url).is_some(), "{url}");
        }
    }
}
