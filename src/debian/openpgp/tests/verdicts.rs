//! Good and bad keys and signatures.

use pgp::composed::DetachedSignature;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, PublicParams};

use super::keys::{Flaws, Key, MADE, clear_signed, configuration, key, keyring, sign, with_subkey};
use super::*;
use crate::error::{Code, Result};

const TEXT: &str = "Origin: Test\nSuite: stable";

fn verdict(key: &Key, keyring: &Keyring) -> Result<Signer> {
    let message = clear_signed(&key.secret, HashAlgorithm::Sha512, TEXT);
    verify_clear_signed(message.as_bytes(), "InRelease", keyring, now()).map(|(_, signer)| signer)
}

fn assert_refused(result: Result<Signer>, code: Code) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}: {:?}", error.details());
    assert_untrusted(&error);
    assert!(!error.details().is_empty());
}

#[test]
fn a_good_signature_of_a_trusted_key_counts() {
    let good = key(1, Flaws::default());
    let keyring = keyring(&[&key(2, Flaws::default()), &good]);
    let signer = verdict(&good, &keyring).unwrap();
    assert_eq!((&signer.primary, &signer.key), (&keyring.fingerprints()[1], &keyring.fingerprints()[1]));
    assert_eq!((signer.algorithm.as_str(), signer.hash.as_str()), ("Ed25519", "SHA512"));
    assert_eq!(signer.made.as_second(), i64::from(MADE));
}

#[test]
fn bad_keys_do_not_count() {
    let stranger = key(1, Flaws::default());
    assert_refused(verdict(&stranger, &keyring(&[&key(2, Flaws::default())])), codes::DEBIAN_SIGNER_UNKNOWN);
    let day = 86_400;
    for (flaws, code) in [
        (Flaws { lifetime: day, ..Flaws::default() }, codes::DEBIAN_KEY_EXPIRED),
        (Flaws { made: MADE + 1000 * day, ..Flaws::default() }, codes::DEBIAN_KEY_WEAK),
        (Flaws { revoked: true, ..Flaws::default() }, codes::DEBIAN_KEY_REVOKED),
        (Flaws { may_sign: false, ..Flaws::default() }, codes::DEBIAN_SIGNATURE),
    ] {
        let bad = key(1, flaws);
        assert_refused(verdict(&bad, &keyring(&[&bad])), code);
    }
    let living = key(1, Flaws { lifetime: 1000 * day, ..Flaws::default() });
    assert!(verdict(&living, &keyring(&[&living])).is_ok());
}

/// An RSA key that vouches for itself with SHA-1 as that of NVIDIA does, and what it signed. Made with gpg, as
/// the library refuses to.
const SHA1_BOUND_KEY: &[u8] = include_bytes!("data/sha1-bound-key.asc");
const SIGNED_WITH_SHA512: &[u8] = include_bytes!("data/signed-with-sha512");
const SIGNED_WITH_SHA1: &[u8] = include_bytes!("data/signed-with-sha1");

#[test]
fn a_pinned_fingerprint_makes_up_for_an_old_self_signature_and_for_nothing_else() {
    let old = Keyring::parse(SHA1_BOUND_KEY, "old.asc").unwrap();
    let verdict = |message: &[u8], keyring: &Keyring| {
        verify_clear_signed(message, "InRelease", keyring, now()).map(|(_, signer)| signer)
    };
    assert_refused(verdict(SIGNED_WITH_SHA512, &old), codes::DEBIAN_KEY_WEAK);
    let all = old.clone().joined_with(keyring(&[&key(3, Flaws::default())]));
    let pinned = all.pinned_to(&old.fingerprints(), "all.gpg").unwrap();
    assert_eq!(verdict(SIGNED_WITH_SHA512, &pinned).unwrap().algorithm, "RSA with 2048 bits");
    assert_refused(verdict(SIGNED_WITH_SHA1, &pinned), codes::DEBIAN_SIGNATURE_WEAK);
    let other = clear_signed(&key(3, Flaws::default()).secret, HashAlgorithm::Sha512, TEXT);
    assert_refused(verdict(other.as_bytes(), &pinned), codes::DEBIAN_SIGNER_UNKNOWN);
}

