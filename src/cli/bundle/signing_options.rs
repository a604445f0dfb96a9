//! Options of the commands that sign.

use std::path::PathBuf;

use crate::cli::environment::Environment;
use crate::cli::session::Session;
use crate::cli::{files, passphrase};
use crate::error::{Error, Result, codes};
use crate::trust::Signer;
use crate::trust::agent::Agent;
use crate::trust::key::PublicKey;
use crate::trust::key_file::KeyFile;

/// Public keys are a hundred bytes.
const PUBLIC_KEY_LIMIT: u64 = 1 << 16;

/// Options of signing, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Signing")]
pub struct SigningOptions {
    /// Sign with this ed25519 key [default: ~/.config/airlock/signing-key]
    ///
    /// A private key file of OpenSSH, as `airlock key generate` makes it; or a public key FILE.pub, whose
    /// private half is then asked of the ssh-agent.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Read the passphrase of the key from a file, `-` for standard input, instead of asking
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The key to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// A private key, or a public one that the agent at `agent` holds.
    pub path: PathBuf,
    /// Where its passphrase is read from; asked on the terminal when needed and `None`.
    pub passphrase_file: Option<PathBuf>,
    /// Socket of the ssh-agent.
    pub agent: Option<PathBuf>,
}

impl SigningOptions {
    /// Fills in the default key.
    pub fn check(self, environment: &Environment) -> Result<SigningKey> {
        let usual = environment.config_directory.as_ref().map(|directory| directory.join("signing-key"));
        let path = self.key.or(usual).ok_or_else(|| {
            Error::new(codes::ENVIRONMENT, "there is no home directory to find a signing key in")
                .with_help("name the key: `--key FILE`")
        })?;
        Ok(SigningKey { path, passphrase_file: self.passphrase_file, agent: environment.ssh_agent.clone() })
    }
}

impl SigningKey {
    /// Opens the key. Asks for its passphrase where that is needed and no file gives it.
    pub fn signer(&self, session: &Session) -> Result<Box<dyn Signer + Send + Sync>> {
        if self.path.extension().is_some_and(|extension| extension == "pub") {
            return Ok(Box::new(self.agent()?));
        }
        let key = KeyFile::open(&self.path, || match &self.passphrase_file {
            Some(file) => passphrase::from_file(file),
            None => session.prompt().passphrase(&self.path),
        })?;
        Ok(Box::new(key))
    }

    fn agent(&self) -> Result<Agent> {
        let key = PublicKey::parse(&files::read_text(&self.path, "public key", PUBLIC_KEY_LIMIT)?)?;
        let socket = self.agent.as_deref().ok_or_else(|| {
            let message =
                format!("`{}` is a public key, and there is no ssh-agent", files::shown(&self.path));
            Error::new(codes::AGENT, message)
                .with_help("start one with `eval $(ssh-agent)` and `ssh-add`, or name the private key")
        })?;
        Agent::connect(socket, key)
    }
}
