//! HTTP proxies, as the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` describe them. Reading the
//! variables is left to the caller.

use reqwest::{NoProxy, Proxy, Url};

use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::secret::Secret;

/// Which proxy serves which requests. The texts are secret because they may hold a password.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Secret<String>>,
    https: Option<Secret<String>>,
    no_proxy: String,
}

impl Proxies {
    /// Takes the values of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. A proxy without scheme is an HTTP
    /// proxy; an empty one is none. `no_proxy` lists hosts, domains (`.lab`), addresses and networks
    /// (`10.0.0.0/8`), separated by commas, that are reached directly.
    ///
    /// # Errors
    /// [`codes::FETCH_PROXY`] if a value is no URL of an HTTP proxy.
    pub fn new(http: Option<&str>, https: Option<&str>, no_proxy: Option<&str>) -> Result<Self> {
        Ok(Proxies {
            http: checked("HTTP_PROXY", http)?,
            https: checked("HTTPS_PROXY", https)?,
            no_proxy: no_proxy.unwrap_or_default().to_owned(),
        })
    }

    /// The proxies in the form the HTTP library wants.
    pub(super) fn rules(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let http = self.http.as_ref().map(|proxy| Proxy::http(proxy.reveal()));
        let https = self.https.as_ref().map(|proxy| Proxy::https(proxy.reveal()));
        http.into_iter()
            .chain(https)
            .map(|proxy| Ok(proxy?.no_proxy(NoProxy::from_string(&self.no_proxy))))
            .collect()
    }
}

fn checked(variable: &str, value: Option<&str>) -> Result<Option<Secret<String>>> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Ok(None) };
    let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let usable = Url::parse(&url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
    });
    if usable { Ok(Some(Secret::new(url))) } else { Err(malformed(variable, value)) }
}

fn malformed(variable: &str, value: &str) -> Error {
    // What stands before the last `@` may be a password, also in a URL that cannot be parsed.
    let shown = value.rsplit('@').next().unwrap_or_default();
    Error::new(codes::FETCH_PROXY, format!("{variable} is not the URL of an HTTP proxy: `{}`", quote(shown)))
        .with_help(format!("set `{variable}=http://HOST:PORT`, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_with_and_without_scheme_are_taken() {
        for value in ["proxy.lab:3128", "http://proxy.lab:3128", "https://user:p%40ss@proxy.lab", "", " "] {
            let proxies =
                Proxies::new(Some(value), Some(value), Some("localhost,.lab,10.0.0.0/8")).expect(value);
            assert_eq!(proxies.rules().unwrap().len(), if value.trim().is_empty() { 0 } else { 2 });
        }
    }

    #[test]
    fn malformed_proxies_are_named_without_their_password() {
        for value in
            ["http://", "socks5://h:1", "http://user:hunter2@[::1", "user:hunter2@proxy:port", "file:///x"]
        {
            let error = Proxies::new(None, Some(value), None).expect_err(value);
            assert_eq!((error.code(), error.kind().exit_status()), (codes::FETCH_PROXY, 8));
            assert!(
                error.message().contains("HTTPS_PROXY") && !error.message().contains("hunter2"),
                "{error}"
            );
            assert!(error.help().is_some());
        }
        let proxies = Proxies::new(Some("http://user:hunter2@proxy"), None, None).unwrap();
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
}
