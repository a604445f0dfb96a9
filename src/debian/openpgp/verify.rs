//! Verifies signatures against a keyring at a given time. One good signature of a trusted key suffices, as in
//! apt; signatures of other keys beside it do no harm.

use jiff::Timestamp;
use pgp::composed::SignedPublicKey;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};

use super::certificate::{Certificate, Refusal};
use super::{ClearSigned, Fingerprint, Keyring, armor, clear_signed, policy};
use crate::error::{Error, Result, codes};

/// How far the clock of a signer may be ahead of ours, in seconds.
const CLOCK_SKEW: i64 = 600;

/// Who signed, and how. Goes into the lock as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key or subkey that signed.
    pub key: Fingerprint,
    /// The primary key it belongs to, which users know and pin.
    pub primary: Fingerprint,
    /// Such as `RSA with 4096 bits`.
    pub algorithm: String,
    /// Such as `SHA512`.
    pub hash: String,
    /// When the signature was made, by the clock of the signer.
    pub made: Timestamp,
}

/// Verifies a message such as `InRelease`, called `name` in errors, and gives its text and signer.
///
/// # Errors
/// As [`super::split`], and of kind `Untrusted` if no signature counts: unknown, expired, revoked or weak
/// key, weak or wrong signature, each with its code.
pub fn verify_clear_signed(
    message: &[u8],
    name: &str,
    keyring: &Keyring,
    at: Timestamp,
) -> Result<(Vec<u8>, Signer)> {
    let ClearSigned { text, signatures } = clear_signed::split(message, name)?;
    let signatures = armor::signatures(&signatures).ok_or_else(|| malformed(name))?;
    // What is signed has the line ends of the net, also where a signer calls it binary (RFC 9580, 7.2).
    let mut signed = Vec::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => signed.extend_from_slice(&[line, b"\r\n"].concat()),
            None => signed.extend_from_slice(line),
        }
    }
    let signer = first_good(&signed, &signatures, name, keyring, at)?;
    Ok((text, signer))
}

/// Verifies `text` by a detached signature such as `Release.gpg`, armored or binary, called `name` in errors.
///
/// # Errors
/// As [`verify_clear_signed`]; [`codes::DEBIAN_ENVELOPE`] if `signature` holds anything but signatures.
pub fn verify_detached(
    text: &[u8],
    signature: &[u8],
    name: &str,
    keyring: &Keyring,
    at: Timestamp,
) -> Result<Signer> {
    let signatures = match signature.first() {
        Some(byte) if byte & 0x80 != 0 => armor::binary_signatures(signature),
        _ => armor::blocks(signature, "PGP SIGNATURE").and_then(|blocks| armor::signatures(&blocks)),
    };
    first_good(text, &signatures.ok_or_else(|| malformed(name))?, name, keyring, at)
}

fn malformed(name: &str) -> Error {
    Error::new(codes::DEBIAN_ENVELOPE, format!("the signature of {name} is damaged or holds something else"))
        .with_help("fetch it again; if it stays so, tell the owners of the repository")
}

