//! Tests of the installer `NVIDIA-Linux-….run`.

use super::*;
use crate::spec::FileSource;

fn nvidia() -> Nvidia {
    let url = "https://example.com/NVIDIA-Linux-$(MACHINE)-580.126.20.run".to_owned();
    with(section(DriverSource::RunFile { url, digest: None }, ""), |driver| {
        driver.version = Some("580.126.20".to_owned());
    })
}

fn target(name: &str, platform: Platform) -> apt::Target {
    apt::Target {
        name: name.to_owned(),
        host: "ubuntu-24.04".to_owned(),
        platform,
        baseline: apt::Baseline::Essential,
        archive: apt::Archive::default(),
        repositories: Vec::new(),
        packages: Vec::new(),
        recommends: false,
        pins: Vec::new(),
        holds: BTreeSet::new(),
        line: 1,
    }
}

#[test]
fn it_brings_what_it_builds_with_and_fabric_manager_that_fits() {
    let repository =
        "nvidia-fabricmanager 580.126.20-1\nlibnvidia-nscq 580.126.20-1\nnvidia-fabricmanager 590.48.01-1";
    let nvidia = Nvidia { fabric_manager: true, ..nvidia() };
    let archives = [("Ubuntu", BUILD), ("NVIDIA", repository)];
    let found = outcome(&nvidia, "ubuntu-24.04", &archives, "").unwrap();
    assert!(found.has("libc6-dev=2.39") && found.has("dkms=3.0.11") && found.has("gcc=13"));
    assert!(found.has("nvidia-fabricmanager=580.126.20-1"));
    let path = "/opt/airlock/nvidia/NVIDIA-Linux-x86_64-580.126.20.run";
    assert_eq!(found.driver().run_file.as_deref(), Some(path));
    let error = outcome(&nvidia, "ubuntu-24.04", &archives[..1], "").unwrap_err();
    says(&error, codes::NVIDIA_FABRIC_MANAGER, &["developer.download.nvidia.com"]);
}

#[test]
fn there_is_one_file_for_each_platform_that_has_gpus() {
    let targets = [
        target("gpu", Platform::LinuxAmd64),
        target("arm", Platform::LinuxArm64),
        target("other", Platform::LinuxArm64),
    ];
    let shown = |nvidia: &Nvidia| -> Vec<(String, String, u32)> {
        let entries = files(nvidia, &targets);
        entries
            .into_iter()
            .map(|entry| match entry.source {
                FileSource::Url(url) => (url, entry.path, entry.mode),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let file = |machine: &str| {
        let name = format!("NVIDIA-Linux-{machine}-580.126.20.run");
        (format!("https://example.com/{name}"), format!("/opt/airlock/nvidia/{name}"), 0o755)
    };
    assert_eq!(shown(&nvidia()), [file("x86_64")]);
    let both = Nvidia { targets: vec!["gpu".to_owned(), "arm".to_owned()], ..nvidia() };
    assert_eq!(shown(&both), [file("x86_64"), file("aarch64")]);
    assert_eq!(shown(&section(DriverSource::Cuda, "580")), []);
}
