//! Good sections `apt` and `nvidia`, and what becomes of them.

use std::path::PathBuf;

use airlock::debian::openpgp::SigningKey;
use airlock::debian::universe::pins::PinTarget;
use airlock::oci::platform::Platform;
use airlock::secret::Secret;
use airlock::spec::Spec;
use airlock::spec::apt::{Baseline, SignedBy};
use airlock::spec::nvidia::{DriverSource, Flavour, run_file_url};

use crate::{HEAD, parse, rendered};

const EVERYTHING: &str = r#"hosts: [debian-12, ubuntu-24.04]
apt:
  packages: [nfs-common, "keepalived=1:2.2.7-1", curl/bookworm-backports, "@ha", "ubuntu-server^"]
  groups:
    ha: [keepalived, haproxy]
  hold: [linux-image-amd64]
  pins:
    - packages: ["libnvidia-*"]
      version: "580.*"
      priority: 990
  repositories:
    - uri: https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)/
      suites: ["/"]
      components: []
      signedBy:
        url: https://nvidia.github.io/libnvidia-container/gpgkey
        fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0
      only: ["nvidia-container-*", "libnvidia-container*"]
  targets:
    - host: debian-12
      platform: linux/amd64
    - host: debian-12
      platform: linux/arm64
      recommends: true
      packages: [haproxy=2.6.12-1]
    - host: ubuntu-24.04
      name: gpu-nodes
      platform: linux/amd64
      baseline: {status: nodes/gpu1.status}
      archive:
        uri: https://example.com/ubuntu
        securityUri: https://example.com/security
        suites: [noble, noble-updates]
        components: [main, restricted]
        signedBy: {path: keys/ubuntu.gpg, fingerprint: [F6ECB3762474EDA9D21B7022871920D1991BC93C]}
        allowExpired: true
      hold: [linux-generic]
      pins:
        - {packages: [jq], site: example.com, priority: -1}
        - {packages: ["*"], release: {codename: noble, component: main}, priority: 700}
      repositories:
        - {uri: http://10.0.0.1/deb, suites: [noble], components: [main, extra], signedBy: /etc/site.gpg, allowExpired: true}
nvidia:
  targets: [gpu-nodes]
  driver:
    branch: 580
    version: 580.126.20
    flavour: proprietary
    kernels: [6.8.0-60-generic]
  fabricManager: true
  containerToolkit: "1.18.0"
  devicePlugin: nvcr.io/nvidia/k8s-device-plugin:v0.18.0
"#;

fn good(body: &str) -> Spec {
    let text = HEAD.replace("[linux/amd64]", "[linux/amd64, linux/arm64]") + body;
    parse(&text).unwrap_or_else(|error| panic!("{}", rendered(&error)))
}

fn wishes(spec: &Spec, target: usize) -> Vec<&str> {
    spec.apt[target].packages.iter().map(|wish| wish.text.as_str()).collect()
}

#[test]
fn what_is_said_for_all_arrives_at_each_target() {
    let spec = good(EVERYTHING);
    let names: Vec<&str> = spec.apt.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["debian-12-amd64", "debian-12-arm64", "gpu-nodes"]);
    let common = [
        "nfs-common",
        "keepalived=1:2.2.7-1",
        "curl/bookworm-backports",
        "keepalived",
        "haproxy",
        "ubuntu-server^",
    ];
    assert_eq!(wishes(&spec, 0), common);
    assert_eq!(wishes(&spec, 1), [&common[..], &["haproxy=2.6.12-1"]].concat());
    let lines: Vec<usize> = spec.apt[1].packages.iter().map(|wish| wish.line).collect();
    assert_eq!(lines, [8, 8, 8, 10, 10, 8, 30]);
    assert_eq!(spec.apt.iter().map(|target| target.recommends).collect::<Vec<_>>(), [false, true, false]);
    assert!(spec.apt[2].holds.iter().eq(["linux-generic", "linux-image-amd64"]));
    let priorities: Vec<i32> = spec.apt[2].pins.iter().map(|pin| pin.priority).collect();
    assert_eq!(priorities, [-1, 700, 990]);
    let uris: Vec<&str> = spec.apt[2].repositories.iter().map(|repository| repository.uri.as_str()).collect();
    assert_eq!(
        uris,
        ["https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)", "http://10.0.0.1/deb"]
    );
}

