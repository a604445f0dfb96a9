//! What an administrator has said about trust, as the hosts get to know it.

use std::path::Path;

use crate::bundle::{Bundle, Verified};
use crate::cli::bundle::trust_options::{Trust as Believed, TrustOptions};
use crate::cli::{files, site_policy};
use crate::cluster::order::{Terms, Trust};
use crate::error::Result;
use crate::trust::allowed_signers;

/// The hosts believe whom this machine believes.
///
/// # Errors
/// If a file cannot be read that the options name.
pub(super) fn of_machine(
    policy: Option<&Path>,
    believed: &Believed,
    bundle: &Bundle<Verified>,
) -> Result<Terms> {
    let trust = match (bundle.signers(), believed.signatures) {
        ([], _) => Trust::Unsigned(bundle.digest()),
        ([signer, ..], 1) => Trust::Signer(signer.fingerprint.clone()),
        (_, threshold) => Trust::Signers { list: signers(believed)?, threshold },
    };
    let policy = policy.map(site_policy::bytes).transpose()?;
    let policy = policy.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Terms { policy, ..terms(trust, believed)? })
}

/// The hosts believe whom they have believed, besides what the options of this command say.
///
/// # Errors
/// If a file cannot be read that the options name.
pub(super) fn of_options(
    signer: Option<&str>,
    options: &TrustOptions,
    believed: &Believed,
    bundle: &Bundle<Verified>,
) -> Result<Terms> {
    let is_listed = options.allowed_signers.is_some() || options.signatures.is_some();
    let trust = match signer {
        _ if bundle.signers().is_empty() => Trust::Unsigned(bundle.digest()),
        Some(signer) => Trust::Signer(signer.to_owned()),
        None if is_listed => Trust::Signers { list: signers(believed)?, threshold: believed.signatures },
        None => Trust::AsBefore,
    };
    terms(trust, believed)
}

fn terms(trust: Trust, believed: &Believed) -> Result<Terms> {
    let revoked = read(believed.revoked.as_deref(), "list of revoked keys")?;
    Ok(Terms { trust, revoked, minimum_serial: believed.minimum_serial, policy: None })
}

fn signers(believed: &Believed) -> Result<String> {
    read(believed.allowed_signers.as_deref(), "list of allowed signers").map(Option::unwrap_or_default)
}

fn read(path: Option<&Path>, what: &str) -> Result<Option<String>> {
    path.map(|path| files::read_text(path, what, allowed_signers::MAX_LENGTH)).transpose()
}
