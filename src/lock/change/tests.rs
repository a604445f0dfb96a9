//! Locks that follow each other, and an example of a lock for other tests.

use super::*;
use crate::bundle::manifest::apt::{Install, Purpose};
use crate::lock::{Download, File, Image, ImagePlatform, Installer, K3s, VERSION, apt};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;

/// A small lock with one entry of each kind.
pub(crate) fn example() -> Lock {
    let platform = Platform::LinuxAmd64;
    let download = |url: &str, platform| Download {
        platform,
        url: url.to_owned(),
        digest: Digest::of(url.as_bytes()),
        size: 9,
        authenticated_by: "TLS only".to_owned(),
    };
    Lock {
        lock_version: VERSION,
        serial: 3,
        created: "2026-11-21T07:00:00Z".to_owned(),
        name: "gpu-lab".to_owned(),
        version: "1.30".to_owned(),
        channel: "stable".to_owned(),
        platforms: vec![platform],
        hosts: vec!["debian-12".to_owned()],
        installers: vec![Installer {
            platform,
            version: "0.1.0".to_owned(),
            digest: Digest::of(b"a"),
            size: 1,
        }],
        k3s: Some(K3s {
            request: "channel stable".to_owned(),
            version: "v1.36.3+k3s1".to_owned(),
            binaries: vec![download(
                "https://github.com/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s",
                Some(platform),
            )],
            image_list: None,
        }),
        images: vec![Image {
            name: "docker.io/library/busybox:1.36".to_owned(),
            origin: "registry".to_owned(),
            wanted_by: "bundle.yaml".to_owned(),
            media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
            digest: Digest::of(b"index"),
            size: 5,
            authenticated_by: "tag over TLS".to_owned(),
            platforms: vec![ImagePlatform { platform, manifest: Digest::of(b"manifest") }],
            total_size: 1234,
            referrers: None,
        }],
        files: vec![File {
            path: "/opt/site/motd".to_owned(),
            mode: "0644".to_owned(),
            origin: "./motd".to_owned(),
            allow_secret: false,
            digest: Digest::of(b"motd"),
            size: 4,
            authenticated_by: "local file".to_owned(),
        }],
        apt: Vec::new(),
    }
}

#[test]
fn the_serial_rises_exactly_when_something_changed() {
    let old = example();
    let unchanged = succeed(Some(&old), Lock { serial: 0, created: String::new(), ..old.clone() }, "later");
    assert_eq!(unchanged, old);
    let mut moved = old.clone();
    moved.images[0].digest = Digest::of(b"moved");
    let moved = succeed(Some(&old), moved, "later");
    assert_eq!((moved.serial, moved.created.as_str()), (4, "later"));
    assert_eq!(succeed(None, old, "first").serial, 1);
}

#[test]
fn a_version_of_any_characters_is_shown() {
    let mut new = example();
    new.k3s.as_mut().unwrap().version = format!("sha256:x{}", "é".repeat(9));
    let lines: Vec<String> = changes(Some(&example()), &new).iter().map(ToString::to_string).collect();
    assert_eq!(lines, [format!("~ k3s  v1.36.3+k3s1 -> sha256:x{}", "é".repeat(9))]);
}

#[test]
fn changes_name_what_came_went_and_moved() {
    let old = example();
    let mut new = old.clone();
    new.files.clear();
    new.images[0].digest = Digest::of(b"moved");
    let lines: Vec<String> = changes(Some(&old), &new).iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "- /opt/site/motd");
    assert!(
        lines[1].starts_with("~ docker.io/library/busybox:1.36  sha256:1bc04b5291c2 -> sha256:"),
        "{lines:?}"
    );
    assert_eq!(changes(None, &old).len(), 4);
    assert_eq!(changes(Some(&old), &old), []);
}

#[test]
fn changes_without_another_digest_are_named_too() {
    let old = example();
    let mut new = old.clone();
    new.version = "1.31".to_owned();
    new.files[0].mode = "0600".to_owned();
    new.images[0].referrers = Some(Vec::new());
    let lines: Vec<String> = changes(Some(&old), &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "~ version  1.30 -> 1.31",
            "~ /opt/site/motd  mode 0644 from ./motd -> mode 0600 from ./motd",
            "~ docker.io/library/busybox:1.36  \
             linux/amd64 with no referrers from registry by bundle.yaml -> \
             linux/amd64 with 0 referrers from registry by bundle.yaml",
        ]
    );
}

