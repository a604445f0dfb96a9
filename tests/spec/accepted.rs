//! Good files, and what becomes of them.

use std::path::PathBuf;

use airlock::oci::platform::Platform;
use airlock::spec::{FileSource, ImageSource, K3sRelease};

use crate::{HEAD, parse, with_head};

const EVERYTHING: &str = r#"apiVersion: airlock/v1
kind: Bundle
name: gpu-lab
version: "2026.11"
channel: edge
platforms: [linux/arm64, linux/amd64]
hosts: [debian-12, ubuntu-24.04]
registries:
  docker.io:
    mirrors: [mirror.lab:5000, "http://10.0.0.1/v2/"]
    ca: certs/lab-ca.pem
    insecure: true
    plainHttp: false
  example.com: {ca: /etc/ssl/lab.pem}
k3s:
  version: v1.36.3+k3s1
  baseUrl: https://mirror.lab/k3s/
  images: false
images:
  - busybox:1.36
  - image: quay.io/prometheus/prometheus:v3.0.0
    platforms: [linux/amd64]
    referrers: true
  - image: registry.lab/app:1.0
    from: oci:./layouts/app:registry.lab/app:1.0
  - image: registry.lab/app:1.1
    from: docker-archive:app.tar.gz
files:
  - url: https://example.com/x.tar.gz
    to: /opt/site/x.tar.gz
    mode: "0755"
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  - path: ./certs/*.crt
    to: /etc/site/
    allowSecret: true
"#;

#[test]
fn every_key_arrives() {
    let spec = parse(EVERYTHING).expect("a good file");
    assert_eq!(
        (spec.name.as_str(), spec.version.as_str(), spec.channel.as_str()),
        ("gpu-lab", "2026.11", "edge")
    );
    assert_eq!(spec.platforms, [Platform::LinuxAmd64, Platform::LinuxArm64]);
    assert_eq!(spec.hosts, ["debian-12", "ubuntu-24.04"]);

    let docker = &spec.registries["docker.io"];
    assert_eq!(docker.mirrors, ["mirror.lab:5000", "http://10.0.0.1/v2"]);
    assert_eq!(docker.ca, Some(PathBuf::from("/site/certs/lab-ca.pem")));
    assert_eq!((docker.insecure, docker.plain_http), (true, false));
    assert_eq!(spec.registries["example.com"].ca, Some(PathBuf::from("/etc/ssl/lab.pem")));

    let k3s = spec.k3s.expect("k3s is there");
    assert_eq!(k3s.release, K3sRelease::Version("v1.36.3+k3s1".to_owned()));
    assert_eq!(k3s.base_url, "https://mirror.lab/k3s");
    assert_eq!(k3s.channel_url, "https://update.k3s.io/v1-release/channels");
    assert!(!k3s.images);
}

#[test]
fn images_arrive_in_order() {
    let images = parse(EVERYTHING).expect("a good file").images;
    let names: Vec<String> = images.iter().map(|image| image.reference.to_string()).collect();
    assert_eq!(names[..2], ["docker.io/library/busybox:1.36", "quay.io/prometheus/prometheus:v3.0.0"]);
    assert_eq!(images.iter().map(|image| image.line).collect::<Vec<_>>(), [20, 21, 24, 26]);
    assert_eq!((images[0].platforms.len(), images[0].referrers), (2, false));
    assert_eq!((images[1].platforms.as_slice(), images[1].referrers), (&[Platform::LinuxAmd64][..], true));
    assert_eq!(images[1].source, ImageSource::Registry);
    let (path, name) = (PathBuf::from("./layouts/app"), Some("registry.lab/app:1.0".to_owned()));
    assert_eq!(images[2].source, ImageSource::OciDirectory { path, name });
    assert_eq!(images[3].source, ImageSource::DockerArchive { path: "app.tar.gz".into(), name: None });
}

#[test]
fn files_arrive_in_order() {
    let files = parse(EVERYTHING).expect("a good file").files;
    assert_eq!(files[0].source, FileSource::Url("https://example.com/x.tar.gz".to_owned()));
    assert_eq!((files[0].path.as_str(), files[0].mode, files[0].line), ("/opt/site/x.tar.gz", 0o755, 29));
    assert!(files[0].digest.is_some() && !files[0].allow_secret);
    assert_eq!(files[1].source, FileSource::Path("./certs/*.crt".to_owned()));
    assert_eq!((files[1].path.as_str(), files[1].mode), ("/etc/site/", 0o644));
    assert!(files[1].digest.is_none() && files[1].allow_secret);
}

#[test]
fn what_is_left_out_gets_its_default() {
    let spec = parse(&with_head("k3s: {channel: stable}\n")).expect("a good file");
    assert_eq!(spec.channel, "stable");
    assert!(
        spec.hosts.is_empty()
            && spec.registries.is_empty()
            && spec.images.is_empty()
            && spec.files.is_empty()
    );
    let k3s = spec.k3s.expect("k3s is there");
    assert_eq!(k3s.release, K3sRelease::Channel("stable".to_owned()));
    assert_eq!(k3s.base_url, "https://github.com/k3s-io/k3s/releases/download");
    assert!(k3s.images);
}

#[test]
fn byte_order_mark_and_carriage_returns_change_nothing() {
    let plain = parse(EVERYTHING).expect("a good file");
    let windows = format!("\u{feff}{}", EVERYTHING.replace('\n', "\r\n"));
    assert_eq!(parse(&windows).expect("the same file"), plain);

    let broken = windows.replace("gpu-lab", "GPU");
    let place = parse(&broken).expect_err("a bad name").location().cloned().expect("a place");
    assert_eq!((place.line, place.column), (3, 7));
    let snippet = place.snippet.expect("a snippet");
    assert_eq!(&snippet.text[snippet.span], "GPU");
}

#[test]
fn quoted_texts_are_texts() {
    for version in ["\"1.30\"", "'no'", "\"0x10\"", "1.2.3", "2026-11", "v1"] {
        let text = HEAD.replace("\"1\"", version) + "images: [busybox:1]\n";
        assert_eq!(parse(&text).expect(version).version, version.trim_matches(['"', '\'']));
    }
}

#[test]
fn anchors_and_comments_may_be_used() {
    let spec = parse(&with_head(
        "images: # two of them\n  - image: a:1\n    platforms: &all [linux/amd64]\n  - {image: b:1, platforms: *all}\n",
    ));
    assert_eq!(spec.expect("a good file").images.len(), 2);
}

#[test]
fn a_thousand_images_are_no_trouble() {
    let images: String =
        (0..1000).map(|number| format!("  - registry.lab/team/image-{number}:1.0\n")).collect();
    assert_eq!(parse(&with_head(&format!("images:\n{images}"))).expect("a good file").images.len(), 1000);
}
