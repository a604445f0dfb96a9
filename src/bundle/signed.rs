//! A manifest with its signatures, wherever they were found: in a volume, in a store, on a server.

use super::manifest::Manifest;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::trust::key::PublicKey;
use crate::trust::policy::{Policy, SignatureFile, TrustedSigner};
use crate::trust::signature::{self, MANIFEST_NAMESPACE};

/// A manifest of which nothing is believed yet.
pub struct SignedManifest {
    /// The exact bytes that were signed.
    pub bytes: Vec<u8>,
    /// All signatures that were found.
    pub signatures: Vec<SignatureFile>,
}

/// A manifest that trusted signers vouch for.
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    /// What is in the bundle.
    pub manifest: Manifest,
    /// SHA-256 of the manifest as it was signed: the identity of the bundle.
    pub digest: Digest,
    /// Whose signatures counted; empty only for an unsigned bundle that the policy let pass.
    pub signers: Vec<TrustedSigner>,
}

impl SignedManifest {
    /// The keys that have signed; nothing says that they are trusted.
    pub fn claimed_signers(&self) -> Vec<PublicKey> {
        claimed_signers(&self.bytes, &self.signatures)
    }

    /// Checks the signatures, and only then reads the manifest.
    ///
    /// # Errors
    /// As for [`verify`].
    pub fn verify(&self, policy: &Policy) -> Result<VerifiedManifest> {
        let (manifest, signers) = verify(&self.bytes, &self.signatures, policy)?;
        Ok(VerifiedManifest { manifest, digest: Digest::of(&self.bytes), signers })
    }
}

/// Checks the signatures, and only then reads the manifest.
///
/// # Errors
/// Those of the policy; [`codes::SERIAL_OLDER`]; those of the manifest.
pub fn verify(
    manifest: &[u8],
    signatures: &[SignatureFile],
    policy: &Policy,
) -> Result<(Manifest, Vec<TrustedSigner>)> {
    let signers = policy.check(MANIFEST_NAMESPACE, manifest, signatures)?;
    let manifest = Manifest::parse(manifest)?;
    check_serial(&manifest, policy)?;
    Ok((manifest, signers))
}

/// The keys that have signed the manifest, each once; nothing says that they are trusted.
pub fn claimed_signers(manifest: &[u8], signatures: &[SignatureFile]) -> Vec<PublicKey> {
    let mut keys = Vec::<PublicKey>::new();
    for file in signatures {
        let found = signature::check(&file.name, &file.bytes, MANIFEST_NAMESPACE, manifest);
        keys.extend(found.ok().filter(|key| !keys.iter().any(|known| known.is_same(key))));
    }
    keys
}

fn check_serial(manifest: &Manifest, policy: &Policy) -> Result<()> {
    let (serial, channel) = (manifest.serial, &manifest.channel);
    match policy.minimum_serial {
        Some(minimum) if serial < minimum => {
            let message = format!(
                "the bundle has serial {serial} of channel `{channel}`, at least {minimum} is required"
            );
            Err(Error::new(codes::SERIAL_OLDER, message).with_help(format!(
                "get a newer bundle, or accept this one and all newer ones: `--minimum-serial {serial}`"
            )))
        }
        _ => Ok(()),
    }
}
