//! Our verdicts on real signed files beside those of gpgv and sqv.

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::debian::openpgp::{Keyring, verify_clear_signed};
use jiff::Timestamp;

use crate::packages::repository;
use crate::{has, said};

/// Files in `directory` whose names end so.
pub fn files(directory: &str, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(suffix));
    paths.sort();
    paths
}

fn ours(message: &Path, keyring: &Path) -> Result<(), String> {
    let keyring =
        Keyring::parse(&fs_err::read(keyring).unwrap(), "keyring").map_err(|error| error.to_string())?;
    let message = fs_err::read(message).unwrap();
    verify_clear_signed(&message, "InRelease", &keyring, Timestamp::now())
        .map(|_| ())
        .map_err(|error| format!("{error}: {:?}", error.details()))
}

/// Whether gpgv found a good signature, as apt asks it: others beside it may be of keys it does not have.
fn gpgv(message: &Path, keyring: &Path) -> bool {
    let output = Command::new("gpgv")
        .args(["--status-fd", "1", "--keyring"])
        .args([keyring, message])
        .output()
        .unwrap();
    said(&output).lines().any(|line| line.starts_with("[GNUPG:] GOODSIG "))
}

/// The debian-archive keyrings, each with some keys of the archive, and with some without them.
fn keyrings() -> Vec<PathBuf> {
    files("/usr/share/keyrings", ".gpg")
        .into_iter()
        .filter(|path| !path.ends_with("removed-keys.gpg"))
        .collect()
}

#[test]
fn gpgv_agrees_on_every_list_of_this_machine_and_every_keyring() {
    let messages = files("/var/lib/apt/lists", "InRelease");
    if !has("gpgv") || messages.is_empty() || keyrings().is_empty() {
        eprintln!("SKIPPED: this machine has no lists of apt, or no keyrings");
        return;
    }
    let mut good = 0;
    for message in &messages {
        for keyring in keyrings() {
            let (ours, theirs) = (ours(message, &keyring), gpgv(message, &keyring));
            assert_eq!(ours.is_ok(), theirs, "{} by {}: {ours:?}", message.display(), keyring.display());
            good += usize::from(theirs);
        }
    }
    assert!(good > 0, "no keyring of this machine signed its lists");
}

#[test]
fn gpgv_and_sqv_agree_that_a_changed_list_is_bad() {
    let Some(message) = files("/var/lib/apt/lists", "InRelease").pop() else {
        eprintln!("SKIPPED: this machine has no lists of apt");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let changed = directory.path().join("InRelease");
    fs_err::write(&changed, fs_err::read_to_string(message).unwrap().replacen("Debian", "Nebian", 1))
        .unwrap();
    for keyring in keyrings() {
        assert!(ours(&changed, &keyring).is_err());
        assert!(!has("gpgv") || !gpgv(&changed, &keyring));
    }
}

#[test]
fn gpgv_and_sqv_accept_what_we_sign() {
    if !has("dpkg-deb") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(directory.path(), "2026-01-01T00:00:00Z");
    let [inline, text, detached] =
        ["InRelease", "Release", "Release.gpg"].map(|name| repository.path.join(name));
    ours(&inline, &repository.keyring).unwrap();
    if has("gpgv") {
        assert!(gpgv(&inline, &repository.keyring));
    }
    if has("sqv") {
        let output = Command::new("sqv")
            .arg("--keyring")
            .args([&repository.keyring, &detached, &text])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}
