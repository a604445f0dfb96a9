//! Where blobs for a repair come from, as it is typed: `--from`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::fetch::Url;
use crate::oci::reference::grammar;
use crate::store::repair::Servers;

/// The word for the registries that images come from.
const ORIGINS: &str = "registry";

/// Where good blobs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairSource {
    /// A bundle: its directory or one of its volumes.
    Bundle(PathBuf),
    /// Servers that speak TLS.
    Encrypted(Servers),
    /// Servers that speak plain HTTP.
    Plain(Servers),
}

impl FromStr for RepairSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == ORIGINS {
            return Ok(RepairSource::Encrypted(Servers::Origins));
        }
        let Some((scheme, address)) = text.split_once("://") else {
            return Ok(RepairSource::Bundle(text.into()));
        };
        match scheme {
            "https" => node(address).map(RepairSource::Encrypted),
            "http" => node(address).map(RepairSource::Plain),
            "registry" => registry(address).map(RepairSource::Encrypted),
            "registry+http" => registry(address).map(RepairSource::Plain),
            _ => {
                Err("it begins with `https://` for another node, `registry://` for a registry, or is a path"
                    .to_owned())
            }
        }
    }
}

impl RepairSource {
    /// The one server it names, if it does.
    pub(in crate::cli) fn host(&self) -> Option<&str> {
        match self {
            RepairSource::Bundle(_) => None,
            RepairSource::Encrypted(servers) | RepairSource::Plain(servers) => match servers {
                Servers::Node(host) | Servers::Registry(host, _) => Some(host),
                Servers::Origins => None,
            },
        }
    }
}

fn node(address: &str) -> Result<Servers, String> {
    match split(address)? {
        (host, None) => Ok(Servers::Node(host)),
        (_, Some(_)) => Err("a node has no path; for a registry, write `registry://HOST/PATH`".to_owned()),
    }
}

fn registry(address: &str) -> Result<Servers, String> {
    let (host, prefix) = split(address)?;
    Ok(Servers::Registry(host, prefix))
}

/// `HOST[:PORT]` in lower case, and the path behind it.
fn split(address: &str) -> Result<(String, Option<String>), String> {
    let malformed = || "write a host, and a port if it needs one, as in `node-2:5000`".to_owned();
    // Only the form counts here, so the scheme may be any that has hosts.
    let url = Url::parse(&format!("https://{address}")).map_err(|_| malformed())?;
    let only_host = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let host = url.host_str().filter(|_| only_host && url.fragment().is_none()).ok_or_else(malformed)?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.path().trim_matches('/');
    match path {
        "" => Ok((host, None)),
        path if path.split('/').all(grammar::is_element) => Ok((host, Some(path.to_owned()))),
        _ => Err("behind the host stands the beginning of the names of repositories, as in `lab/mirror`"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RepairSource {
        text.parse().unwrap()
    }

    #[test]
    fn the_scheme_says_what_is_asked() {
        let node = |host: &str| Servers::Node(host.to_owned());
        let registry =
            |host: &str, prefix: Option<&str>| Servers::Registry(host.to_owned(), prefix.map(str::to_owned));
        assert_eq!(parse("/media/stick"), RepairSource::Bundle("/media/stick".into()));
        assert_eq!(parse("./registry"), RepairSource::Bundle("./registry".into()));
        assert_eq!(parse("registry"), RepairSource::Encrypted(Servers::Origins));
        assert_eq!(parse("https://Node-2:5000/"), RepairSource::Encrypted(node("node-2:5000")));
        assert_eq!(parse("http://[::1]:5000"), RepairSource::Plain(node("[::1]:5000")));
        assert_eq!(
            parse("registry://harbor.lab/hub/mirror/"),
            RepairSource::Encrypted(registry("harbor.lab", Some("hub/mirror")))
        );
        assert_eq!(
            parse("registry+http://localhost:5000"),
            RepairSource::Plain(registry("localhost:5000", None))
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "ftp://a",
            "https://",
            "https://a/b",
            "https://user:hunter2@a",
            "registry://a/B",
            "registry://a/../b/_x",
            "registry://a?x=y",
            "registry://a b",
        ] {
            let error = text.parse::<RepairSource>().expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
