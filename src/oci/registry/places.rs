//! Which servers have the content of a repository: its mirrors in the order of the settings, then the host
//! itself.
//!
//! Mirrors are asked as containerd asks them: the path is that of the host, and `?ns=` names the host
//! (distribution-spec, "Registry Proxying"). As in k3s's registries.yaml, a mirror with a path of its own
//! (`https://harbor.lab/v2/hub`) is taken to end where the name of the repository begins.

use std::collections::BTreeMap;

use crate::error::{Error, Result, codes};
use crate::fetch::{Access, Place, Url, printable};
use crate::spec::HostSettings;

/// The places of `what` (such as `blobs/sha256:…`) in a repository, best first.
pub(super) fn places(
    hosts: &BTreeMap<String, HostSettings>,
    host: &str,
    repository: &str,
    what: &str,
) -> Result<Vec<Place>> {
    let mirrors = hosts.get(host).map(|settings| settings.mirrors.as_slice()).unwrap_or_default();
    let mut places = Vec::with_capacity(mirrors.len() + 1);
    for mirror in mirrors {
        let base = mirror_base(hosts, mirror)?;
        let mut url = below(&base, repository, what)?;
        url.query_pairs_mut().append_pair("ns", host);
        places.push(Place { url, access: Some(access(&authority(&base), repository)) });
    }
    if hosts.get(host).is_some_and(|settings| settings.mirrors_only) && !places.is_empty() {
        return Ok(places);
    }
    let origin = base(hosts, host, server(host))?;
    places.push(Place { url: below(&origin, repository, what)?, access: Some(access(host, repository)) });
    Ok(places)
}

/// The place of what a server offers beside its registry.
pub(super) fn beside(hosts: &BTreeMap<String, HostSettings>, host: &str, path: &str) -> Result<Place> {
    let mut url = base(hosts, host, server(host))?;
    url.set_path(path);
    Ok(Place { url, access: Some(access(host, "")) })
}

/// The server behind the name of a host. Docker Hub is the one that differs.
fn server(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

fn mirror_base(hosts: &BTreeMap<String, HostSettings>, mirror: &str) -> Result<Url> {
    if !mirror.contains("://") {
        return base(hosts, mirror, server(mirror));
    }
    let mut url = parse(mirror)?;
    if matches!(url.path().trim_end_matches('/'), "" | "/v2") {
        url.set_path("/v2");
    }
    Ok(url)
}

fn base(hosts: &BTreeMap<String, HostSettings>, name: &str, server: &str) -> Result<Url> {
    if server.is_empty() || server.contains(['/', '?', '#', '@']) {
        return Err(malformed(server));
    }
    let plain = hosts.get(name).is_some_and(|settings| settings.plain_http);
    parse(&format!("{}://{server}/v2", if plain { "http" } else { "https" }))
}

fn below(base: &Url, repository: &str, what: &str) -> Result<Url> {
    parse(&format!("{}/{repository}/{what}", base.as_str().trim_end_matches('/')))
}

fn parse(text: &str) -> Result<Url> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| malformed(text))
}

fn malformed(text: &str) -> Error {
    Error::new(codes::FETCH_URL, format!("`{}` is not the address of a registry", printable(text)))
        .with_help("name a registry or mirror as `HOST`, `HOST:PORT` or `https://HOST:PORT`")
}

fn access(host: &str, repository: &str) -> Access {
    Access::pull(host, repository)
}

/// `host` or `host:port`, under which credentials for a mirror are stored.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = if host == "registry-1.docker.io" { "docker.io" } else { host };
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(hosts: &BTreeMap<String, HostSettings>, host: &str) -> Vec<(String, String)> {
        let places = places(hosts, host, "library/busybox", "manifests/1.36").unwrap();
        places
            .into_iter()
            .map(|place| (place.url.to_string(), place.access.unwrap().host.to_string()))
            .collect()
    }

    fn pair(url: &str, host: &str) -> (String, String) {
        (url.to_owned(), host.to_owned())
    }

    #[test]
    fn docker_hub_has_another_name() {
        assert_eq!(
            urls(&BTreeMap::new(), "docker.io"),
            [pair("https://registry-1.docker.io/v2/library/busybox/manifests/1.36", "docker.io")]
        );
    }

    #[test]
    fn mirrors_come_first_and_are_told_the_host() {
        let mirrors =
            ["cache.lab:5000", "http://plain.lab", "https://harbor.lab/v2/hub/", "https://b.lab/v2"]
                .map(str::to_owned);
        let plain = HostSettings { plain_http: true, ..HostSettings::default() };
        let hosts = BTreeMap::from([
            ("docker.io".to_owned(), HostSettings { mirrors: mirrors.into(), ..HostSettings::default() }),
            ("cache.lab:5000".to_owned(), plain),
        ]);
        let tail = "library/busybox/manifests/1.36";
        assert_eq!(
            urls(&hosts, "docker.io"),
            [
                pair(&format!("http://cache.lab:5000/v2/{tail}?ns=docker.io"), "cache.lab:5000"),
                pair(&format!("http://plain.lab/v2/{tail}?ns=docker.io"), "plain.lab"),
                pair(&format!("https://harbor.lab/v2/hub/{tail}?ns=docker.io"), "harbor.lab"),
                pair(&format!("https://b.lab/v2/{tail}?ns=docker.io"), "b.lab"),
                pair(&format!("https://registry-1.docker.io/v2/{tail}"), "docker.io"),
            ]
        );
    }

    #[test]
    fn the_host_itself_can_be_left_out() {
        let mirrors = vec!["https://cache.lab".to_owned()];
        let settings = HostSettings { mirrors, mirrors_only: true, ..HostSettings::default() };
        assert_eq!(
            urls(&BTreeMap::from([("quay.io".to_owned(), settings)]), "quay.io"),
            [pair("https://cache.lab/v2/library/busybox/manifests/1.36?ns=quay.io", "cache.lab")]
        );
    }

    #[test]
    fn malformed_mirrors_are_named() {
        for mirror in ["", "a b", "a/b", "user@a", "ftp://a", "https://"] {
            let settings = HostSettings { mirrors: vec![mirror.to_owned()], ..HostSettings::default() };
            let hosts = BTreeMap::from([("a.b".to_owned(), settings)]);
            let error = places(&hosts, "a.b", "c", "manifests/d").expect_err(mirror);
            assert_eq!((error.code(), error.kind().exit_status()), (codes::FETCH_URL, 3));
        }
    }
}