#[test]
fn a_target_has_its_own() {
    let spec = good(EVERYTHING);
    let gpu = &spec.apt[2];
    assert_eq!((gpu.host.as_str(), gpu.platform), ("ubuntu-24.04", Platform::LinuxAmd64));
    assert_eq!(gpu.baseline, Baseline::Status("nodes/gpu1.status".into()));
    assert_eq!(gpu.archive.uri.as_deref(), Some("https://example.com/ubuntu"));
    assert_eq!(gpu.archive.security_uri.as_deref(), Some("https://example.com/security"));
    assert_eq!(gpu.archive.suites.as_deref(), Some(&["noble".to_owned(), "noble-updates".to_owned()][..]));
    assert_eq!(gpu.archive.components, ["main", "restricted"]);
    assert!(gpu.archive.allow_expired);
    let Some(SignedBy::File { path, fingerprints }) = &gpu.archive.signed_by else {
        panic!("a keyring file")
    };
    assert_eq!((path, fingerprints.len()), (&PathBuf::from("keys/ubuntu.gpg"), 1));

    let [toolkit, site] = &gpu.repositories[..] else { panic!("two repositories") };
    assert!(matches!(&toolkit.signed_by, SignedBy::Url { fingerprints, .. } if fingerprints.len() == 1));
    assert_eq!((toolkit.components.len(), toolkit.only.len(), toolkit.allow_expired), (0, 2, false));
    assert_eq!((site.components.len(), site.only.len(), site.allow_expired), (2, 0, true));
    assert_eq!(gpu.pins[0].target, PinTarget::Site("example.com".to_owned()));
    assert!(
        matches!(&gpu.pins[1].target, PinTarget::Release { codename: Some(name), suite: None, .. } if name == "noble")
    );
    assert_eq!(gpu.pins[2].target, PinTarget::Version("580.*".to_owned()));
}

#[test]
fn the_needs_of_gpus_arrive() {
    let nvidia = good(EVERYTHING).nvidia.expect("the section is there");
    assert_eq!(nvidia.targets, ["gpu-nodes"]);
    let driver = nvidia.driver.expect("a driver is wanted");
    assert_eq!(driver.source, DriverSource::Distribution);
    assert_eq!((driver.branch.as_deref(), driver.version.as_deref()), (Some("580"), Some("580.126.20")));
    assert_eq!(
        (driver.flavour, driver.kernels.as_slice()),
        (Flavour::Proprietary, &["6.8.0-60-generic".to_owned()][..])
    );
    assert!(nvidia.fabric_manager);
    assert_eq!(nvidia.container_toolkit.and_then(|toolkit| toolkit.version).as_deref(), Some("1.18.0"));
    assert_eq!(
        nvidia.device_plugin.map(|image| image.to_string()).as_deref(),
        Some("nvcr.io/nvidia/k8s-device-plugin:v0.18.0")
    );
}

