//! The truth table of trust: each row alone decides.

use super::*;
use crate::trust::key;
use crate::trust::key_file::KeyFile;
use crate::trust::signature::{CHECKSUMS_NAMESPACE, MANIFEST_NAMESPACE, Signer as _, sign};

const MESSAGE: &[u8] = b"manifest";

fn new_key() -> KeyFile {
    let made = key::generate("test", None).unwrap();
    KeyFile::parse("key", made.private.reveal(), || panic!("not encrypted")).unwrap()
}

fn signed_as(key: &KeyFile, namespace: &str) -> SignatureFile {
    let bytes = sign(key, namespace, MESSAGE).unwrap().into_bytes();
    SignatureFile { name: "manifest.json.sig".to_owned(), bytes }
}

fn signed(key: &KeyFile) -> SignatureFile {
    signed_as(key, MANIFEST_NAMESPACE)
}

fn allowing(keys: &[&KeyFile]) -> Policy {
    let lines: Vec<_> = keys.iter().map(|key| key.public_key().allowed_line("release")).collect();
    Policy::new(AllowedSigners::parse("allowed", &lines.join("\n")).unwrap())
}

#[track_caller]
fn refuses(policy: &Policy, files: &[SignatureFile], code: crate::error::Code) -> Error {
    let error = policy.check(MANIFEST_NAMESPACE, MESSAGE, files).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.help().is_some());
    error
}

#[test]
fn one_allowed_signature_is_enough_by_default() {
    let (known, stranger) = (new_key(), new_key());
    let files = [signed(&stranger), signed(&known)];
    let signers = allowing(&[&known]).check(MANIFEST_NAMESPACE, MESSAGE, &files).unwrap();
    assert_eq!(signers.len(), 1);
    assert_eq!(signers[0].fingerprint, known.public_key().fingerprint());
    assert_eq!(signers[0].principal, "release");
}

#[test]
fn an_unknown_key_is_refused_with_the_line_that_would_trust_it() {
    let (known, stranger) = (new_key(), new_key());
    let error = refuses(&allowing(&[&known]), &[signed(&stranger)], codes::SIGNER_UNKNOWN);
    assert!(error.message().contains(&stranger.public_key().fingerprint()));
    let line = error.help().unwrap().lines().last().unwrap().to_owned();
    let policy = Policy::new(AllowedSigners::parse("allowed", &line).unwrap());
    assert!(policy.check(MANIFEST_NAMESPACE, MESSAGE, &[signed(&stranger)]).is_ok());
}

#[test]
fn purposes_are_kept_apart() {
    let known = new_key();
    for namespace in ["git", "file", CHECKSUMS_NAMESPACE] {
        refuses(&allowing(&[&known]), &[signed_as(&known, namespace)], codes::SIGNATURE_PURPOSE);
    }
    let line = known.public_key().allowed_line("release").replace("airlock.*", "git");
    let policy = Policy::new(AllowedSigners::parse("allowed", &line).unwrap());
    refuses(&policy, &[signed(&known)], codes::SIGNATURE_PURPOSE);
}

#[test]
fn a_signature_over_other_bytes_is_refused() {
    let known = new_key();
    let bytes = sign(&known, MANIFEST_NAMESPACE, b"other").unwrap().into_bytes();
    let file = SignatureFile { name: "sig".to_owned(), bytes };
    refuses(&allowing(&[&known]), &[file], codes::SIGNATURE_INVALID);
}

#[test]
fn a_revoked_key_does_not_count_even_if_allowed() {
    let (known, second) = (new_key(), new_key());
    let mut policy = allowing(&[&known, &second]);
    policy.revoked = RevokedKeys::parse("revoked", known.public_key().fingerprint().as_bytes()).unwrap();
    refuses(&policy, &[signed(&known)], codes::KEY_REVOKED);
    assert!(policy.check(MANIFEST_NAMESPACE, MESSAGE, &[signed(&known), signed(&second)]).is_ok());
}

#[test]
fn the_same_key_twice_is_one_signer() {
    let (first, second) = (new_key(), new_key());
    let mut policy = allowing(&[&first, &second, &first]);
    policy.threshold = 2;
    let error = refuses(&policy, &[signed(&first), signed(&first)], codes::SIGNATURE_COUNT);
    assert_eq!(error.message(), "one trusted key has signed, 2 are required");
    let signers = policy.check(MANIFEST_NAMESPACE, MESSAGE, &[signed(&first), signed(&second)]).unwrap();
    assert_eq!(signers.len(), 2);
}

#[test]
fn unsigned_passes_only_when_asked_for_and_never_with_a_bad_signature() {
    let (known, stranger) = (new_key(), new_key());
    let mut policy = allowing(&[&known]);
    refuses(&policy, &[], codes::SIGNATURE_MISSING);
    policy.unsigned = Unsigned::AllowLoudly;
    assert!(policy.check(MANIFEST_NAMESPACE, MESSAGE, &[]).unwrap().is_empty());
    refuses(&policy, &[signed(&stranger)], codes::SIGNER_UNKNOWN);
}

#[test]
fn an_unsigned_message_that_was_accepted_lets_no_other_pass() {
    let (known, stranger) = (new_key(), new_key());
    let mut policy = allowing(&[&known]);
    policy.unsigned = Unsigned::AllowExactly(Digest::of(MESSAGE));
    assert!(policy.check(MANIFEST_NAMESPACE, MESSAGE, &[]).unwrap().is_empty());
    refuses(&policy, &[signed(&stranger)], codes::SIGNER_UNKNOWN);
    policy.unsigned = Unsigned::AllowExactly(Digest::of(b"other"));
    refuses(&policy, &[], codes::SIGNATURE_MISSING);
}

#[test]
fn a_threshold_of_zero_is_refused() {
    let known = new_key();
    let mut policy = allowing(&[&known]);
    policy.threshold = 0;
    policy.unsigned = Unsigned::AllowLoudly;
    let error = refuses(&policy, &[signed(&known)], codes::THRESHOLD);
    assert_eq!(error.kind().exit_status(), 3);
}