#[test]
fn weak_hashes_do_not_count() {
    let signer = key(1, Flaws::default());
    for (hash, counts) in [
        (HashAlgorithm::Md5, false),
        (HashAlgorithm::Sha1, false),
        (HashAlgorithm::Sha224, false),
        (HashAlgorithm::Sha256, true),
        (HashAlgorithm::Sha384, true),
        (HashAlgorithm::Sha512, true),
    ] {
        // Ed25519 refuses to make a signature that weak, so a stronger one is relabelled. The policy looks first.
        let made_with = if counts { hash } else { HashAlgorithm::Sha256 };
        let config = configuration(&signer.secret, SignatureType::Binary, made_with, MADE);
        let signature = sign(config, &signer.secret, TEXT);
        let signature =
            if counts { signature } else { relabelled(&signature, |config| config.hash_alg = hash) };
        let result =
            verify_detached(TEXT.as_bytes(), signature.as_bytes(), "Release", &keyring(&[&signer]), now());
        match counts {
            true => assert!(result.is_ok(), "{hash}"),
            false => assert_refused(result, codes::DEBIAN_SIGNATURE_WEAK),
        }
    }
}

/// The same signature, claiming something else.
fn relabelled(armored: &str, change: impl FnOnce(&mut SignatureConfig)) -> String {
    let signatures = armor::signatures(&[armored.as_bytes()]).unwrap();
    let mut config = signatures[0].config().unwrap().clone();
    change(&mut config);
    let (value, bytes) =
        (signatures[0].signed_hash_value().unwrap(), signatures[0].signature().unwrap().clone());
    let changed = Signature::from_config(config, value, bytes).unwrap();
    DetachedSignature::new(changed).to_armored_string(Default::default()).unwrap()
}

#[test]
fn a_signature_of_something_else_than_a_document_does_not_count() {
    let signer = key(1, Flaws::default());
    let config = configuration(&signer.secret, SignatureType::Binary, HashAlgorithm::Sha512, MADE);
    let signature =
        relabelled(&sign(config, &signer.secret, TEXT), |config| config.typ = SignatureType::Standalone);
    let result =
        verify_detached(TEXT.as_bytes(), signature.as_bytes(), "Release", &keyring(&[&signer]), now());
    assert!(result.as_ref().unwrap_err().details()[0].contains("not a document"));
    assert_refused(result, codes::DEBIAN_SIGNATURE);
}

#[test]
fn a_changed_text_is_noticed() {
    let signer = key(1, Flaws::default());
    let message = clear_signed(&signer.secret, HashAlgorithm::Sha256, TEXT).replace("stable", "stabke");
    let result = verify_clear_signed(message.as_bytes(), "InRelease", &keyring(&[&signer]), now());
    assert_refused(result.map(|(_, signer)| signer), codes::DEBIAN_SIGNATURE);
}

#[test]
fn a_signature_must_be_of_a_document_and_of_now() {
    let signer = key(1, Flaws::default());
    let future = u32::try_from(now().as_second()).unwrap() + 3600;
    let from_the_future = configuration(&signer.secret, SignatureType::Binary, HashAlgorithm::Sha512, future);
    let mut over = configuration(&signer.secret, SignatureType::Binary, HashAlgorithm::Sha512, MADE);
    let lifetime = SubpacketData::SignatureExpirationTime(Duration::from_secs(60));
    over.hashed_subpackets.push(Subpacket::regular(lifetime).unwrap());
    let mut conditional = configuration(&signer.secret, SignatureType::Binary, HashAlgorithm::Sha512, MADE);
    let unknown = SubpacketData::Experimental(101, vec![1].into());
    conditional.hashed_subpackets.push(Subpacket::critical(unknown).unwrap());
    for config in [from_the_future, over, conditional] {
        let signature = sign(config, &signer.secret, TEXT);
        let result =
            verify_detached(TEXT.as_bytes(), signature.as_bytes(), "Release", &keyring(&[&signer]), now());
        assert_refused(result, codes::DEBIAN_SIGNATURE);
    }
}

#[test]
fn a_strange_signature_beside_a_good_one_does_no_harm() {
    let (good, stranger) = (key(1, Flaws::default()), key(2, Flaws::default()));
    let by = |key: &Key| {
        sign(
            configuration(&key.secret, SignatureType::Binary, HashAlgorithm::Sha512, MADE),
            &key.secret,
            TEXT,
        )
    };
    let both = by(&stranger) + &by(&good);
    let signer =
        verify_detached(TEXT.as_bytes(), both.as_bytes(), "Release", &keyring(&[&good]), now()).unwrap();
    assert_eq!(signer.primary, keyring(&[&good]).fingerprints()[0]);
}

