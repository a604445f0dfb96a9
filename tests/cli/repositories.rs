//! `airlock bundle` on bundles with packages.

use super::bundle::home_with_key;
use super::fixture::write_repositories;
use super::packages::{DKMS, GPU, PROBES, gpu_repository, installer_repository, repository};
use super::support::Home;

/// A home with a signed bundle for two kinds of node in `stick`.
fn home_with_packages() -> Home {
    let (home, key) = home_with_key();
    let targets = vec![repository("debian-12", &PROBES), gpu_repository("debian-12-gpu")];
    write_repositories(targets, 3, &home.path("stick"), &key);
    home
}

#[test]
fn inspect_shows_what_is_installed() {
    let home = home_with_packages();
    insta::assert_snapshot!(home.airlock(["bundle", "inspect", "stick"]), @r"
    exit 0
    --- stdout
    edge 1.0
    └─ packages
       ├─ apt:debian-12      10.2 KiB, 4.5 KiB shared
       │  ├─ debian-12 linux/amd64, baseline essential, without recommended packages
       │  ├─ 2 packages
       │  └─ every node installs
       │     └─ airlock-probe 1:2.0-1
       └─ apt:debian-12-gpu  19.3 KiB, 4.5 KiB shared
          ├─ debian-12 linux/amd64, baseline essential, without recommended packages
          ├─ 4 packages
          ├─ nodes with a GPU and no driver install
          │  └─ nvidia-driver 580.126.20-1
          ├─ nodes with NVSwitch install
          │  └─ nvidia-fabricmanager 580.126.20-1
          ├─ nodes with a GPU install
          │  └─ nvidia-container-toolkit 1.18.0-1
          ├─ NVIDIA driver 580.126.20, open kernel modules
          │  └─ kernel 6.1.0-41-amd64: modules are built on the node
          ├─ NVIDIA Fabric Manager 580.126.20
          └─ NVIDIA container toolkit 1.18.0

    serial     3 of channel stable
    created    2026-01-01T00:00:00Z
    platforms  linux/amd64
    hosts      debian-12
    content    12 blobs, 25.0 KiB in 1 volume; sharing saves 4.5 KiB
    manifest   sha256:39dc033a8d74261cceaed58e64333090f12622ed3e5fd7cb9019b7393cf8e4d9
    signed by  release@lab SHA256:[FINGERPRINT]
    --- stderr
    ");
}

#[test]
fn inspect_lists_every_package_if_asked() {
    let home = home_with_packages();
    let listed = home.airlock(["bundle", "inspect", "stick", "--packages"]).stdout;
    let tree: Vec<&str> = listed.lines().take(10).collect();
    insta::assert_snapshot!(tree.join("\n"), @r"
    edge 1.0
    └─ packages
       ├─ apt:debian-12                                              10.2 KiB, 4.5 KiB shared
       │  ├─ debian-12 linux/amd64, baseline essential, without recommended packages
       │  ├─ 2 packages
       │  │  ├─ airlock-probe 1:2.0-1 amd64 (requested)              4.2 KiB
       │  │  └─ airlock-probe-data 3:1.0 all (requested)             4.2 KiB
       │  └─ every node installs
       │     └─ airlock-probe 1:2.0-1
       └─ apt:debian-12-gpu                                          19.3 KiB, 4.5 KiB shared
    ");
    let json = home.airlock(["bundle", "inspect", "stick", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let gpu = &result["artifacts"][1]["apt"];
    assert_eq!(gpu["packages"].as_array().unwrap().len(), GPU.len());
    assert_eq!(gpu["nvidia"]["driver"]["version"], "580.126.20");
    assert_eq!(gpu["install"][1]["purpose"], "fabricManager");
}

#[test]
fn diff_names_the_packages_that_changed() {
    let (home, key) = home_with_key();
    let old = vec![repository("debian-12", &PROBES), repository("debian-12-build", &DKMS)];
    write_repositories(old, 3, &home.path("old"), &key);
    let mut wanted = PROBES.to_vec();
    wanted[0].1 = "1:2.1-1";
    wanted.push(("tmux", "3.3a-3", "amd64", ""));
    let new = vec![repository("debian-12", &wanted), gpu_repository("debian-12-gpu")];
    write_repositories(new, 4, &home.path("new"), &key);
    insta::assert_snapshot!(home.airlock(["bundle", "diff", "old", "new"]), @r"
    exit 0
    --- stdout
    from  edge 1.0 (serial 3)
    to    edge 1.0 (serial 4)

    + apt       apt:debian-12-gpu
    - apt       apt:debian-12-build
    ~ apt       apt:debian-12
        ~ airlock-probe 1:2.0-1 -> 1:2.1-1
        + tmux 3.3a-3
    = no artifacts unchanged

    bytes  25.0 KiB new, 4.5 KiB in both, 11.0 KiB gone
    --- stderr
    ");
}

#[test]
fn extract_makes_a_repository_and_prints_the_line_for_apt() {
    let home = home_with_packages();
    let extract = |rest: &[&str]| home.airlock([&["bundle", "extract", "stick", "-q"], rest].concat());
    insta::assert_snapshot!(extract(&["--apt", "debian-12", "--output", "repository"]), @r"
    exit 0
    --- stdout
    repository
    deb [signed-by=[HOME]/repository/airlock.asc check-date=no] file:[HOME]/repository ./
    --- stderr
    ");
    assert!(home.path("repository/pool/airlock-probe_1%3a2.0-1_amd64.deb").exists());
    assert!(home.path("repository/InRelease").exists());
    let json = extract(&["--apt", "apt:debian-12-gpu", "--output", "gpu", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&result["artifact"], &result["output"]), (&"apt:debian-12-gpu".into(), &"gpu".into()));
    assert!(result["source"].as_str().unwrap().ends_with("/gpu ./"), "{json}");
    insta::assert_snapshot!(extract(&["--apt", "--output", "x"]), @r"
    exit 2
    --- stdout
    --- stderr
    error[E0418]: `apt` means 2 artifacts of the bundle
    help: name one of `apt:debian-12`, `apt:debian-12-gpu`
    ");
    let odd = extract(&["--apt", "debian-12", "--output", "two words"]);
    assert_eq!((odd.exit, odd.stdout.as_str()), (Some(0), "two words\n"), "{odd}");
    let odd = home.airlock(["bundle", "extract", "stick", "--apt", "debian-12", "--output", "a b"]);
    assert!(odd.stderr.contains("apt cannot read a source in a b"), "{odd}");
}

#[test]
fn the_only_target_needs_no_name() {
    let (home, key) = home_with_key();
    let mut target = installer_repository("gpu", "/opt/driver.run");
    target.0.nvidia.as_mut().unwrap().driver.as_mut().unwrap().run_file = None;
    write_repositories(vec![target], 3, &home.path("stick"), &key);
    let extracted = home.airlock(["bundle", "extract", "stick", "-q", "--apt", "--output", "gpu"]);
    assert_eq!(extracted.exit, Some(0), "{extracted}");
    assert!(home.path("gpu/pool/dkms_3.0.10-8_all.deb").exists());
    let inspected = home.airlock(["bundle", "inspect", "stick"]).stdout;
    assert!(inspected.contains("modules are built on the node for the kernel that runs"), "{inspected}");
}
