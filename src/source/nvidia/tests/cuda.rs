//! Tests of drivers from NVIDIA's CUDA repository.

use super::*;

/// A version of a branch up to 580, with the branch in its names.
fn suffixed(version: &str) -> String {
    let build = format!("{version}-1ubuntu1");
    format!(
        "nvidia-headless-no-dkms-580-open {build} Depends: libnvidia-compute-580 (= {build}), nvidia-kernel-common-580 (= {build})
        nvidia-dkms-580-open {build} Depends: dkms, nvidia-kernel-source-580-open (= {build})
        nvidia-kernel-source-580-open {build}
        nvidia-utils-580 {build} Depends: libnvidia-compute-580
        libnvidia-compute-580 {build}
        nvidia-kernel-common-580 {build}
        nvidia-fabricmanager {version}-1
        libnvidia-nscq {version}-1
        nvidia-imex {version}-1
        "
    )
}

/// A version from 590 on. Some dependencies only have a lower bound, as in the real repository.
fn unsuffixed(version: &str) -> String {
    let build = format!("{version}-1ubuntu1");
    format!(
        "nvidia-headless-no-dkms-open {build} Depends: libnvidia-compute (= {build}), nvidia-kernel-common (>= {version}), nvidia-firmware (>= {version})
        nvidia-dkms-open {build} Depends: dkms, nvidia-kernel-source-open (= {build})
        nvidia-kernel-source-open {build}
        libnvidia-compute {build} Depends: libnvidia-gpucomp (>= {version})
        libnvidia-gpucomp {build}
        nvidia-kernel-common {build}
        nvidia-firmware {build}
        nvidia-persistenced {build}
        nvidia-fabricmanager {version}-1
        libnvidia-nscq {version}-1
        libnvsdm {version}-1
        "
    )
}

fn plan(nvidia: &Nvidia, cuda: &[String], ubuntu: &str) -> Result<Outcome> {
    let archives = [("Ubuntu", &*(ubuntu.to_owned() + BUILD)), ("NVIDIA", &cuda.concat())];
    outcome(nvidia, "ubuntu-24.04", &archives, "")
}

#[test]
fn up_to_580_names_have_the_branch() {
    let nvidia = Nvidia { fabric_manager: true, ..section(DriverSource::Cuda, "580") };
    let outcome =
        plan(&nvidia, &[suffixed("580.126.20"), suffixed("580.95.05"), unsuffixed("590.48.01")], "").unwrap();
    assert_eq!(outcome.driver().version, "580.126.20");
    assert!(outcome.has("nvidia-kernel-source-580-open=580.126.20-1ubuntu1"));
    // The repository has later ones under the same name.
    assert!(outcome.has("nvidia-fabricmanager=580.126.20-1") && outcome.has("libnvidia-nscq=580.126.20-1"));
    assert_eq!(
        outcome.asked(Purpose::FabricManager),
        ["nvidia-fabricmanager", "libnvidia-nscq", "nvidia-imex"]
    );
    assert_eq!(outcome.kernels(), ["6.8.0-110-generic by DKMS"]);
}

#[test]
fn from_590_on_everything_is_pinned_to_one_version() {
    let repository = [unsuffixed("610.43.02"), unsuffixed("595.71.05"), unsuffixed("590.48.01")];
    let nvidia = with(section(DriverSource::Cuda, "595"), |driver| {
        driver.kernels = vec!["6.8.0-60-generic".to_owned()]
    });
    let outcome = plan(&nvidia, &repository, "").unwrap();
    assert_eq!(outcome.driver().version, "595.71.05");
    let of_nvidia: Vec<&String> =
        outcome.installed.iter().filter(|package| package.contains("nvidia")).collect();
    assert_eq!(of_nvidia.len(), 8, "{of_nvidia:?}");
    assert!(of_nvidia.iter().all(|package| package.ends_with("=595.71.05-1ubuntu1")), "{of_nvidia:?}");
    assert!(outcome.has("linux-headers-6.8.0-60-generic=6.8.0-60.63"));
    assert!(!outcome.installed.iter().any(|package| package.starts_with("linux-image")), "nodes have one");
}

#[test]
fn the_same_version_in_the_archive_of_the_distribution_is_left_alone() {
    let of_ubuntu = suffixed("580.126.20").replace("-1ubuntu1", "-2ubuntu0.24.04.1");
    let outcome = plan(&section(DriverSource::Cuda, "580"), &[suffixed("580.126.20")], &of_ubuntu).unwrap();
    let of_nvidia: Vec<&String> =
        outcome.installed.iter().filter(|package| package.contains("nvidia")).collect();
    assert!(of_nvidia.iter().all(|package| package.ends_with("=580.126.20-1ubuntu1")), "{of_nvidia:?}");
}

#[test]
fn without_the_repository_its_entry_is_shown() {
    let error = plan(&section(DriverSource::Cuda, "580"), &[], &suffixed("580.126.20")).unwrap_err();
    let uri = "uri: https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64\n";
    says(&error, codes::NVIDIA_DRIVER, &[uri, "fingerprint: EB693B3035CD5710E231E123A4B469963BF863CC"]);
    let text = error.help().unwrap().split_once('\n').unwrap().1;
    let entry: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(entry[0]["suites"][0], "/");
}

#[test]
fn a_version_of_which_a_part_is_missing_is_passed_over() {
    let broken = suffixed("580.142").replace("nvidia-dkms-580-open ", "something-else ");
    let found =
        plan(&section(DriverSource::Cuda, "580"), &[broken.clone(), suffixed("580.126.20")], "").unwrap();
    assert_eq!(found.driver().version, "580.126.20");
    let other = suffixed("580.126.20").replace("nvidia-utils-580 ", "something-else ");
    let error = plan(&section(DriverSource::Cuda, "580"), &[broken, other], "").unwrap_err();
    says(&error, codes::NVIDIA_MISMATCH, &["nvidia-dkms-580-open: 580.126.20", "nvidia-utils-580: 580.142"]);
}

#[test]
fn packages_for_debian_have_names_of_their_own() {
    let build = "590.48.01-1";
    let cuda = format!(
        "nvidia-driver-cuda {build} Depends: libcuda1 (= {build})
        nvidia-kernel-open-dkms {build} Depends: dkms
        libcuda1 {build}
        libcuda1 610.43.02-1
        nvidia-persistenced {build}"
    );
    let archives = [("Debian", BUILD), ("NVIDIA", &*cuda)];
    let found = outcome(&section(DriverSource::Cuda, "590"), "debian-13", &archives, "").unwrap();
    assert!(found.has("libcuda1=590.48.01-1") && found.has("nvidia-kernel-open-dkms=590.48.01-1"));
    assert_eq!(found.kernels(), ["6.12.117+deb13-amd64 by DKMS"]);
}
