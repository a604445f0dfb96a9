//! Options of pull-through: which upstreams are asked, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::fetching;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::fetch::{Client, RetryPolicy, Timeouts, Url};
use crate::oci::reference::grammar;
use crate::registry::upstream::{Hosts, Settings};
use crate::spec::HostSettings;

/// Options of pull-through, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Pull-through")]
pub struct UpstreamOptions {
    /// Registry to ask for what the store lacks, as in `docker.io` or `quay.io=https://mirror.lab`
    ///
    /// What comes is sent on at once, and kept in the store. `*` asks every registry that a client names: then
    /// clients choose where this host connects to. Logins are those of Docker and podman.
    #[arg(long, value_name = "HOST[=URL]")]
    pub upstream: Vec<Upstream>,

    /// Ask again after this time whether a tag has moved, as in `30s`, `5m`, `12h`; 0 asks every time
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration, requires = "upstream")]
    pub upstream_refresh: Duration,

    /// Certificate authorities in PEM to trust for named upstreams besides the system's
    #[arg(long, value_name = "FILE", requires = "upstream")]
    pub upstream_ca: Option<PathBuf>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A registry, at its own address or at another one.
    Host(String, Option<Url>),
    /// Whichever registry a client names.
    Any,
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Upstream::Any);
        }
        let (host, url) = text.split_once('=').map_or((text, None), |(host, url)| (host, Some(url)));
        let is_registry = grammar::is_host(host) && (host.contains(['.', ':']) || host == "localhost");
        if !is_registry {
            return Err("name a registry as it stands in the names of images, as in `docker.io`".to_owned());
        }
        let url = url.map(|url| {
            let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url =
                url.filter(|url| url.has_host() && url.username().is_empty() && url.password().is_none());
            url.ok_or("write its address as in `quay.io=https://mirror.lab`, without a password")
        });
        Ok(Upstream::Host(host.to_ascii_lowercase(), url.transpose()?))
    }
}

/// A time such as `90`, `90s`, `5m` or `12h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.char_indices().last() {
        Some((end, 's')) => (&text[..end], 1),
        Some((end, 'm')) => (&text[..end], 60),
        Some((end, 'h')) => (&text[..end], 60 * 60),
        _ => (text, 1),
    };
    let number = number.parse::<u32>().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.ok_or("write a time as in `30s`, `5m` or `12h`")?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

impl UpstreamOptions {
    /// The settings of pull-through, if there is any.
    pub(super) fn settings(&self, session: &Session) -> Result<Option<Settings>> {
        if self.upstream.is_empty() {
            return Ok(None);
        }
        if let Some(path) = &self.upstream_ca {
            fs_err::metadata(path).map_err(|error| {
                Error::new(codes::FETCH_CA_FILE, format!("`{}` cannot be read", path.display()))
                    .with_source(error)
                    .with_help("name a file of certificates in PEM: `--upstream-ca FILE`")
            })?;
        }
        let settings = crate::fetch::Settings {
            retry: patience(),
            timeouts: Timeouts { connect: Duration::from_secs(10), ..Timeouts::default() },
            ..fetching::settings(self.host_settings(), session)?
        };
        let mut hosts = Hosts::default();
        for upstream in &self.upstream {
            match upstream {
                Upstream::Host(host, _) => drop(hosts.named.insert(host.clone())),
                Upstream::Any => hosts.any = true,
            }
        }
        Ok(Some(Settings { hosts, client: Client::new(settings), refresh: self.upstream_refresh }))
    }

    fn host_settings(&self) -> BTreeMap<String, HostSettings> {
        let mut found = BTreeMap::new();
        for upstream in &self.upstream {
            let Upstream::Host(host, url) = upstream else { continue };
            let own = HostSettings { ca: self.upstream_ca.clone(), ..HostSettings::default() };
            if let Some(url) = url {
                found.entry(authority(url)).or_insert_with(|| own.clone());
            }
            let mirrors = url.iter().map(Url::to_string).collect();
            found.insert(host.clone(), HostSettings { mirrors, mirrors_only: url.is_some(), ..own });
        }
        found
    }
}

/// A client waits at the other end: what does not come soon is for it to ask for again.
fn patience() -> RetryPolicy {
    RetryPolicy {
        attempts: 3,
        base_delay: Duration::from_millis(250),
        longest_delay: Duration::from_secs(2),
        longest_wait: Duration::ZERO,
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_named_like_images() {
        let parse = |text: &str| text.parse::<Upstream>();
        assert_eq!(parse("*"), Ok(Upstream::Any));
        assert_eq!(parse("Docker.io"), Ok(Upstream::Host("docker.io".to_owned(), None)));
        let url = Url::parse("https://mirror.lab/v2/hub").unwrap();
        let expected = Upstream::Host("quay.io".to_owned(), Some(url));
        assert_eq!(parse("quay.io=https://mirror.lab/v2/hub"), Ok(expected));
        for text in [
            "",
            "=",
            "quay",
            "quay.io=",
            "quay.io=mirror",
            "quay.io=ftp://a",
            "*=https://a",
            "a/b",
            "quay.io=https://ada:secret@a",
        ] {
            let error = parse(text).expect_err(text);
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn times_have_units() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(
            (seconds("0"), seconds("90"), seconds("5m"), seconds("2h")),
            (Ok(0), Ok(90), Ok(300), Ok(7200))
        );
        for text in ["", "m", "-1", "+1", "1d", "1.5m", "99999999999h", "5ä"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
