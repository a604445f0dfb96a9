//! Every rule of an apt repository, broken one at a time.

use proptest::prelude::*;

use super::*;
use crate::bundle::manifest::apt::example::{blob, gpu_repository, manifest, package};
use crate::bundle::manifest::apt::{Driver, Kernel, Purpose};
use crate::bundle::manifest::{Artifact, Blob, File};

/// One change that breaks a rule.
type Break = fn(&mut Apt);

/// What is wrong with the bundle after one change to its repository.
fn fault(change: Break) -> String {
    let mut apt = gpu_repository();
    change(&mut apt);
    let manifest = manifest(vec![Artifact::Apt(apt)]);
    manifest.validate().expect_err("the change breaks no rule").message().to_owned()
}

#[track_caller]
fn check_all(cases: &[(Break, &str)]) {
    for (change, expected) in cases {
        let message = fault(*change);
        assert!(message.contains(expected), "`{expected}` not in: {message}");
        assert!(!message.contains(char::is_control), "{message}");
    }
}

fn gpu_driver(apt: &mut Apt) -> &mut Driver {
    apt.nvidia.as_mut().unwrap().driver.as_mut().unwrap()
}

#[test]
fn a_whole_repository_keeps_the_rules_and_reads_back() {
    let manifest = manifest(vec![Artifact::Apt(gpu_repository())]);
    assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
}

#[test]
fn the_target_and_its_packages() {
    check_all(&[
        (|apt| apt.name = "../gpu".to_owned(), "the name cannot be part of a path"),
        (|apt| apt.host = "ubuntu-24.04".to_owned(), "the bundle is not for the host `ubuntu-24.04`"),
        (|apt| apt.platform = "linux/arm64".parse().unwrap(), "which is not carried"),
        (|apt| apt.baseline.clear(), "`baseline` is ``"),
        (|apt| apt.baseline = "status a\u{1b}[31m".to_owned(), r"`baseline` is `status a\u{1b}[31m`"),
        (|apt| apt.packages[0].name = "Keepalived".to_owned(), "this is no name of a package"),
        (|apt| apt.packages[0].name = "k".to_owned(), "this is no name of a package"),
        (|apt| apt.packages[0].name = "-rf".to_owned(), "this is no name of a package"),
        (|apt| apt.packages[0].version = "1:".to_owned(), "version `1:`"),
        (|apt| apt.packages[0].version = "1 2".to_owned(), "version `1 2`"),
        (|apt| apt.packages[0].version = "1".repeat(129), "version `1"),
        (|apt| apt.packages[0].architecture = "AMD64".to_owned(), "architecture `AMD64`"),
        (|apt| apt.packages[0].wanted_by = "a\nb".to_owned(), "`wantedBy` has control characters"),
        (|apt| apt.packages[0].wanted_by = "a".repeat(4097), "`wantedBy` has control characters"),
        (|apt| apt.packages[0].origin = "a\nb".to_owned(), "the origin has control characters"),
        (|apt| apt.packages.swap(0, 1), "not in the order of names"),
        (|apt| apt.packages.insert(1, apt.packages[0].clone()), "`packages` repeats an entry"),
    ]);
}

