//! From stanzas to a signed repository and back.

use super::*;
use crate::debian::repository::PACKAGES_XZ;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn package(name: &str, more: &str) -> lock::Package {
    lock::Package {
        name: name.to_owned(),
        version: "1:2-3".to_owned(),
        architecture: "amd64".to_owned(),
        wanted_by: "requested".to_owned(),
        url: format!("https://example.com/{name}.deb"),
        digest: Digest::from_hex(EMPTY).unwrap(),
        size: 0,
        stanza: format!(
            "Package: {name}\nVersion: 1:2-3\nArchitecture: amd64\n{more}Filename: pool/{name}.deb\nSize: 0\nSHA256: {EMPTY}\n"
        ),
    }
}

fn now() -> Timestamp {
    "2026-02-01T10:00:00Z".parse().unwrap()
}

fn made(listing: &Listing) -> Signature {
    Signature::make(listing, &Release::of("debian-12").unwrap(), now()).unwrap()
}

fn text(listing: &Listing) -> String {
    String::from_utf8(listing.indices()[0].1.to_vec()).unwrap()
}

#[test]
fn a_repository_is_made_again_from_its_stanzas() {
    let packages = [package("a", ""), package("b", "X-Odd:\tz \n")];
    let first = listing(&packages).unwrap();
    let signature = made(&first);
    let again = listing(&packages).unwrap();
    assert_eq!(signature.check(&again, now()).unwrap(), Verdict::Valid);
    assert!(text(&again).contains("X-Odd:\tz \nFilename: pool/b_1%3a2-3_amd64.deb\n"), "{}", text(&again));
    assert!(signature.in_release.contains("\nCodename: bookworm\nDate: Sun, 01 Feb 2026 10:00:00 UTC\n"));
}

#[test]
fn every_repository_has_a_key_of_its_own() {
    let listing = listing(&[package("a", "")]).unwrap();
    let (one, other) = (made(&listing), made(&listing));
    assert_ne!(one.keyring, other.keyring);
    let mixed = Signature { keyring: one.keyring, in_release: other.in_release };
    assert_eq!(mixed.check(&listing, now()).unwrap_err().code(), codes::APT_LOCK_CONTRADICTS);
}

#[test]
fn a_signature_for_other_packages_is_refused() {
    let signature = made(&listing(&[package("a", "")]).unwrap());
    let edited = listing(&[package("a", "Depends: b\n")]).unwrap();
    let error = signature.check(&edited, now()).unwrap_err();
    assert_eq!(error.code(), codes::APT_LOCK_CONTRADICTS);
    assert!(error.help().unwrap().contains("git"));
    let broken = Signature { keyring: "no key".to_owned(), ..signature };
    assert_eq!(broken.check(&edited, now()).unwrap_err().code(), codes::APT_LOCK_CONTRADICTS);
}

#[test]
fn another_compressor_is_told_from_other_packages() {
    let listing = listing(&[package("a", "")]).unwrap();
    let packed = Digest::of(listing.indices()[1].1).hex();
    assert_eq!(listing.indices()[1].0, PACKAGES_XZ);
    // As if another version of the compressor had made it: signed by the same code, with another digest.
    let key = SigningKey::from_seed(&Secret::new([3; 32]), KEY_NAME).unwrap();
    let description =
        Description { origin: "Airlock", label: "Airlock", suite: "airlock", codename: "x", date: now() };
    let inline = listing.sign(&description, &key).unwrap();
    let keyring = Keyring::parse(&key.keyring().unwrap(), "key").unwrap();
    let (release, _) =
        crate::debian::openpgp::verify_clear_signed(inline.as_bytes(), "r", &keyring, now()).unwrap();
    let other = String::from_utf8(release).unwrap().replace(&packed, EMPTY) + "\n";
    let signature =
        Signature { keyring: key.armored_keyring().unwrap(), in_release: key.sign_inline(&other).unwrap() };
    assert_eq!(signature.check(&listing, now()).unwrap(), Verdict::PackedOtherwise);
}

#[test]
fn a_stanza_belongs_to_its_entry() {
    let twice = [package("a", ""), package("a", "")];
    let renamed = [lock::Package { name: "b".to_owned(), ..package("a", "") }];
    let resized = [lock::Package { size: 7, ..package("a", "") }];
    let two_in_one = [lock::Package {
        stanza: package("a", "").stanza + "\n" + &package("b", "").stanza,
        ..package("a", "")
    }];
    let other_bytes = [lock::Package { digest: Digest::of(b"other"), ..package("a", "") }];
    let nothing = [lock::Package { stanza: "Package: a\n".to_owned(), ..package("a", "") }];
    for packages in [&twice[..], &renamed, &resized, &two_in_one, &nothing] {
        assert_eq!(listing(packages).unwrap_err().code(), codes::APT_LOCK_CONTRADICTS, "{packages:?}");
    }
    assert_eq!(listing(&other_bytes).unwrap_err().code(), codes::DEBIAN_REPOSITORY);
}
