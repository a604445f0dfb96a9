//! How a host is reached, in words for lock and manifest: part of how an artifact was authenticated.

use std::collections::BTreeMap;

use crate::spec::HostSettings;

/// How a registry or server is reached.
pub(super) fn of_host(hosts: &BTreeMap<String, HostSettings>, host: &str) -> String {
    let Some(settings) = hosts.get(host) else { return "TLS".to_owned() };
    let own = match settings {
        HostSettings { plain_http: true, .. } => "plain HTTP",
        HostSettings { insecure: true, .. } => "TLS without certificate check",
        _ => "TLS",
    };
    if settings.mirrors.is_empty() {
        own.to_owned()
    } else {
        format!("mirror {}, else {own}", settings.mirrors.join(", "))
    }
}

/// How the server of a URL is reached.
pub(super) fn of_url(hosts: &BTreeMap<String, HostSettings>, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.split('/').next().unwrap_or(rest);
    if scheme == "http" { "plain HTTP".to_owned() } else { of_host(hosts, host) }
}
