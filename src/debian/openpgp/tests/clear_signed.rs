//! The frame of clear-signed messages: everything an attacker could put around, into or between.

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const TEXT: &str = "Origin: Test\nSuite: stable\n- dash\n";

fn message() -> String {
    key().sign_inline(TEXT).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&Secret::new([9; 32]), "test").unwrap()
}

fn verified(message: &str) -> crate::error::Result<Vec<u8>> {
    let keyring = Keyring::parse(&key().keyring().unwrap(), "keyring.gpg").unwrap();
    verify_clear_signed(message.as_bytes(), "InRelease", &keyring, now()).map(|(text, _)| text)
}

#[test]
fn a_message_is_split_and_unescaped() {
    let message = message();
    let parts = split(message.as_bytes(), "InRelease").unwrap();
    assert_eq!(String::from_utf8(parts.text).unwrap(), TEXT.trim_end());
    assert_eq!(parts.signatures.len(), 1);
    assert!(message.contains("\n- - dash\n"));
    assert_eq!(verified(&message).unwrap(), TEXT.trim_end().as_bytes());
}

#[test]
fn line_ends_and_white_space_at_line_ends_are_not_signed() {
    let message = message();
    assert!(verified(&message.replace('\n', "\r\n")).is_ok());
    assert!(verified(&message.replace("stable\n", "stable \t\n")).is_ok());
    assert!(verified(&message.replace("Origin: Test\n", "Origin: Test\n\n")).is_err());
}

#[test]
fn two_signatures_may_follow_each_other() {
    let message = message();
    let signature = &message[message.find("-----BEGIN PGP SIGNATURE").unwrap()..];
    assert!(verified(&format!("{message}{signature}\n\n")).is_ok());
}

/// Text before or after the signed part (CVE-2013-1051), between signatures, or in the head.
#[test]
fn nothing_may_stand_around_the_signed_text() {
    let good = message();
    let hostile = "Origin: Evil\n";
    for message in [
        format!("{good}{hostile}"),
        format!("{good}\n{hostile}"),
        good.replace(
            "-----BEGIN PGP SIGNATURE",
            "Origin: Evil\n\n-----BEGIN PGP MESSAGE-----\n-----BEGIN PGP SIGNATURE",
        ),
        good.replace("Hash: SHA512\n", "Hash: SHA512\nOrigin: Evil\n"),
        good.replace("Hash: SHA512\n", "NotDashEscaped: You need GnuPG\n"),
        good.replace("- - dash", "- dash\n-dash"),
        good.replace("- - dash", "-----BEGIN PGP SIGNED MESSAGE-----\n"),
        format!("{good}{good}"),
        good[..good.len() - 30].to_owned(),
        good.split("-----BEGIN PGP SIGNATURE").next().unwrap().to_owned(),
        "-----BEGIN PGP SIGNED MESSAGE-----\n".to_owned(),
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512".to_owned(),
    ] {
        let error = verified(&message).expect_err(&message);
        assert_eq!(error.code(), codes::DEBIAN_ENVELOPE, "{message}");
        assert_untrusted(&error);
    }
    for message in [
        format!("{hostile}{good}"),
        format!("\n{good}"),
        hostile.to_owned(),
        String::new(),
        "<html>".to_owned(),
    ] {
        let error = verified(&message).expect_err(&message);
        assert_eq!(error.code(), codes::DEBIAN_UNSIGNED, "{message}");
        assert_untrusted(&error);
    }
}

/// A line so long that a reader with a buffer might take its middle for a new line (CVE-2016-1252).
#[test]
fn lines_are_never_cut() {
    for length in [1023, 1024, 4095, 4096, 8191, 8192, 65_535, 65_536, 1 << 20] {
        let line = format!("{}-----BEGIN PGP SIGNATURE-----\n", "x".repeat(length));
        let text = format!("Origin: Test\n{line}Suite: a\n");
        let message = key().sign_inline(&text).unwrap();
        assert_eq!(verified(&message).unwrap(), text.trim_end().as_bytes());
        let moved = message.replace("Origin: Test\n", "").replace(&line, &format!("{line}Origin: Test\n"));
        assert_eq!(verified(&moved).unwrap_err().code(), codes::DEBIAN_SIGNATURE);
    }
}

#[test]
fn a_detached_signature_is_nothing_but_a_signature() {
    let keyring = Keyring::parse(&key().keyring().unwrap(), "keyring.gpg").unwrap();
    let verdict = |signature: &[u8]| verify_detached(TEXT.as_bytes(), signature, "Release", &keyring, now());
    let armored = key().sign_detached(TEXT).unwrap();
    let mut binary = Vec::new();
    std::io::Read::read_to_end(&mut pgp::armor::Dearmor::new(armored.as_bytes()), &mut binary).unwrap();
    assert!(verdict(armored.as_bytes()).is_ok());
    assert!(verdict(&binary).is_ok());
    let keys = key().keyring().unwrap();
    for hostile in [
        format!("Origin: Evil\n{armored}").as_bytes(),
        format!("{armored}Origin: Evil\n").as_bytes(),
        message().as_bytes(),
        &[&keys[..], &binary].concat(),
        &[&binary, &keys[..]].concat(),
        &binary[..binary.len() - 1],
        &binary.repeat(17),
        b"",
    ] {
        let error = verdict(hostile).unwrap_err();
        assert_eq!(error.code(), codes::DEBIAN_ENVELOPE);
        assert_untrusted(&error);
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_what_comes_out(lines in prop::collection::vec("[-A-Za-z: ]{0,12}[a-z-]", 1..8)) {
        let text = lines.join("\n") + "\n";
        let message = key().sign_inline(&text).unwrap();
        prop_assert_eq!(verified(&message).unwrap(), text.trim_end_matches('\n').as_bytes());
    }

    #[test]
    fn one_changed_byte_never_changes_the_text(position in 0..600_usize, byte in 0x20..0x7f_u8) {
        let good = message();
        let mut bytes = good.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(text) = verified(std::str::from_utf8(&bytes).unwrap()) {
            prop_assert_eq!(text, TEXT.trim_end().as_bytes());
        }
    }

    #[test]
    fn no_input_panics(text in "(-----BEGIN PGP SIGNED MESSAGE-----\n)?(Hash: x\n)?\n?[- a\n]{0,9}(-----BEGIN PGP SIGNATURE-----\n)?\\PC{0,9}") {
        let _ = verified(&text);
    }
}
