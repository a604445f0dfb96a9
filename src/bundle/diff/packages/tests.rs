//! Lists of packages that differ.

use proptest::prelude::*;

use super::*;
use crate::bundle::manifest::apt::example::{blob, package};

fn lines(old: &[apt::Package], new: &[apt::Package]) -> Vec<String> {
    changes(old, new, Platform::LinuxAmd64).iter().map(ToString::to_string).collect()
}

#[test]
fn packages_come_go_and_move() {
    let old = [
        package("bash", "5.2-1", "amd64"),
        package("keepalived", "1:2.2.7-1", "amd64"),
        package("libgl1", "1.6.0-1", "amd64"),
        package("libgl1", "1.6.0-1", "i386"),
        package("nano", "7.2-1", "amd64"),
    ];
    let mut new = old.clone().to_vec();
    new.pop();
    new[1] = package("keepalived", "1:2.2.8-1", "amd64");
    new[3] = package("libgl1", "1.7.0-1", "i386");
    new.push(package("tzdata", "2026a-1", "all"));
    assert_eq!(
        lines(&old, &new),
        [
            "~ keepalived 1:2.2.7-1 -> 1:2.2.8-1",
            "~ libgl1:i386 1.6.0-1 -> 1.7.0-1",
            "- nano 7.2-1",
            "+ tzdata 2026a-1",
        ]
    );
    assert_eq!(lines(&old, &old), [""; 0]);
}

#[test]
fn one_of_several_versions_is_named() {
    let [first, second, third] = ["1", "2", "3"].map(|version| package("bash", version, "amd64"));
    assert_eq!(lines(std::slice::from_ref(&first), &[first.clone(), second.clone()]), ["+ bash 2"]);
    assert_eq!(lines(&[first.clone(), second.clone()], &[first.clone(), third.clone()]), ["~ bash 2 -> 3"]);
    assert_eq!(lines(&[first, second], &[third]), ["- bash 1", "- bash 2", "+ bash 3"]);
}

#[test]
fn the_same_version_of_other_bytes_is_told_by_its_digest() {
    let old = package("bash", "1", "amd64");
    let new = apt::Package { blob: blob("rebuilt"), ..old.clone() };
    let expected = format!("~ bash {} -> {}", old.blob.digest, new.blob.digest);
    assert_eq!(lines(&[old], &[new]), [expected]);
}

/// Takes the change back from `versions`, pairs of package and version.
fn undo(versions: &mut Vec<(String, String)>, change: PackageChange) {
    let (package, gone, new) = match change {
        PackageChange::Added { package, version } => (package, None, Some(version)),
        PackageChange::Removed { package, version } => (package, Some(version), None),
        PackageChange::Moved { package, from, to } => (package, Some(from), Some(to)),
    };
    if let Some(new) = new {
        let at = versions.iter().position(|known| *known == (package.clone(), new.clone())).unwrap();
        versions.remove(at);
    }
    versions.extend(gone.map(|gone| (package, gone)));
}

fn lists() -> impl Strategy<Value = Vec<apt::Package>> {
    let identity = ("[ab]x", "[1-3]", prop::sample::select(vec!["amd64", "i386"]));
    prop::collection::btree_set(identity, 0..8).prop_map(|packages| {
        packages.iter().map(|(name, version, architecture)| package(name, version, architecture)).collect()
    })
}

proptest! {
    #[test]
    fn changes_taken_back_give_the_old_list(old in lists(), new in lists()) {
        let versions = |list: &[apt::Package]| -> Vec<(String, String)> {
            let name = |package: &apt::Package| qualified(&package.name, &package.architecture, Platform::LinuxAmd64);
            list.iter().map(|package| (name(package), package.version.clone())).collect()
        };
        let mut left = versions(&new);
        for change in changes(&old, &new, Platform::LinuxAmd64) {
            undo(&mut left, change);
        }
        let mut expected = versions(&old);
        left.sort();
        expected.sort();
        prop_assert_eq!(left, expected);
    }
}
