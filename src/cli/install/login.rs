//! The login for the registry of the site: from the file that was given, else from that of an earlier run.

use std::sync::Arc;

use super::options::NodeOptions;
use crate::cli::files;
use crate::cli::secret_file;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::fetch::docker_config::DockerConfig;
use crate::fetch::{CredentialSource, NoCredentials};
use crate::node::machine::Machine;
use crate::node::registry::external::LOGIN;
use crate::node::settings::{Registry, Settings};
use crate::push::Target;

/// Most bytes of a file that are read.
const LIMIT: u64 = 1 << 20;

/// Who knows the login.
pub(super) fn credentials(
    options: &NodeOptions,
    settings: &Settings,
    machine: &Machine,
    session: &Session,
) -> Result<Arc<dyn CredentialSource>> {
    let Registry::External { endpoint, .. } = &settings.registry else { return Ok(Arc::new(NoCredentials)) };
    let target = Target::parse(endpoint)?;
    if target.is_plain() {
        session.warn(&format!(
            "{} is spoken to without TLS, as you asked: others on the network can read what is sent, passwords included, \
             and answer in its place",
            target.host()
        ));
    }
    let Some(path) = &options.registry_auth else {
        return match machine.read_text(LOGIN)? {
            Some(text) => Ok(Arc::new(DockerConfig::parse(&text, LOGIN)?)),
            None => Ok(Arc::new(NoCredentials)),
        };
    };
    secret_file::require_closed(path, "change the password, or take a new robot account")?;
    let file = DockerConfig::parse(&files::read_text(path, "login", LIMIT)?, &files::shown(path))?;
    match file.credentials(&target.host(), target.prefix())? {
        Some(_) => Ok(Arc::new(file)),
        None => Err(no_login(&files::shown(path), &target)),
    }
}

fn no_login(file: &str, target: &Target) -> Error {
    let message = format!("`{file}` has no login for {}", target.host());
    Error::new(codes::CREDENTIALS_FILE, message)
        .with_help(format!("`docker --config DIR login {}` writes DIR/config.json with one", target.host()))
}