fn first_good(
    signed: &[u8],
    signatures: &[Signature],
    name: &str,
    keyring: &Keyring,
    at: Timestamp,
) -> Result<Signer> {
    let mut refusals = Vec::new();
    for signature in signatures {
        match verify(signed, signature, keyring, at) {
            Ok(signer) => return Ok(signer),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(refused(name, refusals))
}

/// The error if no signature counts. A key that we know says more than one that we do not.
fn refused(name: &str, refusals: Vec<Refusal>) -> Error {
    let known = refusals.iter().find(|refusal| refusal.code != codes::DEBIAN_SIGNER_UNKNOWN);
    let code = known.map_or(codes::DEBIAN_SIGNER_UNKNOWN, |refusal| refusal.code);
    let help = match code {
        codes::DEBIAN_SIGNER_UNKNOWN => {
            "add the repository's key to `signedBy`, after comparing its fingerprint with what its owners publish"
        }
        codes::DEBIAN_KEY_EXPIRED => {
            "get the owners' current key for `signedBy`, and check this machine's clock"
        }
        codes::DEBIAN_KEY_REVOKED => "its owners withdrew the key; get their new one for `signedBy`",
        codes::DEBIAN_KEY_WEAK => {
            "get a newer key of the owners for `signedBy`, or pin the fingerprint of this one"
        }
        codes::DEBIAN_SIGNATURE_WEAK => "ask the owners of the repository to sign with SHA-256 or better",
        _ => "fetch it again; if it stays so, somebody changes it on its way, or the owners made a mistake",
    };
    let mut error = Error::new(code, format!("no signature of {name} counts")).with_help(help);
    for refusal in refusals {
        error = error.with_detail(refusal.reason);
    }
    error
}

fn verify(signed: &[u8], signature: &Signature, keyring: &Keyring, at: Timestamp) -> Result<Signer, Refusal> {
    let mut refusal = None;
    for key in keyring.keys() {
        let certificate = Certificate { key, at, pinned: keyring.is_pinned() };
        match verify_by(signed, signature, &certificate) {
            Some(Ok(signer)) => return Ok(signer),
            Some(Err(other)) => refusal = Some(other),
            None => {}
        }
    }
    Err(refusal.unwrap_or_else(|| {
        Refusal::new(
            codes::DEBIAN_SIGNER_UNKNOWN,
            format!("signed by {}, which is not trusted", issuer(signature)),
        )
    }))
}

/// The verdict of one certificate; `None` if the signature is not by one of its keys.
fn verify_by(
    signed: &[u8],
    signature: &Signature,
    certificate: &Certificate<'_>,
) -> Option<Result<Signer, Refusal>> {
    let SignedPublicKey { primary_key, public_subkeys, .. } = certificate.key;
    let verdict = if is_by(signature, primary_key) {
        let verdict = check_data(signed, signature, primary_key, certificate.at);
        verdict
            .and_then(|()| certificate.check_primary_for_signing())
            .map(|()| describe(signature, primary_key, certificate))
    } else {
        let subkey = public_subkeys.iter().find(|subkey| is_by(signature, &subkey.key))?;
        let verdict = check_data(signed, signature, &subkey.key, certificate.at);
        verdict
            .and_then(|()| certificate.check_subkey_for_signing(subkey))
            .map(|()| describe(signature, &subkey.key, certificate))
    };
    let named = |refusal: Refusal| {
        Refusal::new(refusal.code, format!("the key {} {}", issuer(signature), refusal.reason))
    };
    Some(verdict.map_err(named))
}

/// Whether the signature says that it is by this key.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    signature.issuer_fingerprint().contains(&&key.fingerprint())
        || signature.issuer_key_id().contains(&&key.legacy_key_id())
}

/// Checks everything about the signature that does not depend on whom the key belongs to.
fn check_data(
    signed: &[u8],
    signature: &Signature,
    key: &impl VerifyingKey,
    at: Timestamp,
) -> Result<(), Refusal> {
    let invalid = |reason: &str| Refusal::new(codes::DEBIAN_SIGNATURE, reason);
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err(invalid("signed something that is not a document"));
    }
    if !policy::is_understood(signature) {
        return Err(invalid("signed with conditions that airlock does not know"));
    }
    match signature.hash_alg() {
        Some(hash) if policy::is_strong(hash) => {}
        Some(hash) => {
            return Err(Refusal::new(
                codes::DEBIAN_SIGNATURE_WEAK,
                format!("signed with {hash}, which is too weak"),
            ));
        }
        None => return Err(invalid("signed with an unknown hash")),
    }
    signature.verify(key, signed).map_err(|_| invalid("did not sign this text; it was changed"))?;
    check_lifetime(signature, at)
}

fn check_lifetime(signature: &Signature, at: Timestamp) -> Result<(), Refusal> {
    let expired = |reason: &str| Err(Refusal::new(codes::DEBIAN_SIGNATURE, reason));
    let Some(made) = signature.created().map(|made| i64::from(made.as_secs())) else {
        return expired("signed without saying when");
    };
    if made > at.as_second() + CLOCK_SKEW {
        return expired("signed in the future by this machine's clock; set the clock");
    }
    let lifetime = signature.signature_expiration_time().map_or(0, |lifetime| i64::from(lifetime.as_secs()));
    if lifetime != 0 && made + lifetime <= at.as_second() {
        return expired("signed for a time that is over");
    }
    Ok(())
}

/// The issuer as the signature names it, best name first.
fn issuer(signature: &Signature) -> String {
    match (signature.issuer_fingerprint().first(), signature.issuer_key_id().first()) {
        (Some(fingerprint), _) => format!("{fingerprint:X}"),
        (None, Some(id)) => id.as_ref().iter().map(|byte| format!("{byte:02X}")).collect(),
        (None, None) => "a key that it does not name".to_owned(),
    }
}

fn describe(signature: &Signature, key: &impl KeyDetails, certificate: &Certificate<'_>) -> Signer {
    let made = signature.created().map_or(0, |made| i64::from(made.as_secs()));
    Signer {
        key: Fingerprint::of(key),
        primary: Fingerprint::of(&certificate.key.primary_key),
        algorithm: policy::key_algorithm(key.public_params()).unwrap_or_default(),
        hash: signature.hash_alg().map(|hash| hash.to_string()).unwrap_or_default(),
        made: Timestamp::from_second(made).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}
