//! The apt of every supported release installs from our repository, in a root of that release.
//!
//! `cargo test --test apt -- --ignored` runs these: making a root takes a minute and a mirror.

use std::path::Path;
use std::process::Command;

use crate::packages::repository;
use crate::roots::{root, run};
use crate::said;

/// What a node does, short of the installer: a private source, no look at the clock, nothing removed.
const INSTALL: &str = "set -e
apt=\"apt-get -o Dir::Etc::sourcelist=/airlock-probe/airlock.list -o Dir::Etc::sourceparts=- -o APT::Update::Error-Mode=any\"
apt-get --version | head -n 1
$apt -o Acquire::Languages=none update
DEBIAN_FRONTEND=noninteractive $apt --yes --no-remove install airlock-probe=1:2.0~rc1+b1-1
cat /usr/share/airlock-probe-data
$apt --yes install airlock-probe 2>&1
$apt --yes purge airlock-probe airlock-probe-data";

fn assert_installs(release: &str) {
    let Some(root) = root(release) else { return };
    let probe = root.join("airlock-probe");
    fs_err::create_dir_all(&probe).unwrap();
    for (suffix, options) in [("gpg", "check-date=no"), ("asc", "")] {
        offer(&probe, suffix, options);
        let output = run(&root, INSTALL);
        let text = said(&output);
        eprintln!("{release}: {}", text.lines().next().unwrap_or_default());
        assert!(output.status.success(), "{release}: {text}");
        assert!(!text.contains("W: "), "{release}: {text}");
        assert!(text.contains("0 upgraded, 0 newly installed"), "a second run installs again: {text}");
    }
}

/// Puts the repository and a source that names it into the root.
fn offer(probe: &Path, suffix: &str, options: &str) {
    repository(probe, "2026-01-01T00:00:00Z");
    let source = format!(
        "deb [signed-by=/airlock-probe/airlock.{suffix} {options}] file:/airlock-probe/repository ./\n"
    );
    fs_err::write(probe.join("airlock.list"), source).unwrap();
    let readable = Command::new("chmod").args(["-R", "a+rX"]).arg(probe).status().unwrap();
    assert!(readable.success());
}

#[test]
#[ignore = "makes a root of the release, which takes a minute and a mirror"]
fn debian_11_installs() {
    assert_installs("bullseye");
}

#[test]
#[ignore = "makes a root of the release, which takes a minute and a mirror"]
fn debian_12_installs() {
    assert_installs("bookworm");
}

#[test]
#[ignore = "makes a root of the release, which takes a minute and a mirror"]
fn debian_13_installs() {
    assert_installs("trixie");
}

#[test]
#[ignore = "makes a root of the release, which takes a minute and a mirror"]
fn debian_sid_installs() {
    assert_installs("sid");
}
