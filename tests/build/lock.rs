//! `bundle.lock`: what it pins, when it moves, and what `--locked` refuses.

use serde_json::Value;

use super::samples::releases;
use super::site::{MIXED, Site, noise, succeeded};

const BUSYBOX: &str = "images: [docker.io/library/busybox:1.36, docker.io/library/hello:1.0]\n";

/// Lets a tag of the upstream point to what another one points to.
fn move_tag(site: &Site, from: &str, to: &str) {
    let path = site.data("layout/index.json");
    let mut index: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].clone();
    let entries = index["manifests"].as_array_mut().unwrap();
    let target = entries.iter().find(|entry| name(entry) == to).unwrap().clone();
    let moved = entries.iter_mut().find(|entry| name(entry) == from).unwrap();
    let annotations = moved["annotations"].clone();
    *moved = target;
    moved["annotations"] = annotations;
    fs_err::write(path, index.to_string()).unwrap();
}

#[test]
fn the_lock_is_stable_text_and_its_serial_rises_only_with_a_change() {
    let mut site = Site::new(MIXED);
    insta::assert_snapshot!(site.lock(&[]));
    let first = site.lock_text();
    let masked = std::process::Output {
        status: Default::default(),
        stdout: first.clone().into_bytes(),
        stderr: Vec::new(),
    };
    let created = first.lines().find(|line| line.starts_with("created: ")).unwrap();
    insta::assert_snapshot!(site.outcome(&masked).stdout.replace(created, "created: [TIME]"));
    insta::assert_snapshot!(site.lock(&[]));
    succeeded(site.lock(&["--update"]));
    assert_eq!(site.lock_text(), first);
    // Comments and order in the spec are no change of the bundle.
    site.spec(&format!("# a comment\n{MIXED}"));
    succeeded(site.lock(&[]));
    assert_eq!(site.lock_text(), first);
    site.edit("version: \"1.0\"", "version: \"1.1\"");
    insta::assert_snapshot!(site.lock(&[]));
    assert_eq!(site.serial(), 2);
    site.edit("  - docker.io/library/hello:1.0\n", "");
    insta::assert_snapshot!(site.lock(&[]));
    assert_eq!(site.serial(), 3);
}

#[test]
fn a_moved_tag_is_kept_until_it_is_updated() {
    let site = Site::new(BUSYBOX);
    site.must_build(&[]);
    let before = site.digests("out");
    move_tag(&site, "docker.io/library/busybox:1.36", "docker.io/rancher/mirrored-pause:3.6");
    site.must_build(&["--no-check"]);
    assert_eq!((site.digests("out"), site.serial()), (before, 1));
    let other = succeeded(site.lock(&["--update", "docker.io/library/hello:1.0"]));
    assert!(other.stdout.contains("covers everything already"), "{other}");
    // The short form of a name means the same.
    insta::assert_snapshot!(site.lock(&["--update", "busybox:1.36"]));
    assert_eq!(site.serial(), 2);
    site.must_build(&["--locked"]);
    site.must_verify("out");
}

#[test]
fn a_channel_moves_when_it_is_updated() {
    let body = "k3s: {channel: stable, images: false, baseUrl: \"http://{upstream}/k3s-io/k3s/releases/download\", channelUrl: \"http://{upstream}/v1-release/channels\"}\n";
    let site = Site::new(body);
    succeeded(site.lock(&[]));
    releases::make(&site.data("files"), "v1.36.4+k3s1", &noise(7, 5000), &[]).unwrap();
    releases::point_channel(&site.data("channels"), "stable", "v1.36.4+k3s1").unwrap();
    succeeded(site.lock(&[]));
    assert!(site.lock_text().contains("version: v1.36.3+k3s1"));
    insta::assert_snapshot!(site.lock(&["--update", "k3s"]));
    assert!(site.lock_text().contains("version: v1.36.4+k3s1"));
}

#[test]
fn an_unknown_name_is_told_the_nearest() {
    let site = Site::new(MIXED);
    succeeded(site.lock(&[]));
    let mut said = String::new();
    for name in ["docker.io/library/busybox:1.63", "/etc/mtd", "k3", "nonsense"] {
        said += &format!("== {name}\n{}", site.lock(&["--update", name]));
    }
    insta::assert_snapshot!(said);
    assert_eq!(site.serial(), 1);
}