/// A target with these packages, each of one version for amd64.
fn target(name: &str, packages: &[(&str, &str)]) -> apt::Apt {
    let install = |(name, version): &(&str, &str)| Install {
        purpose: Purpose::Node,
        package: (*name).to_owned(),
        version: (*version).to_owned(),
    };
    let package = |(name, version): &(&str, &str)| apt::Package {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        architecture: "amd64".to_owned(),
        wanted_by: "requested".to_owned(),
        url: format!("https://example.com/{name}.deb"),
        digest: Digest::of(format!("{name} {version}").as_bytes()),
        size: 9,
        stanza: format!("Package: {name}\n"),
    };
    apt::Apt {
        name: name.to_owned(),
        host: "debian-12".to_owned(),
        platform: Platform::LinuxAmd64,
        request: Digest::of(b"request"),
        baseline: apt::Baseline { name: "essential".to_owned(), packages: 63 },
        recommends: false,
        repositories: Vec::new(),
        install: packages.iter().take(1).map(install).collect(),
        nvidia: None,
        packages: packages.iter().map(package).collect(),
        keyring: "key".to_owned(),
        in_release: format!("{packages:?}"),
        evidence: None,
    }
}

fn with_targets(targets: Vec<apt::Apt>) -> Lock {
    Lock { apt: targets, ..example() }
}

#[test]
fn packages_are_told_for_each_target() {
    let old = with_targets(vec![target("a", &[("bash", "5.1"), ("nano", "7")]), target("b", &[("vi", "1")])]);
    let mut new = with_targets(vec![target("a", &[("bash", "5.2"), ("tmux", "3")])]);
    let all = changes(Some(&old), &new);
    insta::assert_snapshot!(lines(&all).join("\n"), @r"
    - apt:b
    ~ apt:a  sha256:e414f4ef450d -> sha256:23c3b53c9091
    ~ a: bash 5.1 -> 5.2
    - a: nano 7
    + a: tmux 3
    ");
    assert_eq!(
        serde_json::to_string(&all[2]).unwrap(),
        r#"{"target":"a","change":"moved","package":"bash","from":"5.1","to":"5.2"}"#
    );
    new = old.clone();
    new.apt[1].recommends = true;
    assert_eq!(
        lines(&changes(Some(&old), &new)),
        [
            "~ apt:b  debian-12 linux/amd64, baseline essential of 63 packages, without recommended ones, installs vi \
          -> debian-12 linux/amd64, baseline essential of 63 packages, with recommended ones, installs vi"
        ]
    );
}

#[test]
fn hundreds_of_packages_are_counted() {
    let names: Vec<String> = (0..163).map(|number| format!("lib{number:03}")).collect();
    let packages: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let new = with_targets(vec![target("a", &packages), target("b", &packages[..21])]);
    let all = changes(Some(&example()), &new);
    let lines = lines(&all);
    assert_eq!(all.len(), 2 + 163 + 21);
    assert_eq!(lines.len(), 2 + 20 + 1 + 21);
    assert_eq!(lines[21..24], ["+ a: lib019 1", "  a: and 143 more packages", "+ b: lib000 1"]);
}

#[test]
fn evidence_is_no_content_and_belongs_to_one_repository() {
    let old = with_targets(vec![target("a", &[("bash", "5.1")])]);
    let evidence = |target: &apt::Apt| apt::Evidence {
        in_release: Digest::of(target.in_release.as_bytes()),
        apt: "apt 2.6.1 (amd64)".to_owned(),
        installed: true,
        output: vec!["Setting up bash (5.1) ...".to_owned()],
    };
    let mut proven = old.clone();
    proven.apt[0].evidence = Some(evidence(&old.apt[0]));
    let after = succeed(Some(&old), proven.clone(), "later");
    assert_eq!((after.serial, &after), (old.serial, &proven));
    assert!(after != old && after.is_same_content(&old));
    assert_eq!(changes(Some(&old), &after), []);
    assert_eq!(succeed(Some(&proven), old, "later"), proven, "a run without --prove forgets nothing");
    let mut moved = with_targets(vec![target("a", &[("bash", "5.2")])]);
    moved.apt[0].evidence.clone_from(&proven.apt[0].evidence);
    let moved = succeed(Some(&proven), moved, "later");
    assert_eq!((moved.serial, &moved.apt[0].evidence), (4, &None));
}