#[test]
fn the_tree_and_its_blobs() {
    check_all(&[
        (|apt| apt.packages[0].path = "/pool/a.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool/../../a.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool/./a.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool//a.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool/".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = String::new(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool/a b.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = r"pool\a.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "pool/ä.deb".to_owned(), "is not relative and plain"),
        (|apt| apt.packages[0].path = "a".repeat(256), "package `keepalived`: path `aaa"),
        (|apt| apt.packages[0].path = apt.packages[1].path.clone(), "the tree repeats an entry"),
        (|apt| apt.packages[0].path = "InRelease".to_owned(), "the tree repeats an entry"),
        (|apt| apt.packages[0].path = "pool".to_owned(), "`pool` is a file and a directory"),
        (|apt| apt.packages[0].path = "Packages/a.deb".to_owned(), "`Packages` is a file and a directory"),
        (|apt| apt.files.swap(2, 3), "`files` are not airlock.asc, Packages, Packages.xz, InRelease"),
        (|apt| drop(apt.files.remove(0)), "`files` are not airlock.asc"),
        (|apt| apt.files[3].blob = Blob { size: 8, ..apt.files[2].blob }, "has 8 bytes here and"),
        (|apt| apt.blobs.truncate(3), "`blobs` are not exactly those"),
        (|apt| apt.blobs.push(apt.blobs[0]), "`blobs` repeats an entry"),
        (|apt| apt.blobs.push(blob("stowaway").digest), "`blobs` are not exactly those"),
    ]);
}

#[test]
fn what_is_installed_by_name() {
    check_all(&[
        (|apt| apt.install[0].version = "1:2.2.8-1".to_owned(), "names keepalived 1:2.2.8-1, which is not"),
        (|apt| apt.install[0].package = "libgl1".to_owned(), "which is not carried"),
        (|apt| apt.install[0].package = "keepalived:amd64".to_owned(), "which is not carried"),
        (|apt| apt.install[1].package = "tzdata:all".to_owned(), "which is not carried"),
        (|apt| apt.install.push(apt.install[0].clone()), "`install` repeats an entry"),
        (two_versions, "names two versions of keepalived"),
    ]);
}

fn two_versions(apt: &mut Apt) {
    apt.packages.insert(1, package("keepalived", "1:2.2.8-1", "amd64"));
    apt.list_blobs();
    let second =
        Install { version: "1:2.2.8-1".to_owned(), purpose: Purpose::Driver, ..apt.install[0].clone() };
    apt.install.push(second);
}

#[test]
fn what_is_said_about_gpus() {
    check_all(&[
        (|apt| apt.nvidia = None, "do not name the same parts"),
        (|apt| apt.install.truncate(3), "do not name the same parts"),
        (|apt| drop(apt.install.remove(4)), "do not name the same parts"),
        (|apt| apt.nvidia.as_mut().unwrap().container_toolkit = None, "do not name the same parts"),
        (|apt| gpu_driver(apt).version = "580".to_owned(), "driver version `580`"),
        (|apt| gpu_driver(apt).version = "580.126.20-1".to_owned(), "driver version `580.126.20-1`"),
        (|apt| gpu_driver(apt).version = "580.95.05".to_owned(), "has not the version of the driver"),
        (|apt| gpu_driver(apt).kernels[0].release = "6.1 $(id)".to_owned(), "kernel `6.1 $(id)`"),
        (|apt| gpu_driver(apt).kernels[0].release = "6.12.0-1-amd64".to_owned(), "`kernels` repeats"),
        (|apt| gpu_driver(apt).run_file = Some("NVIDIA.run".to_owned()), "the path of the installer"),
        (|apt| gpu_driver(apt).run_file = Some("/opt/NVIDIA.run".to_owned()), "is no file of the bundle"),
        (|apt| apt.nvidia.as_mut().unwrap().container_toolkit = Some("a b".to_owned()), "container toolkit"),
    ]);
}

#[test]
fn an_installer_is_a_file_of_the_bundle() {
    let mut apt = gpu_repository();
    apt.install.remove(3);
    let driver = gpu_driver(&mut apt);
    driver.run_file = Some("/opt/NVIDIA.run".to_owned());
    driver.kernels = vec![Kernel { release: "6.1.0-41-amd64".to_owned(), prebuilt: false }];
    let file = File {
        path: "/opt/NVIDIA.run".to_owned(),
        mode: "0755".to_owned(),
        origin: "https://example.com/NVIDIA.run".to_owned(),
        authenticated_by: "sha256 in bundle.yaml".to_owned(),
        blob: blob("run"),
    };
    let with = |apt: &Apt| manifest(vec![Artifact::Apt(apt.clone()), Artifact::File(file.clone())]);
    assert!(with(&apt).validate().is_ok());
    gpu_driver(&mut apt).kernels[0].prebuilt = true;
    assert!(with(&apt).validate().unwrap_err().message().contains("built already"));
}

proptest! {
    #[test]
    fn no_changed_byte_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = manifest(vec![Artifact::Apt(gpu_repository())]).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Manifest::parse(&bytes);
    }
}
