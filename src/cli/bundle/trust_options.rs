//! Options of the commands that read bundles: whom to believe.

use std::path::{Path, PathBuf};

use crate::cli::environment::Environment;
use crate::cli::files;
use crate::cli::values::whole_number;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::trust::Policy;
use crate::trust::allowed_signers::{self, AllowedSigners};
use crate::trust::policy::Unsigned;
use crate::trust::revoked::RevokedKeys;

/// Where an administrator of the machine keeps the signers that everybody on it believes.
const MACHINE_SIGNERS: &str = "/etc/airlock/allowed_signers";

/// Options of trust, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Trust")]
pub struct TrustOptions {
    /// Who may sign bundles, in the format of OpenSSH (see ALLOWED SIGNERS in ssh-keygen(1))
    ///
    /// Without this option, /etc/airlock/allowed_signers where it exists, else
    /// ~/.config/airlock/allowed_signers. Never a file that came with the bundle.
    #[arg(long, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,

    /// Keys that are not believed any more: public keys or SHA256 fingerprints, one a line
    #[arg(long, value_name = "FILE")]
    pub revoked: Option<PathBuf>,

    /// How many different keys must have signed, 1 to 16 [default: 1]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole_number::<usize>(1..=16),
    )]
    pub signatures: Option<usize>,

    /// Refuse bundles with a lower serial than N
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole_number::<u64>(0..=MAXIMUM_SERIAL),
    )]
    pub minimum_serial: Option<u64>,

    /// Accept a bundle without signature, or only the one whose manifest has this digest
    ///
    /// Its content is checked against itself only: nobody vouches for it.
    #[arg(
        long,
        value_name = "DIGEST",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with_all = ["allowed_signers", "revoked", "signatures"],
    )]
    pub allow_unsigned: Option<Option<Digest>>,
}

/// Serials are JSON numbers, exact up to here.
const MAXIMUM_SERIAL: u64 = (1 << 53) - 1;

/// Options of trust, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The list of signers; `None` when there is none anywhere, so that nobody is believed.
    pub allowed_signers: Option<PathBuf>,
    /// The list of revoked keys.
    pub revoked: Option<PathBuf>,
    /// Different keys that must have signed.
    pub signatures: usize,
    /// The lowest serial to accept.
    pub minimum_serial: Option<u64>,
    /// What about a bundle without signature.
    pub unsigned: Unsigned,
}

impl TrustOptions {
    /// What about a bundle without signature; nothing if the options do not say.
    pub fn unsigned(&self) -> Option<Unsigned> {
        Some(self.allow_unsigned?.map_or(Unsigned::AllowLoudly, Unsigned::AllowExactly))
    }

    /// Fills in the default list of signers.
    pub fn check(self, environment: &Environment) -> Trust {
        let usual = || {
            let own =
                environment.config_directory.as_ref().map(|directory| directory.join("allowed_signers"));
            [Some(PathBuf::from(MACHINE_SIGNERS)), own].into_iter().flatten().find(|path| is_there(path))
        };
        Trust {
            unsigned: self.unsigned().unwrap_or(Unsigned::Refuse),
            allowed_signers: self.allowed_signers.or_else(usual),
            revoked: self.revoked,
            signatures: self.signatures.unwrap_or(1),
            minimum_serial: self.minimum_serial,
        }
    }
}

impl Trust {
    /// Reads the lists.
    pub fn policy(&self) -> Result<Policy> {
        Ok(Policy {
            allowed: self.allowed_signers.as_deref().map_or(Ok(AllowedSigners::default()), read_allowed)?,
            revoked: self.revoked.as_deref().map_or(Ok(RevokedKeys::default()), read_revoked)?,
            threshold: self.signatures,
            unsigned: self.unsigned,
            minimum_serial: self.minimum_serial,
        })
    }

    /// Adds to an error about an unknown signer where signers were looked for.
    pub fn explain(&self, error: Error) -> Error {
        if error.code() != codes::SIGNER_UNKNOWN {
            return error;
        }
        error.with_detail(match &self.allowed_signers {
            Some(path) => format!("the allowed signers are those of {}", files::shown(path)),
            None => {
                format!("there is no list of allowed signers: neither {MACHINE_SIGNERS} nor one of your own")
            }
        })
    }
}

fn read_allowed(path: &Path) -> Result<AllowedSigners> {
    let text = files::read_text(path, "list of allowed signers", allowed_signers::MAX_LENGTH)?;
    AllowedSigners::parse(&path.to_string_lossy(), &text)
}

fn read_revoked(path: &Path) -> Result<RevokedKeys> {
    let bytes = files::read(path, "list of revoked keys", allowed_signers::MAX_LENGTH)?;
    RevokedKeys::parse(&path.to_string_lossy(), &bytes)
}

/// A list that is there but cannot be read must be an error, not a reason to believe another one.
fn is_there(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok()
}
