//! What decides changes the digest, what does not leaves it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::fetch::{Client, Settings};
use crate::oci::platform::Platform;
use crate::progress::Silent;
use crate::source::apt::Machine;
use crate::source::gather::{Gatherer, Limits};
use crate::spec::apt::Wish;
use crate::spec::nvidia::ContainerToolkit;
use crate::store::cache::Cache;

fn target() -> Target {
    Target {
        name: "gpu".to_owned(),
        host: "debian-12".to_owned(),
        platform: Platform::LinuxAmd64,
        baseline: Baseline::Status(PathBuf::from("status")),
        archive: Archive::default(),
        repositories: vec![Repository {
            uri: "https://example.com".to_owned(),
            suites: vec!["./".to_owned()],
            components: Vec::new(),
            signed_by: SignedBy::File { path: PathBuf::from("key.asc"), fingerprints: Vec::new() },
            only: Vec::new(),
            allow_expired: false,
            line: 7,
        }],
        packages: vec![Wish { text: "a".to_owned(), line: 8 }],
        recommends: false,
        pins: Vec::new(),
        holds: BTreeSet::new(),
        line: 5,
    }
}

/// The digests of targets in a directory with a status file and a key.
fn digests(changed: impl Fn(&std::path::Path) -> Vec<(Target, Option<Nvidia>)>) -> Vec<Digest> {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("status"), "one").unwrap();
    fs_err::write(directory.path().join("key.asc"), "key").unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let client = Client::new(Settings::default());
    let gatherer = Gatherer::new(client, cache, Limits::default(), std::sync::Arc::new(Silent));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let (machine, directory) = (Machine::default(), directory.path());
    let bench =
        Bench { gatherer: &gatherer, machine: &machine, directory, now, date: now, progress: &Silent };
    let targets = changed(directory);
    targets.iter().map(|(target, nvidia)| digest(&bench, target, nvidia.as_ref()).unwrap()).collect()
}

fn nvidia() -> Nvidia {
    Nvidia {
        targets: vec!["gpu".to_owned()],
        driver: None,
        fabric_manager: false,
        container_toolkit: Some(ContainerToolkit { version: None, line: 3 }),
        device_plugin: None,
        line: 2,
    }
}

#[test]
fn everything_that_decides_changes_the_digest() {
    let changes: [fn(&mut Target); 12] = [
        |target| target.host = "debian-13".to_owned(),
        |target| target.platform = Platform::LinuxArm64,
        |target| target.baseline = Baseline::Essential,
        |target| target.archive.uri = Some("https://example.com/debian".to_owned()),
        |target| target.archive.components.push("contrib".to_owned()),
        |target| target.archive.signed_by = Some(SignedBy::Armored("key".to_owned())),
        |target| target.repositories[0].only.push("a*".to_owned()),
        |target| target.repositories.clear(),
        |target| target.packages[0].text = "b".to_owned(),
        |target| target.recommends = true,
        |target| target.holds.extend(["a".to_owned()]),
        |target| {
            let packages = vec!["a".to_owned()];
            target.pins.push(Pin { packages, target: PinTarget::Site("s".to_owned()), priority: 1 });
        },
    ];
    let all = digests(|_| {
        let mut all = vec![(target(), None), (target(), Some(nvidia()))];
        all.extend(changes.iter().map(|change| {
            let mut target = target();
            change(&mut target);
            (target, None)
        }));
        all
    });
    let different: BTreeSet<String> = all.iter().map(Digest::to_string).collect();
    assert_eq!(different.len(), changes.len() + 2);
}

#[test]
fn lines_and_names_do_not_count_but_the_bytes_of_files_do() {
    let same = digests(|_| {
        let mut moved = Target { name: "other".to_owned(), line: 50, ..target() };
        (moved.packages[0].line, moved.repositories[0].line) = (51, 52);
        vec![(target(), Some(nvidia())), (moved, Some(Nvidia { line: 9, ..nvidia() }))]
    });
    assert_eq!(same[0], same[1]);
    for file in ["status", "key.asc"] {
        let changed = digests(|directory| {
            fs_err::write(directory.join(file), "other").unwrap();
            vec![(target(), Some(nvidia()))]
        });
        assert_ne!(changed[0], same[0], "{file}");
    }
}
