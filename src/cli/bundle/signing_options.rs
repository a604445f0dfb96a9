//! Options of the commands that sign.

use std::path::PathBuf;

use crate::cli::environment::Environment;
use crate::error::{Error, Result, codes};

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
