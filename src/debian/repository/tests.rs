//! The repository as bytes; whether apt likes it is tested with real ones in `tests/apt`.

use super::*;
use crate::debian::index::index_files;
use crate::debian::openpgp::Keyring;
use crate::debian::package::parse_index;
use crate::debian::release::SignedRelease;
use crate::secret::Secret;

const UPSTREAM: &str = "Package: zlib1g\nsection:  libs \nVersion: 1:1.2-1\nArchitecture: amd64\nFileName: pool/z/zlib.deb\nSize: 3\n\
SHA256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nDescription: two\n lines\nX-Odd:\tx\n\n\
Package: a\nVersion: 1\nArchitecture: all\nSize: 0\nFilename: pool/a.deb\n\
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The digest of the signed release of `UPSTREAM`.
const SIGNED: &str = "9bb10c6b67f42051049992643e2af5802dbcfd4a9c149249a145ba2a7d6450fc";

fn key() -> SigningKey {
    SigningKey::from_seed(&Secret::new([7; 32]), "Airlock repository").unwrap()
}

fn date() -> Timestamp {
    "2026-02-01T10:00:00Z".parse().unwrap()
}

fn description() -> Description<'static> {
    Description { origin: "Airlock", label: "Airlock", suite: "airlock", codename: "bookworm", date: date() }
}

fn written(index: &str) -> Result<Vec<RepositoryFile>> {
    let packages = parse_index(index.as_bytes()).unwrap().usable;
    let digest = |package: &Package<'_>| package.archive.unwrap().sha256.unwrap();
    let offered: Vec<Offered<'_>> =
        packages.iter().map(|package| Offered { package, digest: digest(package) }).collect();
    write(&offered, &description(), &key())
}

fn bytes(files: &[RepositoryFile], path: &str) -> Vec<u8> {
    let file = files.iter().find(|file| file.path == path).unwrap();
    match &file.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Blob(..) => panic!("{path} is a blob"),
    }
}

#[test]
fn stanzas_are_upstream_s_but_for_the_filename() {
    let packages = String::from_utf8(bytes(&written(UPSTREAM).unwrap(), "Packages")).unwrap();
    let expected = UPSTREAM
        .replace("FileName: pool/z/zlib.deb", "Filename: pool/zlib1g_1%3a1.2-1_amd64.deb")
        .replace("pool/a.deb", "pool/a_1_all.deb");
    assert_eq!(packages, expected + "\n");
}

#[test]
fn what_was_written_is_read_again() {
    let files = written(UPSTREAM).unwrap();
    let keyring = Keyring::parse(&key().keyring().unwrap(), "keyring.gpg").unwrap();
    let signed =
        SignedRelease::verify_inline(&bytes(&files, "InRelease"), "InRelease", &keyring, date()).unwrap();
    let text = bytes(&files, "Release");
    let detached =
        SignedRelease::verify_detached(text, &bytes(&files, "Release.gpg"), "Release", &keyring, date())
            .unwrap();
    assert_eq!(signed.signer(), detached.signer());
    let release = signed.release().unwrap();
    assert_eq!((release.codename, release.architectures.as_slice()), ("bookworm", &["all", "amd64"][..]));
    assert_eq!((release.date, release.valid_until), (Some(date()), None));
    let index = &index_files(&release, None, "amd64").unwrap()[0];
    assert_eq!(index.path, "Packages.xz");
    assert!(release.file("Packages").is_some(), "apt needs the uncompressed name");
    let text = index.decode(&bytes(&files, "Packages.xz")[..]).unwrap();
    let packages = parse_index(&text).unwrap().usable;
    let blobs: Vec<(&str, Content)> = packages
        .iter()
        .map(|package| package.archive.unwrap())
        .map(|archive| (archive.filename, Content::Blob(archive.sha256.unwrap(), archive.size)))
        .collect();
    let listed: Vec<(&str, Content)> =
        files[..2].iter().map(|file| (file.path.as_str(), file.content.clone())).collect();
    assert_eq!(blobs, listed);
}

#[test]
fn the_bytes_depend_on_the_input_alone() {
    assert_eq!(written(UPSTREAM).unwrap(), written(UPSTREAM).unwrap());
    let inline = Digest::of(&bytes(&written(UPSTREAM).unwrap(), "InRelease"));
    // If this changes, bundles that were built before can no longer be built again.
    assert_eq!(inline.hex(), SIGNED);
}

#[test]
fn in_release_is_published_last() {
    assert_eq!(written(UPSTREAM).unwrap().last().unwrap().path, "InRelease");
    assert_eq!(written("").unwrap().len(), 5, "an empty repository has its metadata");
}

#[test]
fn the_same_package_twice_is_written_once_and_another_one_refused() {
    let stanza = UPSTREAM.split("\n\n").next().unwrap();
    let twice = written(&format!("{stanza}\n\n{stanza}\n")).unwrap();
    assert_eq!(twice, written(&format!("{stanza}\n")).unwrap());
    let other = stanza.replace("ba7816", "ba7817");
    let error = written(&format!("{stanza}\n\n{other}\n")).unwrap_err();
    assert_eq!(error.code(), codes::DEBIAN_REPOSITORY);
    assert!(error.message().contains("zlib1g 1:1.2-1 (amd64)"));
}

#[test]
fn a_description_cannot_smuggle_fields() {
    let packages = parse_index(UPSTREAM.as_bytes()).unwrap().usable;
    let offered = [Offered { package: &packages[1], digest: Digest::of(b"") }];
    let hostile = Description { origin: "a\nValid-Until: never", ..description() };
    let files = write(&offered, &hostile, &key()).unwrap();
    let release = String::from_utf8(bytes(&files, "Release")).unwrap();
    assert!(release.starts_with("Origin: a Valid-Until: never\n"), "{release}");
    let wrong = [Offered { package: &packages[1], digest: Digest::of(b"other") }];
    assert_eq!(write(&wrong, &description(), &key()).unwrap_err().code(), codes::DEBIAN_REPOSITORY);
}
