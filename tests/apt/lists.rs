//! The lists that apt fetched on this machine, read by us: nothing in a real archive may be beyond us.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use airlock::debian::package::{Package, Relationship, parse_index, parse_status};
use airlock::debian::version::Version;

use crate::verdicts::files;
use crate::{has, said};

const RELATIONSHIPS: [Relationship; 8] = [
    Relationship::PreDepends,
    Relationship::Depends,
    Relationship::Conflicts,
    Relationship::Breaks,
    Relationship::Recommends,
    Relationship::Suggests,
    Relationship::Replaces,
    Relationship::Enhances,
];

/// The text of a list, however apt compressed it.
fn text(path: &Path) -> Vec<u8> {
    let output = Command::new("/usr/lib/apt/apt-helper").arg("cat-file").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    output.stdout
}

fn lists() -> Vec<Vec<u8>> {
    let suffixes = ["_Packages", "_Packages.lz4", "_Packages.xz", "_Packages.gz"];
    let found = suffixes.iter().flat_map(|suffix| files("/var/lib/apt/lists", suffix));
    let lists: Vec<Vec<u8>> = found.map(|path| text(&path)).collect();
    if lists.is_empty() {
        eprintln!("SKIPPED: this machine has no lists of apt");
    }
    lists
}

fn understand(package: &Package<'_>) {
    for relationship in RELATIONSHIPS {
        if let Err(error) = package.relations(relationship) {
            panic!("{error}: {:?}", error.details());
        }
    }
    package.provides().unwrap();
}

#[test]
fn every_package_of_the_archive_is_understood() {
    for list in lists() {
        let packages = parse_index(&list).unwrap();
        assert!(packages.unusable.is_empty(), "{:?}", packages.unusable);
        packages.usable.iter().for_each(understand);
        let stanzas: usize = packages.usable.iter().map(|package| package.stanza.text().len()).sum();
        assert_eq!(stanzas + packages.usable.len().saturating_sub(1), list.trim_ascii_end().len() + 1);
    }
}

#[test]
fn every_installed_package_is_understood() {
    let Ok(status) = fs_err::read("/var/lib/dpkg/status") else {
        eprintln!("SKIPPED: this machine is not managed by dpkg");
        return;
    };
    let packages = parse_status(&status).unwrap();
    packages.iter().for_each(understand);
    if has("dpkg-query") {
        let output = Command::new("dpkg-query").args(["-f", "${db:Status-Abbrev}\n", "-W"]).output().unwrap();
        let on_disk = said(&output).lines().filter(|line| !matches!(line.as_bytes()[1], b'n' | b'c')).count();
        assert_eq!(packages.len(), on_disk);
    }
}

/// Neighbours in the order we make of all versions in the archive: where an order is wrong, neighbours are.
#[test]
fn dpkg_agrees_on_the_order_of_real_versions() {
    let lists = lists();
    if lists.is_empty() || !has("dpkg") {
        return;
    }
    let mut versions: Vec<Version<'_>> = Vec::new();
    let parsed: Vec<_> = lists.iter().map(|list| parse_index(list).unwrap()).collect();
    versions.extend(parsed.iter().flat_map(|packages| packages.usable.iter().map(|package| package.version)));
    versions.sort();
    versions.dedup_by_key(|version| version.as_str());
    for pair in versions.windows(2).step_by(versions.len() / 150 + 1) {
        let (left, right) = (pair[0].as_str(), pair[1].as_str());
        let relation = if pair[0] == pair[1] { "eq" } else { "lt" };
        let verdict =
            Command::new("dpkg").args(["--compare-versions", left, relation, right]).status().unwrap();
        assert!(verdict.success(), "{left} {relation} {right}");
    }
}

/// `cargo test --release --test apt -- --ignored --nocapture parsing` prints how long it takes.
#[test]
#[ignore = "a measurement, which other work on the machine spoils"]
fn parsing_the_whole_archive_is_quick() {
    let lists = lists();
    let started = Instant::now();
    let count: usize = lists.iter().map(|list| parse_index(list).unwrap().usable.len()).sum();
    let parsed = started.elapsed();
    eprintln!("{count} packages parsed in {} ms", parsed.as_millis());
    assert!(count < 60_000 || parsed.as_millis() < 400);
}