#[test]
fn a_file_of_a_pattern_can_be_updated_by_its_name_on_the_node() {
    let site = Site::new("files: [{path: \"certs/*.crt\", to: /certs/}]\n");
    fs_err::create_dir(site.path("certs")).unwrap();
    fs_err::write(site.path("certs/a.crt"), "old\n").unwrap();
    succeeded(site.lock(&[]));
    fs_err::write(site.path("certs/a.crt"), "new\n").unwrap();
    for name in ["/certs/a.crt", "/certs/"] {
        let outcome = succeeded(site.lock(&["--update", name]));
        assert_eq!(site.serial(), 2, "{outcome}");
    }
}

#[test]
fn locked_builds_refuse_what_the_lock_does_not_say() {
    let mut site = Site::new(MIXED);
    let mut said = format!("== no lock\n{}", site.build(&["--locked"]));
    succeeded(site.lock(&[]));
    let lock = site.lock_text();
    for (what, from, to) in [
        ("another image", "hello:1.0", "hello:1.1"),
        ("one image less", "  - docker.io/library/hello:1.0\n", ""),
        ("another version", "version: \"1.0\"", "version: \"1.1\""),
        ("another channel", "version: \"1.0\"\n", "version: \"1.0\"\nchannel: beta\n"),
        ("another mode", "to: /etc/motd", "to: /etc/motd\n    mode: \"0600\""),
        ("another k3s", "v1.36.3+k3s1", "v1.36.4+k3s1"),
    ] {
        let outcome = site.edited(from, to, |site| site.build(&["--locked"]));
        said += &format!("== {what}\n{outcome}");
    }
    fs_err::write(site.path("other"), super::site::program(0x3e).repeat(2)).unwrap();
    said += &format!("== another installer\n{}", site.build(&["--locked", "--installer", "other"]));
    insta::assert_snapshot!(said);
    assert_eq!(site.lock_text(), lock);
    assert!(!site.path("out").exists());
    site.must_build(&["--locked"]);
    assert_eq!(site.lock_text(), lock);
}

#[test]
fn two_builds_from_one_lock_give_the_same_bytes() {
    let site = Site::new(MIXED);
    succeeded(site.lock(&[]));
    let build = |output: &str, cache: &str, epoch: &str, volume_size: &str| {
        let arguments = [
            "bundle",
            "build",
            "-q",
            "--locked",
            "-o",
            output,
            "--cache-dir",
            cache,
            "--volume-size",
            volume_size,
        ];
        let output = site.command(&arguments).env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        succeeded(site.outcome(&output));
    };
    build("a", "cache-a", "1000000000", "auto");
    build("b", "cache-b", "2000000000", "none");
    let volumes = |directory: &str| {
        let mut files = site.digests(directory);
        // The signature is of an ed25519 key, and so always the same as well.
        files.retain(|(name, _)| name != "README.txt");
        files
    };
    assert_eq!(volumes("a"), volumes("b"));
    build("c", "cache-a", "1000000000", "128KiB");
    assert!(site.path("c/lab-1.0.2-of-5.tar").is_file(), "{:?}", site.names("c"));
    let manifest = |volume: &str| site.shell(&format!("tar -xOf {volume} manifest.json"));
    assert_eq!(manifest("a/lab-1.0.tar"), manifest("c/lab-1.0.1-of-5.tar"));
}

#[test]
fn the_time_of_a_changed_lock_can_be_given() {
    let site = Site::new("files: [{path: motd, to: /etc/motd}]\n");
    let lock = |epoch: &str| {
        let output =
            site.command(&["bundle", "lock", "-q"]).env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        site.outcome(&output)
    };
    succeeded(lock("1000000000"));
    assert!(site.lock_text().contains("created: \"2001-09-09T01:46:40Z\""), "{}", site.lock_text());
    succeeded(lock("1500000000"));
    assert!(site.lock_text().contains("2001-09-09"), "an unchanged lock keeps its time");
    insta::assert_snapshot!(lock("yesterday"));
}

#[test]
fn a_damaged_or_foreign_lock_is_refused_and_left_alone() {
    let site = Site::new("files: [{path: motd, to: /etc/motd}]\n");
    succeeded(site.lock(&[]));
    let good = site.lock_text();
    let mut said = String::new();
    for (what, text) in [
        ("empty", String::new()),
        ("merge conflict", format!("<<<<<<< HEAD\n{good}")),
        ("newer", good.replace("lockVersion: 1", "lockVersion: 2")),
        ("unknown key", good.replace("serial:", "serail:")),
        ("digest cut short", good.replacen("digest: sha256:", "digest: sha256:0", 1)),
    ] {
        fs_err::write(site.path("bundle.lock"), &text).unwrap();
        said += &format!("== {what}\n{}", site.build(&[]));
        assert_eq!(site.lock_text(), text);
    }
    insta::assert_snapshot!(said);
    assert!(!site.path("out").exists());
}
