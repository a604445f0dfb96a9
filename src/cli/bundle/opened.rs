//! Opening a bundle: nothing of it is used before its signature has been verified.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::trust_options::Trust;
use crate::bundle::reader::{Bundle, Unverified, Verified};
use crate::cli::session::Session;
use crate::error::Result;

/// Opens the bundle at `path` (its directory or one of its volumes) and verifies its signature.
pub(in crate::cli) fn open(path: &Path, trust: &Trust, session: &Session) -> Result<Bundle<Verified>> {
    verified(Bundle::open(path)?, trust, session)
}

/// The same for a bundle whose volumes may lie apart.
pub(in crate::cli) fn open_all(
    paths: &[PathBuf],
    trust: &Trust,
    session: &Session,
) -> Result<Bundle<Verified>> {
    match paths {
        [path] => open(path, trust, session),
        _ => verified(Bundle::open_volumes(paths)?, trust, session),
    }
}

fn verified(bundle: Bundle<Unverified>, trust: &Trust, session: &Session) -> Result<Bundle<Verified>> {
    let bundle = bundle.verify(&trust.policy()?).map_err(|error| trust.explain(error))?;
    if bundle.signers().is_empty() {
        session.warn("the bundle is not signed: nobody vouches for what is in it");
    }
    Ok(bundle)
}

/// Somebody whose signature counted, as it is printed.
#[derive(Serialize)]
pub(super) struct SignerFound {
    pub(super) name: String,
    pub(super) fingerprint: String,
}

/// Everybody whose signature counted.
pub(super) fn signers(bundle: &Bundle<Verified>) -> Vec<SignerFound> {
    let found = bundle.signers().iter().map(|signer| SignerFound {
        name: signer.principal.clone(),
        fingerprint: signer.fingerprint.clone(),
    });
    found.collect()
}
