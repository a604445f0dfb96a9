//! Makes small packages with dpkg-deb and a signed repository of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::debian::openpgp::SigningKey;
use airlock::debian::package::parse_index;
use airlock::debian::repository::{Content, Description, Offered, RepositoryFile, write};
use airlock::oci::digest::Digest;
use airlock::secret::Secret;
use jiff::Timestamp;

/// What the packages of every test are: one that needs another, with an epoch, a virtual name and a conflict.
pub const CONTROLS: [&str; 2] = [
    "Package: airlock-probe\nVersion: 1:2.0~rc1+b1-1\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.com>\n\
     Depends: airlock-probe-data (= 3:1.0), airlock-virtual (>= 1)\nDescription: asks for another package\n",
    "Package: airlock-probe-data\nVersion: 3:1.0\nArchitecture: all\nMulti-Arch: foreign\nMaintainer: Nobody <nobody@example.com>\n\
     Provides: airlock-virtual (= 1.5)\nDescription: is asked for\n with a long\n .\n description\n",
];

/// A repository on disk.
pub struct Repository {
    /// Its directory.
    pub path: PathBuf,
    /// The keyring to verify it with, in a file whose name ends in `.gpg`.
    pub keyring: PathBuf,
    /// The same in ASCII armor, in a file whose name ends in `.asc`.
    pub armored: PathBuf,
}

/// Makes the packages of [`CONTROLS`] and a repository of them, made on `date`, below `directory`.
pub fn repository(directory: &Path, date: &str) -> Repository {
    let mut index = String::new();
    let mut blobs = HashMap::new();
    for control in CONTROLS {
        let deb = build(directory, control);
        let (digest, size) = (Digest::of(&deb), deb.len());
        index += &format!("{control}Filename: upstream/x.deb\nSize: {size}\nSHA256: {}\n\n", digest.hex());
        blobs.insert(digest, deb);
    }
    let packages = parse_index(index.as_bytes()).unwrap().usable;
    let offered: Vec<Offered<'_>> = packages
        .iter()
        .map(|package| Offered { package, digest: package.archive.unwrap().sha256.unwrap() })
        .collect();
    let key = SigningKey::from_seed(&Secret::new([42; 32]), "Airlock test").unwrap();
    let date: Timestamp = date.parse().unwrap();
    let description =
        Description { origin: "Airlock", label: "Airlock", suite: "airlock", codename: "test", date };
    place(directory, &write(&offered, &description, &key).unwrap(), &blobs, &key)
}

/// Builds one package that consists of its control file and a document.
fn build(directory: &Path, control: &str) -> Vec<u8> {
    let tree = tempfile::tempdir_in(directory).unwrap();
    let name = control.lines().next().unwrap().strip_prefix("Package: ").unwrap();
    let document = tree.path().join("usr/share").join(name);
    fs_err::create_dir_all(tree.path().join("DEBIAN")).unwrap();
    fs_err::create_dir_all(document.parent().unwrap()).unwrap();
    fs_err::write(tree.path().join("DEBIAN/control"), control).unwrap();
    fs_err::write(document, name).unwrap();
    let deb = directory.join("built.deb");
    let built = Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zgzip", "--build"])
        .args([tree.path(), &deb])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", crate::said(&built));
    fs_err::read(deb).unwrap()
}

fn place(
    directory: &Path,
    files: &[RepositoryFile],
    blobs: &HashMap<Digest, Vec<u8>>,
    key: &SigningKey,
) -> Repository {
    let path = directory.join("repository");
    for file in files {
        let target = path.join(&file.path);
        fs_err::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes = match &file.content {
            Content::Bytes(bytes) => bytes,
            Content::Blob(digest, _) => &blobs[digest],
        };
        fs_err::write(target, bytes).unwrap();
    }
    let (keyring, armored) = (directory.join("airlock.gpg"), directory.join("airlock.asc"));
    fs_err::write(&keyring, key.keyring().unwrap()).unwrap();
    fs_err::write(&armored, key.armored_keyring().unwrap()).unwrap();
    Repository { path, keyring, armored }
}
