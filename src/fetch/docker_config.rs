//! Credentials as Docker and Podman keep them: `config.json` and `auth.json`.
//!
//! Formats: Docker CLI reference, "Configuration files" and "Credential stores"; containers-auth.json(5),
//! whose keys may name a repository or a part of one. The files are read by the caller.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::credential_helper;
use super::credentials::{CredentialSource, Credentials};
use super::shown::printable;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// The key of Docker Hub in these files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// How long a helper may take; it may ask its owner for a touch of a key.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// A parsed file.
#[derive(Debug)]
pub struct DockerConfig {
    auths: BTreeMap<String, Credentials>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
    helper_timeout: Duration,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl DockerConfig {
    /// Reads the text of a `config.json` or `auth.json`; `file` is its name for messages.
    ///
    /// # Errors
    /// [`codes::CREDENTIALS_FILE`] if it is malformed. The message never repeats the file's content.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let parsed: File = serde_json::from_str(text).map_err(|error| {
            // The parser's own message may quote a value, and values here are secrets.
            malformed(file, &format!("no valid JSON at line {}, column {}", error.line(), error.column()))
        })?;
        let mut auths = BTreeMap::new();
        for (key, entry) in parsed.auths {
            if let Some(credentials) = entry
                .credentials()
                .map_err(|reason| malformed(file, &format!("`{}`: {reason}", printable(&key))))?
            {
                auths.insert(normal_key(&key), credentials);
            }
        }
        let helpers = parsed.cred_helpers.into_iter().map(|(key, name)| (normal_key(&key), name)).collect();
        let store = parsed.creds_store.filter(|name| !name.is_empty());
        Ok(DockerConfig { auths, helpers, store, helper_timeout: HELPER_TIMEOUT })
    }
}

/// The text of a file that knows the credentials of `host` and nothing else.
pub fn render(host: &str, credentials: &Credentials) -> Secret<String> {
    let entry = match credentials {
        Credentials::Password { username, password } => {
            let pair = Secret::new(format!("{username}:{}", password.reveal()));
            json!({"auth": STANDARD.encode(pair.reveal())})
        }
        Credentials::IdentityToken(token) => json!({"identitytoken": token.reveal()}),
    };
    Secret::new(format!("{:#}\n", json!({"auths": {host: entry}})))
}

impl Entry {
    fn credentials(self) -> Result<Option<Credentials>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(Secret::new(self.identitytoken))));
        }
        if !self.auth.is_empty() {
            let pair = STANDARD.decode(self.auth.trim()).map_err(|_| "`auth` is not base64")?;
            let pair = Secret::new(String::from_utf8(pair).map_err(|_| "`auth` is not text")?);
            let (username, password) =
                pair.reveal().split_once(':').ok_or("`auth` is not `user:password`")?;
            // Docker pads passwords with zero bytes in old files.
            return Ok(Some(Credentials::Password {
                username: username.to_owned(),
                password: Secret::new(password.trim_end_matches('\0').to_owned()),
            }));
        }
        let given = !self.username.is_empty();
        Ok(given
            .then(|| Credentials::Password { username: self.username, password: Secret::new(self.password) }))
    }
}

impl CredentialSource for DockerConfig {
    /// The most specific key wins, as in Podman; for the host itself a helper of that host comes first,
    /// then the general store, then the file, as in Docker.
    fn credentials(&self, host: &str, repository: &str) -> Result<Option<Credentials>> {
        let host = normal_key(host);
        let mut key = format!("{host}/{repository}");
        while key.len() > host.len() {
            if let Some(found) = self.auths.get(&key) {
                return Ok(Some(found.clone()));
            }
            key.truncate(key.rfind('/').unwrap_or(0));
        }
        if let Some(helper) = self.helpers.get(&host).or(self.store.as_ref()) {
            let server = if host == "docker.io" { DOCKER_HUB } else { &host };
            if let Some(found) = credential_helper::ask(helper, server, self.helper_timeout)? {
                return Ok(Some(found));
            }
        }
        Ok(self.auths.get(&host).cloned())
    }
}

/// The host (and path) of a key: old files have URLs, Docker Hub has several names.
fn normal_key(key: &str) -> String {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

fn malformed(file: &str, reason: &str) -> Error {
    Error::new(codes::CREDENTIALS_FILE, format!("{} cannot be used: {reason}", printable(file)))
        .with_help("repair it, or remove it and log in again with `docker login HOST` or `podman login HOST`")
}

#[cfg(test)]
mod tests;
