//! When a bundle is trusted: enough signatures, by different keys, each allowed and none of them revoked.

use super::allowed_signers::AllowedSigners;
use super::key::PublicKey;
use super::revoked::RevokedKeys;
use super::signature;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// What a bundle has to fulfil before anything of it is used.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Keys that may sign.
    pub allowed: AllowedSigners,
    /// Keys that no longer count.
    pub revoked: RevokedKeys,
    /// How many different keys must have signed; at least one.
    pub threshold: usize,
    /// What to do with a bundle that carries no signature at all.
    pub unsigned: Unsigned,
    /// The oldest serial that is accepted.
    pub minimum_serial: Option<u64>,
}

/// What to do with a bundle that carries no signature at all. One with a bad signature is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// Stop.
    Refuse,
    /// Go on. The caller tells the user on every run.
    AllowLoudly,
    /// Go on if the message has this digest: somebody has accepted exactly it. The caller tells the user here too.
    AllowExactly(Digest),
}

/// A signature as it was found: the name of its file or member, and its bytes.
#[derive(Clone, Debug)]
pub struct SignatureFile {
    /// For messages.
    pub name: String,
    /// The armor.
    pub bytes: Vec<u8>,
}

/// Somebody whose signature counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSigner {
    /// The name in the allowed-signers file.
    pub principal: String,
    /// `SHA256:…` of the key.
    pub fingerprint: String,
}

impl Policy {
    /// One signature of one of these keys; unsigned bundles are refused, serials do not matter.
    pub fn new(allowed: AllowedSigners) -> Self {
        let revoked = RevokedKeys::default();
        Policy { allowed, revoked, threshold: 1, unsigned: Unsigned::Refuse, minimum_serial: None }
    }

    /// Checks all signatures over `message` and returns those who signed, each key once. The list is empty
    /// only for an unsigned message that [`Unsigned::AllowLoudly`] lets pass.
    pub fn check(
        &self,
        namespace: &str,
        message: &[u8],
        files: &[SignatureFile],
    ) -> Result<Vec<TrustedSigner>> {
        if self.threshold == 0 {
            return Err(Error::new(codes::THRESHOLD, "zero signatures cannot be required")
                .with_help("require at least 1; `--allow-unsigned` accepts one unsigned bundle"));
        }
        if files.is_empty() {
            return match self.unsigned {
                Unsigned::AllowLoudly => Ok(Vec::new()),
                Unsigned::AllowExactly(accepted) if Digest::of(message) == accepted => Ok(Vec::new()),
                Unsigned::AllowExactly(_) | Unsigned::Refuse => Err(unsigned()),
            };
        }
        let mut signers = Vec::<TrustedSigner>::new();
        let mut refusals = Vec::new();
        for file in files {
            match self.check_one(namespace, message, file) {
                // One person counts once, however often the same key has signed (CVE-2020-15093).
                Ok(signer) if signers.iter().any(|known| known.fingerprint == signer.fingerprint) => {}
                Ok(signer) => signers.push(signer),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if signers.len() >= self.threshold { Ok(signers) } else { Err(self.too_few(&signers, refusals)) }
    }

    fn check_one(&self, namespace: &str, message: &[u8], file: &SignatureFile) -> Result<TrustedSigner> {
        let key = signature::check(&file.name, &file.bytes, namespace, message)?;
        if self.revoked.contains(&key) {
            return Err(Error::new(codes::KEY_REVOKED, format!("the key {} is revoked", key.fingerprint()))
                .with_help("have the bundle signed with a key that is still valid"));
        }
        let mut known = self.allowed.of_key(&key).peekable();
        let listed = known.peek().is_some();
        let Some(entry) = known.find(|entry| entry.allows(namespace)) else {
            return Err(if listed { wrong_purpose(&key, namespace) } else { unknown(&key) });
        };
        Ok(TrustedSigner { principal: entry.principals.clone(), fingerprint: key.fingerprint() })
    }

    fn too_few(&self, signers: &[TrustedSigner], mut refusals: Vec<Error>) -> Error {
        if signers.is_empty() && !refusals.is_empty() {
            // The most telling refusal stands for all; the others become notes.
            refusals.sort_by_key(|refusal| if refusal.code() == codes::KEY_REVOKED { 0 } else { 1 });
            let first = refusals.remove(0);
            return refusals.into_iter().fold(first, |error, other| error.with_detail(other.message()));
        }
        let signed = match signers.len() {
            1 => "one trusted key has".to_owned(),
            count => format!("{count} trusted keys have"),
        };
        let message = format!("{signed} signed, {} are required", self.threshold);
        let error = Error::new(codes::SIGNATURE_COUNT, message)
            .with_help("have another signer run `airlock bundle sign`, with a different key");
        let error = signers.iter().fold(error, |error, signer| {
            error.with_detail(format!("signed by {} {}", quote(&signer.principal), signer.fingerprint))
        });
        refusals.into_iter().fold(error, |error, refusal| error.with_detail(refusal.message()))
    }
}

fn unsigned() -> Error {
    Error::new(codes::SIGNATURE_MISSING, "the bundle is not signed").with_help(
        "have it signed with `airlock bundle sign`; `--allow-unsigned` accepts it this once, whoever made it",
    )
}

fn unknown(key: &PublicKey) -> Error {
    let fingerprint = key.fingerprint();
    let message = format!("the bundle is signed by the key {fingerprint}, which is not trusted here");
    let help = format!(
        "compare the fingerprint with its owner, not with the medium; to trust the key, add this line to the file of allowed signers:\n{}",
        key.allowed_line("NAME")
    );
    Error::new(codes::SIGNER_UNKNOWN, message).with_help(help)
}

fn wrong_purpose(key: &PublicKey, namespace: &str) -> Error {
    let message = format!("the key {} is allowed here, but not for `{namespace}`", key.fingerprint());
    Error::new(codes::SIGNATURE_PURPOSE, message).with_help(format!(
        "to allow it, add `{namespace}` to the `namespaces` of the key in the file of allowed signers"
    ))
}

#[cfg(test)]
mod tests;
