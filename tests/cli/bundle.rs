//! `airlock bundle` on bundles that exist.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use super::fixture::Contents;
use super::support::{AIRLOCK, Home};

/// A home with a key that it trusts.
pub fn home_with_key() -> (Home, PathBuf) {
    let home = Home::new();
    let made = home.airlock(["key", "generate", "--no-passphrase", "--comment", "release@lab"]);
    assert_eq!(made.exit, Some(0), "{made}");
    let key = home.path(".config/airlock/signing-key");
    (home, key)
}

/// The same with a signed bundle in `stick`.
fn home_with_bundle() -> Home {
    let (home, key) = home_with_key();
    Contents::default().write(&home.path("stick"), Some(&key), None);
    home
}

#[test]
fn verify_shows_its_evidence() {
    let home = home_with_bundle();
    insta::assert_snapshot!(home.airlock(["bundle", "verify", "stick", "--quiet"]), @r"
    exit 0
    --- stdout
    edge 1.0 is as it was signed (serial 3 of channel stable)
    signed by   release@lab SHA256:[FINGERPRINT]
    signatures  1 of 1 required
    verified    4 blobs, 293 KiB in 1 volume
    manifest    sha256:3219d2b6ffd96e90a551d09612c04e2fe96b6ec24794efbb333f1b7171f23d9b
    --- stderr
    ");
    let json = home.airlock(["bundle", "verify", "stick", "--json", "--progress=none"]);
    let result: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&result["intact"], &result["bytes"]), (&true.into(), &300_037.into()));
    assert_eq!(result["signers"][0]["name"], "release@lab");
    assert_eq!(json.stderr, "");
}

#[test]
fn progress_is_lines_or_json_on_standard_error() {
    let home = home_with_bundle();
    let lines = home.airlock(["bundle", "verify", "stick"]).stderr;
    assert!(lines.starts_with("Verifying 293 KiB\nChecked 293 KiB in "), "{lines}");
    let json = home.airlock(["bundle", "verify", "stick", "--json"]).stderr;
    let events: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "started");
    assert_eq!(events.last().unwrap()["event"], "finished");
    let done =
        events.iter().filter_map(|event| event["bytes"].as_u64().filter(|_| event["event"] == "advanced"));
    assert_eq!(done.sum::<u64>(), 300_037);
}

#[test]
fn damage_is_listed_and_named() {
    let home = home_with_bundle();
    let volume = fs_err::OpenOptions::new().write(true).open(home.path("stick/edge-1.0.tar")).unwrap();
    let length = volume.metadata().unwrap().len();
    volume.file().write_all_at(b"!", length - 2000).unwrap();
    let outcome = home.airlock(["bundle", "verify", "stick", "-q"]);
    insta::assert_snapshot!(outcome, @r"
    exit 4
    --- stdout
    --- stderr
    error[E0413]: the bundle is damaged in one place
    note: edge-1.0.tar at byte 11264: blob sha256:08f166476de183f7a1b2874d544d37912aaf8d19b92013e1aafe233ba231024a of 300000 bytes has the digest sha256:a3014f2ffb2851adaa41e0f151b7b8df40c5745c4433c630c027948bce40cc74; needed by /srv/data
    help: copy the named volumes again from where the bundle was built, then check again
    ");
    let json = home.airlock(["bundle", "verify", "stick", "--json", "-q"]);
    let result: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&result["intact"], &result["damage"][0]["artifacts"][0]),
        (&false.into(), &"/srv/data".into())
    );
    assert_eq!((json.exit, json.stderr.lines().count()), (Some(4), 1), "{json}");
}

