//! Signatures on whole bundles (rows 65-72 and 75 of the list of bad inputs).

use airlock::bundle::names;
use airlock::trust::key;
use airlock::trust::key_file::KeyFile;
use airlock::trust::policy::{SignatureFile, Unsigned};
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, sign};

use crate::support::*;

fn contents() -> Contents {
    Contents::with_files(&[b"one\n"])
}

fn new_key() -> KeyFile {
    let made = key::generate("second@lab", None).unwrap();
    KeyFile::parse("key", made.private.reveal(), || panic!("not encrypted")).unwrap()
}

fn signature_of(contents: &Contents, key: &KeyFile, namespace: &str) -> Vec<u8> {
    sign(key, namespace, &contents.manifest.to_bytes()).unwrap().into_bytes()
}

#[test]
fn signers_are_reported_by_name_and_fingerprint() {
    let bundle = contents().signed(None).verify().unwrap();
    let [signer] = bundle.signers() else { panic!("one signer") };
    assert_eq!(signer.principal, "test");
    assert_eq!(signer.fingerprint, test_key().public_key().fingerprint());
}

#[test]
fn a_bundle_without_signature_needs_explicit_leave() {
    let volumes = contents().volumes(None, None);
    expect_error(volumes.verify(), 5, "the bundle is not signed");
    let mut policy = test_policy();
    policy.unsigned = Unsigned::AllowLoudly;
    let bundle = volumes.open().unwrap().verify(&policy).unwrap();
    assert!(bundle.signers().is_empty());
    check(&bundle).unwrap();
}

#[test]
fn a_strangers_signature_is_refused_even_where_unsigned_is_allowed() {
    let (contents, stranger) = (contents(), new_key());
    let volumes = contents.volumes(Some(&signature_of(&contents, &stranger, MANIFEST_NAMESPACE)), None);
    let mut policy = test_policy();
    policy.unsigned = Unsigned::AllowLoudly;
    let error = expect_error(volumes.open().unwrap().verify(&policy), 5, "which is not trusted here");
    assert!(error.message().contains(&stranger.public_key().fingerprint()));
    assert!(error.help().unwrap().contains(&stranger.public_key().allowed_line("NAME")));
}

#[test]
fn a_signature_made_for_git_does_not_count() {
    let contents = contents();
    let volumes = contents.volumes(Some(&signature_of(&contents, &test_key(), "git")), None);
    expect_error(volumes.verify(), 5, "was made for the purpose `git`, not for `airlock.manifest.v1`");
}

#[test]
fn the_signature_of_another_manifest_does_not_count() {
    let (one, other) = (contents(), Contents::with_files(&[b"other\n"]));
    expect_error(one.volumes(Some(&other.sign()), None).verify(), 5, "does not belong to these bytes");
}

#[test]
fn two_signatures_are_two_only_with_two_keys() {
    let (contents, second) = (contents(), new_key());
    let volumes = contents.signed(None);
    let beside = |key: &KeyFile| SignatureFile {
        name: names::signature_file("golden-1.0", &key.public_key().short_id()),
        bytes: signature_of(&contents, key, MANIFEST_NAMESPACE),
    };
    let mut policy = test_policy();
    policy.threshold = 2;
    let twice = volumes.open_with(vec![beside(&test_key())]).unwrap().verify(&policy);
    expect_error(twice, 5, "one trusted key has signed, 2 are required");
    let lines = [test_key().public_key().allowed_line("first"), second.public_key().allowed_line("second")];
    policy.allowed =
        airlock::trust::allowed_signers::AllowedSigners::parse("allowed", &lines.join("\n")).unwrap();
    let bundle = volumes.open_with(vec![beside(&second)]).unwrap().verify(&policy).unwrap();
    assert_eq!(bundle.signers().len(), 2);
    // A signature from beside also serves a bundle that was written unsigned.
    policy.threshold = 1;
    let unsigned = contents.volumes(None, None);
    assert!(unsigned.open_with(vec![beside(&second)]).unwrap().verify(&policy).is_ok());
}

#[test]
fn a_revoked_key_a_zero_threshold_and_an_old_serial_are_refused() {
    let volumes = contents().signed(None);
    let mut policy = test_policy();
    let line = test_key().public_key().to_line();
    policy.revoked = airlock::trust::revoked::RevokedKeys::parse("revoked", line.as_bytes()).unwrap();
    expect_error(volumes.open().unwrap().verify(&policy), 5, "is revoked");
    let mut policy = test_policy();
    policy.threshold = 0;
    expect_error(volumes.open().unwrap().verify(&policy), 3, "zero signatures");
    let mut policy = test_policy();
    policy.minimum_serial = Some(8);
    let error = expect_error(
        volumes.open().unwrap().verify(&policy),
        6,
        "has serial 7 of channel `stable`, at least 8",
    );
    assert!(error.help().unwrap().contains("--minimum-serial 7"));
    policy.minimum_serial = Some(7);
    assert!(volumes.open().unwrap().verify(&policy).is_ok());
}

/// A builder that is newer or faulty, whose manifest is nevertheless signed by a trusted key.
#[test]
fn signed_manifests_that_we_cannot_use_are_told_apart() {
    let good = String::from_utf8(contents().manifest.to_bytes()).unwrap();
    for (from, to, expected) in [
        ("airlock.manifest.v1", "airlock.manifest.v9", "its format is `airlock.manifest.v9`"),
        ("\"requires\": []", "\"requires\": [\"deltas\"]", "it requires `deltas`"),
        ("\"serial\": 7", "\"serial\": 18446744073709551615", "above 2^53 - 1"),
        ("/srv/file-0", "/srv/../file-0", "the path is not absolute and plain"),
        ("{", "[", "cannot be read"),
    ] {
        let bytes = good.replacen(from, to, 1).into_bytes();
        let signature = sign(&test_key(), MANIFEST_NAMESPACE, &bytes).unwrap();
        expect_error(hand_made(&bytes, signature.as_bytes()).verify(), 3, expected);
    }
}

/// The head of a volume around any manifest bytes; the writer would refuse these.
fn hand_made(manifest: &[u8], signature: &[u8]) -> Volumes {
    use airlock::bundle::{ustar, volume};
    let bundle = airlock::oci::digest::Digest::of(manifest);
    let header = volume::VolumeHeader { bundle, volume: 1, volumes: 1, size: None };
    let mut bytes = Vec::new();
    for (name, content) in [
        (volume::MEMBER, &header.to_bytes()[..]),
        ("manifest.json", manifest),
        ("manifest.json.sig", signature),
        ("oci-layout", b"{}"),
    ] {
        bytes.extend_from_slice(&ustar::header(name, content.len() as u64));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    Volumes(vec![("hand-made.tar".to_owned(), bytes)])
}
