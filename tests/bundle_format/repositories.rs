//! The packages of a target come out as a tree that the real apt takes as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use airlock::bundle::diff::diff;
use airlock::bundle::extract::{Existing, artifact, source_line};
use airlock::bundle::manifest::apt::METADATA;
use airlock::bundle::manifest::{Artifact, Manifest};
use airlock::bundle::{Bundle, Verified, inspect};
use airlock::error::Result;
use airlock::oci::digest::Digest;
use airlock::progress::Silent;

use crate::packages;
use crate::stock_tools::{has, run};
use crate::support::*;

/// Takes the first target out of the bundle.
fn extract(bundle: &Bundle<Verified>, target: &Path) -> Result<()> {
    artifact(bundle, bundle.manifest().find("debian-12")?, target, Existing::Keep, &Silent)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn the_tree_is_whole_and_everybody_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Contents::with_packages().signed(None).verify().unwrap();
    let target = directory.path().join("debian-12");
    // What an interrupted run for another bundle has left is not mixed with ours.
    let left = directory.path().join(".debian-12.airlock-partial");
    fs_err::create_dir(&left).unwrap();
    fs_err::write(left.join("stranger.deb"), b"").unwrap();
    extract(&bundle, &target).unwrap();
    let Artifact::Apt(apt) = bundle.manifest().find("debian-12").unwrap() else { panic!("a repository") };
    let packages = apt.packages.iter().map(|package| (&package.path, package.blob.digest));
    let all = packages.chain(apt.files.iter().map(|file| (&file.path, file.blob.digest)));
    let all: Vec<_> = all.collect();
    for (path, digest) in &all {
        let bytes = fs_err::read(target.join(path)).unwrap();
        assert_eq!(Digest::of(&bytes), *digest, "{path}");
    }
    assert_eq!(files(&target).len(), all.len());
    for path in ["", "pool", "InRelease", "airlock.asc"] {
        let mode = fs_err::metadata(target.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444, "{path} has mode {mode:o}");
    }
    expect_error(extract(&bundle, &target), 7, "exists already");
    assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1, "no temporary directory is left");
}

#[test]
fn a_damaged_package_leaves_no_tree() {
    let directory = tempfile::tempdir().unwrap();
    let mut whole = Contents::with_packages().signed(None);
    let offset = whole.verify().unwrap().arrangement().extents(1)[0].offset;
    whole.first()[offset as usize] ^= 1;
    let bundle = whole.verify().unwrap();
    expect_error(extract(&bundle, &directory.path().join("debian-12")), 4, "is damaged");
    assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_two_targets_share_is_carried_once() {
    let manifest = Contents::with_packages().manifest;
    let summary = inspect::summarize(&manifest);
    let (first, second) = (&summary.artifacts[0], &summary.artifacts[1]);
    let shared = |path: &str| {
        let apt = first.apt.as_ref().unwrap();
        apt.packages.iter().find(|package| package.path == path).unwrap().blob.size
    };
    let package = shared("pool/airlock-probe-data_3%3a1.0_all.deb");
    // The key is the same in tests alone.
    let Artifact::Apt(apt) = &manifest.artifacts[0] else { panic!("a repository") };
    let key = apt.files[0].blob.size;
    assert_eq!([first, second].map(|target| target.bytes - target.own_bytes), [package + key; 2]);
    assert_eq!(summary.shared_bytes, package + 2 * key);
}

#[test]
fn a_difference_names_the_packages_that_moved() {
    let old = Contents::with_packages().manifest;
    let with = |version: &str| -> Manifest {
        let mut wanted = packages::PROBES;
        wanted[0].1 = version;
        let (apt, blobs) = packages::repository("debian-12", &[wanted[0]]);
        manifest(vec![Artifact::Apt(apt)], &blobs)
    };
    let diff = diff(&old, &with("1:2.1-1"));
    let lines: Vec<String> = diff.changed[0].packages.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["~ airlock-probe 1:2.0-1 -> 1:2.1-1", "- airlock-probe-data 3:1.0"]);
    let removed: Vec<_> = diff.removed.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(removed, ["apt:debian-12-gpu", "apt:debian-12-run", INSTALLER]);
}

/// apt with nothing of this machine but its program, and the printed line as its only source.
const APT: &str = r#"
mkdir -p state/lists/partial cache/archives/partial etc
: > status
apt() {
  LC_ALL=C apt-get -o Dir::State="$PWD/state" -o Dir::State::status="$PWD/status" -o Dir::Cache="$PWD/cache" \
    -o Dir::Etc="$PWD/etc" -o Dir::Etc::sourcelist="$PWD/etc/sources.list" -o Dir::Etc::sourceparts=- \
    -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o APT::Architecture=amd64 \
    -o APT::Architectures=amd64 -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}
apt update
apt install --simulate airlock-probe=1:2.0-1 | grep ^Inst
apt download airlock-probe
apt install --download-only --yes airlock-probe
dpkg-deb --field airlock-probe_*.deb Package Version
dpkg-deb --contents airlock-probe_*.deb | grep -o '/usr/share/.*'
"#;

#[test]
fn apt_takes_the_tree_by_the_line_we_print() {
    if !has("apt-get") || !has("dpkg-deb") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bundle = Contents::with_packages().signed(None).verify().unwrap();
    let target = directory.path().join("debian-12");
    extract(&bundle, &target).unwrap();
    fs_err::create_dir(directory.path().join("etc")).unwrap();
    let line = source_line(&target).unwrap();
    fs_err::write(directory.path().join("etc/sources.list"), format!("{line}\n")).unwrap();
    let said = run(directory.path(), APT);
    for expected in [
        "Inst airlock-probe-data (3:1.0 Airlock:airlock [all])",
        "Inst airlock-probe (1:2.0-1 Airlock:airlock [amd64])",
        "Package: airlock-probe\nVersion: 1:2.0-1\n",
        "/usr/share/airlock-probe\n",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in:\n{said}");
    }
}

#[test]
fn gpgv_accepts_the_metadata() {
    if !has("gpgv") || !has("gpg") || !has("sha256sum") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bundle = Contents::with_packages().signed(None).verify().unwrap();
    extract(&bundle, &directory.path().join("debian-12")).unwrap();
    // The commands of bundle-spec/v1.md.
    let commands = r"
export GNUPGHOME=..
gpg --dearmor < airlock.asc > ../airlock.gpg
gpgv --keyring ../airlock.gpg InRelease
sed -n 's/^ \([0-9a-f]\{64\}\) *[0-9]* \(Packages.*\)/\1  \2/p' InRelease | sha256sum --check --strict
";
    let said = run(&directory.path().join("debian-12"), commands);
    assert_eq!(said, "Packages: OK\nPackages.xz: OK\n");
    assert_eq!(METADATA.last(), Some(&"InRelease"));
}
