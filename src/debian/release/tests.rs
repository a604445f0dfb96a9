//! `Release` files: fields, tables, time.

use super::*;
use crate::debian::openpgp::SigningKey;
use crate::oci::digest::Digest;
use crate::secret::Secret;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_fields_are_read() {
    let sha512 = "ab".repeat(64);
    let text = format!(
        "Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 12.5\nCodename: bookworm\nDate: Sat, 10 Feb 2024 11:07:25 UTC\n\
         Valid-Until: Sat, 17 Feb 2024 11:07:25 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64\nComponents: main updates/contrib\n\
         No-Support-for-Architecture-all: Packages\nNotAutomatic: yes\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/x\n\
         SHA256:\n {EMPTY}        0 main/x\n {EMPTY} 7 main/y\nSHA512:\n {sha512} 0 main/x\n {sha512} 9 main/z\n"
    );
    let release = Release::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (release.origin, release.suite, release.codename, release.version),
        ("Debian", "stable", "bookworm", "12.5")
    );
    assert_eq!(release.components, ["main", "updates/contrib"]);
    assert_eq!(release.date, Some(at("2024-02-10T11:07:25Z")));
    assert_eq!(release.valid_until, Some(at("2024-02-17T11:07:25Z")));
    assert!(
        release.acquire_by_hash
            && release.repeats_all
            && release.not_automatic
            && !release.but_automatic_upgrades
    );
    let both = release.file("main/x").unwrap();
    assert_eq!((both.size, both.sha256, both.sha512.unwrap().hex()), (0, Some(Digest::of(b"")), sha512));
    assert!(
        release.file("main/y").unwrap().sha512.is_none() && release.file("main/z").unwrap().sha256.is_none()
    );
    assert!(release.file("main/w").is_none());
}

#[test]
fn weak_digests_alone_are_not_trusted() {
    for table in ["MD5Sum", "SHA1"] {
        let error = Release::parse(format!("Suite: a\n{table}:\n d41d8c 0 x\n").as_bytes()).unwrap_err();
        assert_eq!(error.code(), codes::DEBIAN_RELEASE_WEAK);
        assert_eq!(error.kind().exit_status(), 5);
    }
}

#[test]
fn malformed_releases_are_refused() {
    for text in [
        "".to_owned(),
        "Suite: a\n\nSuite: b\n".to_owned(),
        "Date: yesterday\n".to_owned(),
        "SHA256:\n abc 0 x\n".to_owned(),
        format!("SHA256:\n {EMPTY} 0\n"),
        format!("SHA256:\n {EMPTY} -1 x\n"),
        format!("SHA256:\n {EMPTY} 0 x y\n"),
        format!("SHA256:\n {EMPTY} 0 x\n {EMPTY} 1 x\n"),
        format!("SHA256:\n {EMPTY} 0 x\n {} 0 x\n", EMPTY.replace('e', "f")),
        format!("SHA512:\n {EMPTY} 0 x\n"),
    ] {
        let error = Release::parse(text.as_bytes()).expect_err(&text);
        assert_eq!(error.code(), codes::DEBIAN_RELEASE, "{text}");
        assert!(error.help().is_some());
    }
}

#[test]
fn the_clock_decides_about_old_and_future_releases() {
    let text = "Date: Sat, 10 Feb 2024 11:07:25 UTC\nValid-Until: Sat, 17 Feb 2024 11:07:25 UTC\n";
    let release = Release::parse(text.as_bytes()).unwrap();
    release.check_time(at("2024-02-12T00:00:00Z"), "x").unwrap();
    release.check_time(at("2024-02-10T11:00:00Z"), "x").unwrap();
    for (now, code) in [
        ("2024-02-17T11:07:25Z", codes::DEBIAN_RELEASE_EXPIRED),
        ("2024-02-10T10:57:24Z", codes::DEBIAN_RELEASE_FUTURE),
    ] {
        let error = release.check_time(at(now), "x").unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (code, 6));
        assert!(error.help().unwrap().contains("clock"));
    }
    Release::parse(b"Suite: a\n").unwrap().check_time(at("2024-02-12T00:00:00Z"), "x").unwrap();
}

#[test]
fn a_release_never_gets_older() {
    let release = Release::parse(b"Date: Sat, 10 Feb 2024 11:07:25 UTC\n").unwrap();
    release.check_not_older(at("2024-02-10T11:07:25Z"), "x").unwrap();
    release.check_not_older(at("2018-04-27T00:00:00Z"), "x").unwrap();
    let error = release.check_not_older(at("2024-02-10T11:07:26Z"), "x").unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::DEBIAN_RELEASE_OLDER, 6));
    assert!(Release::parse(b"Suite: a\n").unwrap().check_not_older(at("2024-02-10T11:07:26Z"), "x").is_err());
}

#[test]
fn an_unsigned_repository_is_refused_and_a_lost_signature_named() {
    assert!(unsigned("x", true).message().contains("no longer signed"));
    assert!(!unsigned("x", false).message().contains("no longer"));
    let key = SigningKey::from_seed(&Secret::new([1; 32]), "test").unwrap();
    let keyring = openpgp::Keyring::parse(&key.keyring().unwrap(), "x.gpg").unwrap();
    let error =
        SignedRelease::verify_inline(b"Suite: a\n", "x", &keyring, at("2024-02-10T00:00:00Z")).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::DEBIAN_UNSIGNED, 5));
}