#[test]
fn subkeys_sign_if_both_keys_agree_and_live() {
    let good = Flaws::default();
    let day = 86_400;
    for (primary, sub, agreed, code) in [
        (good, good, true, None),
        (good, good, false, Some(codes::DEBIAN_KEY_WEAK)),
        (good, Flaws { revoked: true, ..good }, true, Some(codes::DEBIAN_KEY_REVOKED)),
        (good, Flaws { lifetime: day, ..good }, true, Some(codes::DEBIAN_KEY_EXPIRED)),
        (good, Flaws { may_sign: false, ..good }, true, Some(codes::DEBIAN_SIGNATURE)),
        (Flaws { revoked: true, ..good }, good, true, Some(codes::DEBIAN_KEY_REVOKED)),
        (Flaws { lifetime: day, ..good }, good, true, Some(codes::DEBIAN_KEY_EXPIRED)),
        (Flaws { may_sign: false, ..good }, good, true, None),
    ] {
        let (certificate, subkey) = with_subkey(key(1, primary), 5, sub, agreed);
        let message = clear_signed(&subkey, HashAlgorithm::Sha512, TEXT);
        let keyring = keyring(&[&certificate]);
        let result =
            verify_clear_signed(message.as_bytes(), "InRelease", &keyring, now()).map(|(_, signer)| signer);
        match code {
            None => {
                let signer = result.unwrap();
                assert_eq!(signer.primary, keyring.fingerprints()[0]);
                assert_ne!(signer.key, signer.primary);
            }
            Some(code) => assert_refused(result, code),
        }
    }
}

#[test]
fn keys_of_weak_algorithms_do_not_count() {
    let rsa = |bits: u16| {
        let mut material = bits.to_be_bytes().to_vec();
        material.extend(vec![0xff; usize::from(bits / 8)]);
        material.extend([0, 17, 1, 0, 1]);
        let algorithm = pgp::crypto::public_key::PublicKeyAlgorithm::RSA;
        PublicParams::try_from_reader(algorithm, None, &material[..]).unwrap()
    };
    assert!(policy::key_algorithm(&rsa(1024)).is_err());
    assert_eq!(policy::key_algorithm(&rsa(2048)).unwrap(), "RSA with 2048 bits");
    assert_eq!(policy::key_algorithm(&rsa(4096)).unwrap(), "RSA with 4096 bits");
}

#[test]
fn keyrings_are_binary_or_armored() {
    let (one, two) = (key(1, Flaws::default()), key(2, Flaws::default()));
    let armored = |key: &Key| key.public.to_armored_string(Default::default()).unwrap();
    let both = Keyring::parse((armored(&one) + "\n" + &armored(&two)).as_bytes(), "keys.asc").unwrap();
    assert_eq!(both.fingerprints(), keyring(&[&one, &two]).fingerprints());
    assert_eq!(keyring(&[&one]).joined_with(keyring(&[&two])).fingerprints(), both.fingerprints());
    for hostile in [
        "",
        "hello",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        "\u{99}\u{99}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    ] {
        let error = Keyring::parse(hostile.as_bytes(), "keys.asc").expect_err(hostile);
        assert_eq!(error.code(), codes::DEBIAN_KEYRING);
        assert!(error.help().is_some());
    }
}

#[test]
fn fingerprints_are_whole() {
    let text = "EB69 3B30 35CD 5710 E231  E123 A4B4 6996 3BF8 63CC";
    let fingerprint: Fingerprint = text.to_lowercase().parse().unwrap();
    assert_eq!(fingerprint.as_str(), text.replace(' ', ""));
    for text in ["", "3BF863CC", "A4B469963BF863CC", "\u{1b}[1m"] {
        let error = text.parse::<Fingerprint>().expect_err(text);
        assert!(error.help().is_some() && !error.message().contains('\u{1b}'));
    }
    let missing = keyring(&[&key(1, Flaws::default())]).pinned_to(&[fingerprint], "keys.gpg").unwrap_err();
    assert_eq!((missing.code(), missing.details().len()), (codes::DEBIAN_KEYRING, 1));
}
