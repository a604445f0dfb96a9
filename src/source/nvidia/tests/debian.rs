//! Tests of Debian's own driver.

use super::*;

/// A version as the archive has it, the open modules perhaps in another.
fn driver(build: &str, open: &str) -> String {
    let upstream = build.split('-').next().unwrap();
    format!(
        "nvidia-smi {build} Depends: nvidia-alternative (= {build}), libnvidia-ml1 (= {build})
        libcuda1 {build} Depends: nvidia-alternative (= {build}), libnvidia-ptxjitcompiler1 (= {build})
        libnvidia-cfg1 {build} Depends: nvidia-alternative (= {build})
        libnvidia-ml1 {build}
        libnvidia-ptxjitcompiler1 {build}
        nvidia-alternative {build} Provides: nvidia-alternative-{upstream}, nvidia-alternative--kmod-alias
        firmware-nvidia-gsp {build} Provides: firmware-nvidia-gsp-{upstream}
        nvidia-kernel-dkms {build} Depends: firmware-nvidia-gsp (= {build}) | firmware-nvidia-gsp-{upstream}, dkms (>= 3.0.3-4~)
        nvidia-open-kernel-dkms {open} Depends: firmware-nvidia-gsp-{upstream}, dkms (>= 3.0.3-4~)
        nvidia-persistenced 550.163.01-1 Depends: libnvidia-cfg1 | libnvidia-cfg.so.1
        "
    )
}

fn plan(nvidia: &Nvidia, archive: &str, cuda: &str) -> Result<Outcome> {
    outcome(nvidia, "debian-13", &[("Debian", &(archive.to_owned() + BUILD)), ("NVIDIA", cuda)], "")
}

#[test]
fn the_compute_part_comes_without_x() {
    let archive = driver("550.163.01-2", "550.163.01-2");
    let outcome = plan(&section(DriverSource::Distribution, ""), &archive, "").unwrap();
    assert_eq!((outcome.driver().version.as_str(), outcome.driver().open), ("550.163.01", true));
    assert_eq!(outcome.kernels(), ["6.12.117+deb13-amd64 by DKMS"]);
    for package in [
        "nvidia-open-kernel-dkms=550.163.01-2",
        "libcuda1=550.163.01-2",
        "nvidia-persistenced=550.163.01-1",
        "linux-image-6.12.117+deb13-amd64=6.12.117-1",
        "linux-headers-6.12.117+deb13-amd64=6.12.117-1",
    ] {
        assert!(outcome.has(package), "{package}: {:?}", outcome.installed);
    }
}

#[test]
fn open_modules_that_lag_behind_are_refused() {
    let archive = driver("535.309.01-0+deb12u1", "535.261.03-1");
    let error = plan(&section(DriverSource::Distribution, ""), &archive, "").unwrap_err();
    let parts = ["nvidia-smi: 535.309.01", "nvidia-open-kernel-dkms: 535.261.03", "flavour"];
    says(&error, codes::NVIDIA_MISMATCH, &parts);
    let nvidia =
        with(section(DriverSource::Distribution, ""), |driver| driver.flavour = Flavour::Proprietary);
    assert_eq!(plan(&nvidia, &archive, "").unwrap().driver().version, "535.309.01");
}

#[test]
fn a_later_version_in_the_cuda_repository_is_not_mixed_in() {
    let archive = driver("550.163.01-2", "550.163.01-2");
    let cuda = "libcuda1 610.43.02-1\nnvidia-persistenced 610.43.02-1\nlibnvidia-ml1 610.43.02-1\nlibnvidia-cfg1 610.43.02-1";
    let outcome = plan(&section(DriverSource::Distribution, "550"), &archive, cuda).unwrap();
    assert!(!outcome.installed.iter().any(|package| package.contains("610")), "{:?}", outcome.installed);
}

#[test]
fn what_is_missing_is_told_with_the_components() {
    let error = plan(&section(DriverSource::Distribution, ""), "", "").unwrap_err();
    says(
        &error,
        codes::NVIDIA_DRIVER,
        &["debian-13", "components: [main, contrib, non-free, non-free-firmware]"],
    );
    let error =
        plan(&section(DriverSource::Distribution, "580"), &driver("550.163.01-2", "550.163.01-2"), "")
            .unwrap_err();
    says(&error, codes::NVIDIA_DRIVER, &["driver 580 needs, in that version", "550.163.01"]);
    let nvidia = Nvidia { fabric_manager: true, ..section(DriverSource::Distribution, "") };
    let error = plan(&nvidia, &driver("550.163.01-2", "550.163.01-2"), "").unwrap_err();
    says(&error, codes::NVIDIA_FABRIC_MANAGER, &["repos/debian13/x86_64"]);
}
