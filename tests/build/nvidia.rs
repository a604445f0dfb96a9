//! GPU nodes from end to end: driver, Fabric Manager, container toolkit and device plugin, from repositories laid out
//! as those of Ubuntu and NVIDIA, into one bundle.

use super::apt_repository::{Suite, Sums, control, key};
use super::fetching::large_images;
use super::server::transfer::Pace;
use super::site::{Site, succeeded};

const SPEC: &str = "\
hosts: [ubuntu-24.04]
apt:
  repositories:
    - uri: http://{upstream}/toolkit/$(ARCH)
      suites: [\"/\"]
      signedBy: toolkit.asc
  targets:
    - host: ubuntu-24.04
      archive:
        uri: http://{upstream}/ubuntu
        signedBy: ubuntu.asc
nvidia:
  driver:
    branch: 580
    kernels: [6.8.0-60-generic]
  fabricManager: true
  containerToolkit: 1.17.8
  devicePlugin: \"{upstream}/lab/a:1\"
";

/// The parts of Ubuntu's archive that a GPU server takes, with their strict dependencies.
const UBUNTU: [&str; 14] = [
    "apt 2.7.14; Priority: important; Depends: libc6",
    "base-files 13; Essential: yes; Priority: required",
    "libc6 2.39; Multi-Arch: same",
    "linux-image-6.8.0-60-generic 6.8.0-60.63",
    "linux-modules-nvidia-580-server-open-6.8.0-60-generic 6.8.0-60.63; Depends: linux-image-6.8.0-60-generic, \
     nvidia-kernel-common-580-server (<= 580.95.05-1), nvidia-kernel-common-580-server (>= 580.95.05)",
    "nvidia-kernel-common-580-server 580.95.05-0ubuntu0.24.04.1; Depends: nvidia-firmware-580-server-580.95.05",
    "nvidia-firmware-580-server-580.95.05 580.95.05-0ubuntu0.24.04.1",
    "nvidia-headless-no-dkms-580-server-open 580.95.05-0ubuntu0.24.04.1; Depends: libnvidia-compute-580-server \
     (= 580.95.05-0ubuntu0.24.04.1), nvidia-kernel-common-580-server (= 580.95.05-0ubuntu0.24.04.1)",
    "nvidia-utils-580-server 580.95.05-0ubuntu0.24.04.1; Depends: libnvidia-compute-580-server",
    "libnvidia-compute-580-server 580.95.05-0ubuntu0.24.04.1; Depends: libc6",
    "libnvidia-decode-580-server 580.95.05-0ubuntu0.24.04.1; Depends: libnvidia-compute-580-server",
    "libnvidia-encode-580-server 580.95.05-0ubuntu0.24.04.1; Depends: libnvidia-decode-580-server",
    "nvidia-fabricmanager-580 580.95.05-0ubuntu0.24.04.1; Depends: libc6",
    "libnvidia-nscq-580 580.95.05-0ubuntu0.24.04.1; Depends: libc6",
];

/// The four packages of the toolkit in one version. They ask for each other in exactly this version.
fn toolkit(version: &str) -> [String; 4] {
    [
        format!(
            "nvidia-container-toolkit {version}; Depends: nvidia-container-toolkit-base (= {version}), libnvidia-container-tools (= {version})"
        ),
        format!("nvidia-container-toolkit-base {version}"),
        format!("libnvidia-container-tools {version}; Depends: libnvidia-container1 (= {version})"),
        format!("libnvidia-container1 {version}; Depends: libc6"),
    ]
}

fn site() -> Site {
    let site = Site::with_data(SPEC, Pace::default(), large_images);
    let archive: Vec<String> = UBUNTU.iter().map(|text| control(text)).collect();
    let archive: Vec<&str> = archive.iter().map(String::as_str).collect();
    let ubuntu = site.data("files/ubuntu");
    Suite::new(&ubuntu, "noble", &archive).write();
    Suite::new(&ubuntu, "noble-updates", &[]).write();
    Suite::new(&ubuntu, "noble-security", &[]).write();
    // As NVIDIA has it: flat, all versions at once, only SHA-512, nothing by digest.
    let versions: Vec<String> =
        ["1.17.8-1", "1.18.0-1"].into_iter().flat_map(toolkit).map(|text| control(&text)).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    Suite {
        sums: Sums::Sha512,
        by_hash: false,
        key: 2,
        ..Suite::new(&site.data("files/toolkit/amd64"), "/", &versions)
    }
    .write();
    for (name, number) in [("ubuntu.asc", 1), ("toolkit.asc", 2)] {
        fs_err::write(site.path(name), key(number).armored_keyring().unwrap()).unwrap();
    }
    site
}

#[test]
fn a_gpu_node_gets_everything_in_versions_that_belong_together() {
    let site = site();
    insta::assert_snapshot!(site.lock(&[]));
    succeeded(site.run(&["bundle", "build", "--locked", "-o", "out", "--unsigned", "--progress", "none"]));
    let inspected =
        succeeded(site.run(&["bundle", "inspect", "out", "--allow-unsigned", "--progress", "none"]));
    let packages: String =
        inspected.stdout.lines().take_while(|line| !line.contains("files")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(packages);
    let plugin = "/opt/airlock/manifests/nvidia-device-plugin.yaml";
    succeeded(site.run(&[
        "bundle",
        "extract",
        "out",
        "--allow-unsigned",
        "--file",
        plugin,
        "-o",
        "plugin.yaml",
    ]));
    let manifest = fs_err::read_to_string(site.path("plugin.yaml")).unwrap();
    assert!(manifest.contains(&format!("image: {}/lab/a:1", site.address())), "{manifest}");
}

#[test]
fn nodes_that_have_a_driver_get_the_toolkit_alone() {
    let mut site = site();
    site.edit(
        "  driver:\n    branch: 580\n    kernels: [6.8.0-60-generic]\n  fabricManager: true\n",
        "  install: false\n",
    );
    succeeded(site.lock(&[]));
    let lock = site.lock_text();
    assert!(
        lock.contains("name: nvidia-container-toolkit-base") && lock.contains("containerToolkit: \"1.17.8\"")
    );
    assert!(!lock.contains("-580") && !lock.contains("driver:"), "{lock}");
}

#[test]
fn what_does_not_fit_together_is_refused_with_the_way_out() {
    let mut site = site();
    let mut told = Vec::new();
    for (from, to) in [
        ("[6.8.0-60-generic]", "[6.8.0-61-generic]"),
        ("branch: 580", "branch: 570"),
        ("branch: 580", "version: 580.95.04"),
        ("containerToolkit: 1.17.8", "containerToolkit: 1.16.0"),
        ("  fabricManager: true\n", "  fabricManager: true\n  targets: [ubuntu-22.04]\n"),
    ] {
        let outcome = site.edited(from, to, |site| site.lock(&[]));
        told.push(format!("{from} -> {to}\n{outcome}"));
    }
    assert!(!site.path("bundle.lock").exists());
    insta::assert_snapshot!(told.join("\n"));
}