#[test]
fn what_is_left_out_gets_its_default() {
    let spec = good(
        "hosts: [debian-13]\napt:\n  packages: [jq]\n  targets: [{host: debian-13, platform: linux/arm64}]\n",
    );
    let [target] = &spec.apt[..] else { panic!("one target") };
    assert_eq!((target.name.as_str(), target.platform), ("debian-13", Platform::LinuxArm64));
    assert_eq!((&target.baseline, target.recommends), (&Baseline::Essential, false));
    assert_eq!(target.archive.components, ["main"]);
    assert!(
        target.archive.uri.is_none() && target.archive.suites.is_none() && target.archive.signed_by.is_none()
    );
    assert!(spec.nvidia.is_none());

    let body = "hosts: [debian-12]\napt:\n  targets: [{host: debian-12, platform: linux/amd64, archive: {uri: https://example.com}}]\nnvidia: {}\n";
    let nvidia = good(body).nvidia.expect("the section is there");
    let driver = nvidia.driver.expect("a driver is the default");
    assert_eq!(
        (driver.source, driver.branch, driver.flavour),
        (DriverSource::Distribution, None, Flavour::Open)
    );
    assert!(nvidia.container_toolkit.is_some_and(|toolkit| toolkit.version.is_none()));
    assert!(!nvidia.fabric_manager && nvidia.device_plugin.is_none());
    assert_eq!(nvidia.targets, ["debian-12"]);
}

#[test]
fn the_platform_of_a_bundle_with_one_need_not_be_repeated() {
    let text =
        HEAD.to_owned() + "hosts: [debian-12]\napt:\n  packages: [jq]\n  targets: [{host: debian-12}]\n";
    let spec = parse(&text).expect("a good file");
    assert_eq!(spec.apt[0].platform, Platform::LinuxAmd64);
}

#[test]
fn groups_may_share_packages() {
    let spec = good(
        "hosts: [debian-12]\napt:\n  groups: {a: [jq, curl], b: [curl, bc]}\n  packages: [bc, \"@a\", \"@b\"]\n  \
         targets: [{host: debian-12, platform: linux/amd64}]\n",
    );
    assert_eq!(wishes(&spec, 0), ["bc", "jq", "curl"]);
}

#[test]
fn a_key_may_stand_in_the_file() {
    let key = SigningKey::from_seed(&Secret::new([7; 32]), "test")
        .and_then(|key| key.armored_keyring())
        .expect("a key");
    let indented: String = key.lines().map(|line| format!("        {line}\n")).collect();
    let spec = good(&format!(
        "hosts: [debian-12]\napt:\n  packages: [jq]\n  repositories:\n    - uri: https://example.com\n      suites: [/]\n      \
         signedBy: |\n{indented}  targets: [{{host: debian-12, platform: linux/amd64}}]\n"
    ));
    assert_eq!(spec.apt[0].repositories[0].signed_by, SignedBy::Armored(key));
}

#[test]
fn an_installer_is_found_by_its_version_or_names_it() {
    let driver = |platforms: &[&str], keys: &str| {
        let targets: Vec<String> =
            platforms.iter().map(|platform| format!("{{host: debian-12, platform: {platform}}}")).collect();
        let body = format!(
            "hosts: [debian-12]\napt: {{targets: [{}]}}\nnvidia:\n  containerToolkit: false\n  driver: {{from: run-file, {keys}}}\n",
            targets.join(", ")
        );
        let driver = good(&body).nvidia.and_then(|nvidia| nvidia.driver).expect("a driver");
        let DriverSource::RunFile { url, .. } = driver.source else { panic!("an installer") };
        (url, driver.version)
    };
    let version = Some("580.126.20".to_owned());
    let at = "https://us.download.nvidia.com/tesla/580.126.20/NVIDIA-Linux-";
    assert_eq!(
        driver(&["linux/arm64"], "version: 580.126.20"),
        (format!("{at}aarch64-580.126.20.run"), version.clone())
    );
    let named = "https://example.com/NVIDIA-Linux-x86_64-580.126.20.run";
    assert_eq!(driver(&["linux/amd64"], &format!("url: {named}")), (named.to_owned(), version.clone()));
    let (url, found) = driver(&["linux/amd64", "linux/arm64"], "version: 580.126.20");
    assert_eq!(found, version);
    assert_eq!(run_file_url(&url, Platform::LinuxAmd64), format!("{at}x86_64-580.126.20.run"));
    assert_eq!(run_file_url(&url, Platform::LinuxArm64), format!("{at}aarch64-580.126.20.run"));
}