#[test]
fn an_unknown_signer_is_refused_with_the_line_that_would_trust_it() {
    let home = home_with_bundle();
    fs_err::remove_file(home.path(".config/airlock/allowed_signers")).unwrap();
    insta::assert_snapshot!(home.airlock(["bundle", "verify", "stick", "-q"]), @r#"
    exit 5
    --- stdout
    --- stderr
    error[E0502]: the bundle is signed by the key SHA256:[FINGERPRINT], which is not trusted here
    note: there is no list of allowed signers: neither /etc/airlock/allowed_signers nor one of your own
    help: compare the fingerprint with its owner, not with the medium; to trust the key, add this line to the file of allowed signers:
          NAME namespaces="airlock.*" ssh-ed25519 [KEY]
    "#);
    fs_err::write(home.path("signers"), "").unwrap();
    let named = home.airlock(["bundle", "verify", "stick", "-q", "--allowed-signers", "signers"]);
    assert!(named.stderr.contains("the allowed signers are those of signers"), "{named}");
    assert_eq!(named.exit, Some(5));
}

#[test]
fn an_unsigned_bundle_needs_permission_and_stays_loud() {
    let (home, _) = home_with_key();
    Contents::default().write(&home.path("stick"), None, None);
    assert_eq!(home.airlock(["bundle", "verify", "stick"]).exit, Some(5));
    let allowed = home.airlock(["bundle", "verify", "stick", "--allow-unsigned", "--progress=none"]);
    insta::assert_snapshot!(allowed, @r"
    exit 0
    --- stdout
    edge 1.0 is whole, but NOT SIGNED (serial 3 of channel stable)
    verified    4 blobs, 293 KiB in 1 volume
    manifest    sha256:3219d2b6ffd96e90a551d09612c04e2fe96b6ec24794efbb333f1b7171f23d9b
    --- stderr
    warning: the bundle is not signed: nobody vouches for what is in it
    ");
    let digest = allowed.stdout.split_once("sha256:").unwrap().1.trim();
    for (named, exit) in [(digest, 0), ("0".repeat(64).as_str(), 5)] {
        let option = format!("--allow-unsigned=sha256:{named}");
        assert_eq!(home.airlock(["bundle", "verify", "stick", &option]).exit, Some(exit), "{named}");
    }
    assert_eq!(home.airlock(["bundle", "verify", "stick", "--allow-unsigned=yes"]).exit, Some(2));
}

#[test]
fn a_second_person_signs_without_touching_the_volume() {
    let (home, key) = home_with_key();
    Contents::default().write(&home.path("stick"), Some(&key), None);
    let before = fs_err::read(home.path("stick/edge-1.0.tar")).unwrap();
    assert_eq!(
        home.airlock(["key", "generate", "--no-passphrase", "-o", "second", "--comment", "ada"]).exit,
        Some(0)
    );
    let two = ["bundle", "verify", "stick", "--signatures", "2", "-q"];
    assert_eq!(home.airlock(two).exit, Some(5));
    let signed = home.airlock(["bundle", "sign", "stick", "--key", "second"]);
    assert!(signed.stdout.starts_with("signed edge 1.0 with SHA256:"), "{signed}");
    let verified = home.airlock(two);
    assert!(verified.stdout.contains("signatures  2 of 2 required"), "{verified}");
    let again = home.airlock(["bundle", "sign", "stick", "--key", "second"]);
    assert!(again.exit == Some(0) && again.stdout.contains("already"), "{again}");
    assert_eq!(fs_err::read(home.path("stick/edge-1.0.tar")).unwrap(), before);
}

#[test]
fn an_unsigned_bundle_is_signed_later_also_with_a_passphrase() {
    let home = Home::new();
    fs_err::write(home.path("passphrase"), "correct horse\n").unwrap();
    let generate = ["key", "generate", "--passphrase-file", "passphrase"];
    assert_eq!(home.airlock(generate).exit, Some(0));
    Contents::default().write(&home.path("stick"), None, None);
    let volume = "stick/edge-1.0.tar";
    let signed = home.airlock(["bundle", "sign", volume, "--passphrase-file", "passphrase"]);
    assert_eq!(signed.exit, Some(0), "{signed}");
    assert_eq!(home.airlock(["bundle", "verify", volume]).exit, Some(0));
    fs_err::write(home.path("passphrase"), "wrong\n").unwrap();
    let wrong = home.airlock(["bundle", "sign", volume, "--passphrase-file", "passphrase"]);
    assert_eq!(wrong.exit, Some(7), "{wrong}");
}

#[test]
fn inspect_shows_a_tree() {
    let home = home_with_bundle();
    insta::assert_snapshot!(home.airlock(["bundle", "inspect", "stick"]), @r"
    exit 0
    --- stdout
    edge 1.0
    ├─ images
    │  └─ docker.io/library/busybox:1.36  19 B
    │     ├─ linux/amd64
    │     └─ from docker.io/library/busybox:1.36 (digest)
    ├─ k3s
    │  └─ k3s:linux/amd64                 10 B
    │     ├─ v1.36.3+k3s1
    │     └─ from https://github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s (sha256sum-amd64.txt)
    └─ files
       ├─ /etc/motd                       8 B
       │  └─ from files/example (local file)
       └─ /srv/data                       293 KiB
          └─ from files/example (local file)

    serial     3 of channel stable
    created    2026-01-01T00:00:00Z
    platforms  linux/amd64
    hosts      debian-12
    content    4 blobs, 293 KiB in 1 volume
    manifest   sha256:3219d2b6ffd96e90a551d09612c04e2fe96b6ec24794efbb333f1b7171f23d9b
    signed by  release@lab SHA256:[FINGERPRINT]
    --- stderr
    ");
    let json = home.airlock(["bundle", "inspect", "stick/edge-1.0.tar", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(result["artifacts"][1]["name"], "docker.io/library/busybox:1.36");
}

#[test]
fn diff_shows_what_changes() {
    let (home, key) = home_with_key();
    Contents::default().write(&home.path("old"), Some(&key), None);
    let files = vec![("/etc/issue", b"hello\n".to_vec()), ("/srv/data", vec![8; 300_000])];
    Contents { version: "1.1", serial: 4, files }.write(&home.path("new"), Some(&key), None);
    insta::assert_snapshot!(home.airlock(["bundle", "diff", "old", "new"]), @r"
    exit 0
    --- stdout
    from  edge 1.0 (serial 3)
    to    edge 1.1 (serial 4)

    + file      /etc/issue
    - file      /etc/motd
    ~ file      /srv/data
    = 2 artifacts unchanged

    bytes  293 KiB new, 29 B in both, 293 KiB gone
    --- stderr
    ");
    let older = home.airlock(["bundle", "verify", "old", "--minimum-serial", "4"]);
    assert_eq!(older.exit, Some(6), "{older}");
}

#[test]
fn extract_gives_files_with_their_modes_and_layouts() {
    let home = home_with_bundle();
    let extract = |rest: &[&str]| home.airlock([&["bundle", "extract", "stick", "-q"], rest].concat());
    let file = extract(&["--file", "/etc/motd", "--output", "motd"]);
    assert_eq!((file.exit, file.stdout.as_str()), (Some(0), "motd\n"), "{file}");
    assert_eq!(fs_err::read(home.path("motd")).unwrap(), b"welcome\n");
    assert_eq!(fs_err::metadata(home.path("motd")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(extract(&["--k3s", "--output", "k3s"]).exit, Some(0));
    assert_eq!(extract(&["--k3s", "linux/amd64", "--output", "k3s"]).exit, Some(7), "it is there already");
    assert_eq!(extract(&["--k3s", "linux/amd64", "--output", "k3s", "--force"]).exit, Some(0));
    assert_eq!(extract(&["--k3s", "linux/arm64", "--output", "arm"]).exit, Some(2));
    assert_eq!(extract(&["--image", "busybox:1.36", "--output", "image"]).exit, Some(0));
    assert!(home.path("image/index.json").exists());
    assert_eq!(extract(&["--all", "--output", "everything"]).exit, Some(0));
    assert!(home.path("everything/oci-layout").exists());
    insta::assert_snapshot!(extract(&["--file", "/etc/mot", "--output", "x"]), @r"
    exit 2
    --- stdout
    --- stderr
    error[E0416]: the bundle has no artifact `/etc/mot`
    help: did you mean `/etc/motd`?
    ");
}

#[test]
fn a_missing_volume_is_named_and_volumes_may_lie_apart() {
    let (home, key) = home_with_key();
    Contents::default().write(&home.path("a"), Some(&key), Some(256 * 1024));
    fs_err::create_dir(home.path("b")).unwrap();
    fs_err::rename(home.path("a/edge-1.0.2-of-2.tar"), home.path("b/edge-1.0.2-of-2.tar")).unwrap();
    insta::assert_snapshot!(home.airlock(["bundle", "verify", "a"]), @r"
    exit 4
    --- stdout
    --- stderr
    error[E0408]: volume 2 of 2 is missing: edge-1.0.2-of-2.tar
    help: put all volumes into one directory, or name them all; copy the bundle again from where it was built
    ");
    let both = ["bundle", "verify", "b/edge-1.0.2-of-2.tar", "a/edge-1.0.1-of-2.tar", "-q"];
    assert!(home.airlock(both).stdout.contains("in 2 volumes"), "{}", home.airlock(both));
    let directories = ["bundle", "verify", "b", "a", "-q"];
    assert!(home.airlock(directories).stdout.contains("in 2 volumes"), "{}", home.airlock(directories));
}

#[test]
fn numbers_outside_their_range_are_told_the_range() {
    let home = Home::new();
    for value in ["0", "-1", "1e9", "17", "", "two"] {
        let outcome = home.airlock(["bundle", "verify", "x", "--signatures", value]);
        assert_eq!(outcome.exit, Some(2), "{outcome}");
        assert!(outcome.stderr.contains("a whole number from 1 to 16"), "{outcome}");
    }
    for (arguments, names) in [
        (
            &["bundle", "verify", "x", "--allow-unsigned", "--signatures", "2"][..],
            ["--allow-unsigned", "--signatures"],
        ),
        (&["bundle", "extract", "x", "--all", "--k3s", "-o", "y"], ["--all", "--k3s"]),
        (&["bundle", "extract", "x", "-o", "y"], ["--image", "--all"]),
    ] {
        let outcome = home.airlock(arguments);
        assert_eq!(outcome.exit, Some(2), "{outcome}");
        assert!(names.iter().all(|name| outcome.stderr.contains(name)), "{outcome}");
    }
}

#[test]
fn reading_a_bundle_works_with_few_file_handles_and_a_closed_pipe() {
    let home = home_with_bundle();
    for shell in [
        "ulimit -n 16; exec \"$0\" bundle verify stick",
        "set -o pipefail; \"$0\" bundle inspect stick | true",
        "\"$0\" bundle inspect stick >&- 2>&-",
    ] {
        let output = home.command("bash").args(["-c", shell, AIRLOCK]).output().unwrap();
        let outcome = home.outcome(&output);
        assert_eq!(outcome.exit, Some(0), "{shell}: {outcome}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    }
}
