//! What commands that fetch have in common: hosts, credentials and proxies of the machine become the settings of
//! a client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::environment::Environment;
use super::files;
use super::session::Session;
use crate::error::Result;
use crate::fetch::docker_config::DockerConfig;
use crate::fetch::{CredentialSource, Credentials, Proxies, Settings};
use crate::spec::HostSettings;

/// Largest credentials file, in bytes.
const CREDENTIALS_LIMIT: u64 = 1 << 20;

/// The settings of a client that reaches `hosts` as they say.
pub(super) fn settings(hosts: BTreeMap<String, HostSettings>, session: &Session) -> Result<Settings> {
    let environment = session.environment();
    let proxies = &environment.proxies;
    Ok(Settings {
        hosts,
        credentials: Arc::new(CredentialFiles::read(environment)?),
        proxies: Proxies::new(proxies.http.as_deref(), proxies.https.as_deref(), proxies.none.as_deref())?,
        progress: session.shared_progress(),
        ..Settings::default()
    })
}

/// The credentials of Docker and podman, in the order in which they are looked for.
struct CredentialFiles(Vec<DockerConfig>);

impl CredentialFiles {
    fn read(environment: &Environment) -> Result<CredentialFiles> {
        let present = environment.credential_files.iter().filter(|path| path.is_file());
        let parse = |path: &PathBuf| {
            let text = files::read_text(path, "credentials file", CREDENTIALS_LIMIT)?;
            DockerConfig::parse(&text, &files::shown(path))
        };
        present.map(parse).collect::<Result<_>>().map(CredentialFiles)
    }
}

impl CredentialSource for CredentialFiles {
    fn credentials(&self, host: &str, repository: &str) -> Result<Option<Credentials>> {
        for file in &self.0 {
            if let Some(found) = file.credentials(host, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
