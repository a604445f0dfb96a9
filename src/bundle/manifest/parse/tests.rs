//! Every rule of a manifest, broken one at a time.

use super::*;
use crate::bundle::layout;
use crate::bundle::manifest::{Artifact, Blob, File};
use crate::oci::digest::Digest;
use proptest::prelude::*;

fn manifest() -> Manifest {
    let blob = Blob { digest: Digest::of(b"content"), size: 7 };
    let file = File {
        path: "/etc/motd".to_owned(),
        mode: "0644".to_owned(),
        origin: "files/motd".to_owned(),
        authenticated_by: "local file".to_owned(),
        blob,
    };
    let artifacts = vec![Artifact::File(file)];
    Manifest {
        format: FORMAT.to_owned(),
        requires: Vec::new(),
        name: "lab".to_owned(),
        version: "1.0".to_owned(),
        channel: "stable".to_owned(),
        serial: 7,
        created: "2026-01-01T00:00:00Z".to_owned(),
        platforms: vec!["linux/amd64".parse().unwrap()],
        hosts: vec!["debian-12".to_owned()],
        layout: layout::describe(&artifacts),
        artifacts,
        blobs: vec![blob],
    }
}

/// Parses the manifest after one textual change, and gives the exit status and whole message.
fn outcome(from: &str, to: &str) -> (u8, String) {
    let text = String::from_utf8(manifest().to_bytes()).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed, "`{from}` does not occur");
    let error = Manifest::parse(changed.as_bytes()).expect_err(&changed);
    let causes = error.causes().join(": ");
    (error.kind().exit_status(), format!("{}: {} {causes}", error.code(), error.message()))
}

#[test]
fn bytes_are_stable_and_parse_back() {
    let bytes = manifest().to_bytes();
    assert!(bytes.ends_with(b"}\n"));
    assert_eq!(Manifest::parse(&bytes).unwrap(), manifest());
    assert_eq!(Manifest::parse(&bytes).unwrap().to_bytes(), bytes);
}

#[test]
fn each_broken_rule_is_named() {
    let hex = Digest::of(b"content").hex();
    let index = manifest().layout.index.digest.hex();
    for (from, to, expected) in [
        ("manifest.v1", "manifest.v2", "needs a newer airlock: its format is `airlock.manifest.v2`"),
        ("airlock.manifest.v1", "other", "is of format `other`"),
        (r#""requires": []"#, r#""requires": ["zstd"]"#, "needs a newer airlock: it requires `zstd`"),
        (r#""lab""#, r#""Lab""#, "`name` is `Lab`"),
        (r#""lab""#, r#""../lab""#, "`name` is `../lab`"),
        (r#""lab""#, r#""""#, "`name` is ``"),
        (r#""1.0""#, r#""1.0-""#, "`version` is `1.0-`"),
        (r#""stable""#, r#""a b""#, "`channel` is `a b`"),
        (r#""debian-12""#, r#""debian\u001b[31m""#, r"`hosts` has `debian\u{1b}[31m`"),
        (r#""serial": 7"#, r#""serial": 18446744073709551615"#, "above 2^53 - 1"),
        (r#""serial": 7"#, r#""serial": -1"#, "invalid value: integer `-1`"),
        ("2026-01-01T00:00:00Z", "yesterday", "not a time in UTC"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+01:00", "not a time in UTC"),
        ("linux/amd64", "linux/riscv64", "platform `linux/riscv64` is not supported"),
        ("/etc/motd", "etc/motd", "the path is not absolute"),
        ("/etc/motd", "/etc/../motd", "the path is not absolute"),
        ("/etc/motd", "/etc//motd", "the path is not absolute"),
        ("/etc/motd", "/etc/motd/", "the path is not absolute"),
        ("/etc/motd", r"/etc/\u0000", "the path is not absolute"),
        ("0644", "4755", "mode `4755`"),
        ("0644", "0648", "mode `0648`"),
        ("files/motd", r"files\nmotd", "control characters"),
        (r#""size": 7"#, r#""size": 8"#, "has 8 bytes here and 7 in the bundle"),
        (&hex, &"0".repeat(64), "is not in the bundle"),
        (&index, &hex, "`layout` does not describe"),
        (r#""kind": "file""#, r#""kind": "symlink""#, "unknown variant `symlink`"),
        (r#""mode""#, r#""setuid": true, "mode""#, "unknown field `setuid`"),
        (r#""serial": 7"#, r#""serial": 7, "serial": 8"#, "duplicate field `serial`"),
        ("\n}\n", "\n} trailing", "trailing characters"),
    ] {
        let (status, message) = outcome(from, to);
        assert_eq!(status, 3, "{message}");
        assert!(message.contains(expected), "`{expected}` not in: {message}");
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}

#[test]
fn repeated_and_unused_blobs_are_refused() {
    let mut twice = manifest();
    twice.blobs.push(twice.blobs[0]);
    assert!(twice.validate().unwrap_err().message().contains("`blobs` repeats"));
    let mut unused = manifest();
    unused.blobs.push(Blob { digest: Digest::of(b"stowaway"), size: 8 });
    assert!(unused.validate().unwrap_err().message().contains("belongs to no artifact"));
    let mut overflow = manifest();
    overflow.blobs[0].size = u64::MAX;
    overflow.blobs.push(Blob { digest: Digest::of(b"more"), size: 2 });
    assert!(overflow.validate().unwrap_err().message().contains("exceed 2^53"));
}

#[test]
fn artifacts_are_found_by_name_kind_and_nearly() {
    let manifest = manifest();
    assert_eq!(manifest.find("/etc/motd").unwrap().name(), "/etc/motd");
    assert_eq!(manifest.find("file").unwrap().name(), "/etc/motd");
    let error = manifest.find("/etc/mtod").unwrap_err();
    assert_eq!((error.kind().exit_status(), error.help()), (2, Some("did you mean `/etc/motd`?")));
}

#[test]
fn targets_of_apt_are_found_by_their_short_name_unless_it_means_more() {
    use crate::bundle::manifest::apt::example;
    let targets = |names: &[&str]| {
        let target = |name: &&str| Artifact::Apt(example::repository(name, Vec::new()));
        example::manifest(names.iter().map(target).collect())
    };
    let one = targets(&["debian-12"]);
    for name in ["apt:debian-12", "debian-12", "apt"] {
        assert_eq!(one.find(name).unwrap().name(), "apt:debian-12");
    }
    let error = targets(&["debian-12", "debian-12-gpu"]).find("apt").unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::ARTIFACT_AMBIGUOUS, 2));
    assert_eq!(error.help(), Some("name one of `apt:debian-12`, `apt:debian-12-gpu`"));
    assert_eq!(one.find("debian-13").unwrap_err().help(), Some("did you mean `apt:debian-12`?"));
}

#[test]
fn a_manifest_beyond_the_limit_is_not_parsed() {
    let error = check_length(MAX_LENGTH + 1).unwrap_err();
    assert_eq!(error.code(), codes::MANIFEST_TOO_LARGE);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn no_changed_byte_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = manifest().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Manifest::parse(&bytes);
    }
}
