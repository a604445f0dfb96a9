//! Tests of Ubuntu's own driver.

use super::*;

/// The packages of a branch in one version, as the archive has them. `-open` or nothing is the flavour.
fn driver(branch: &str, version: &str, flavour: &str) -> String {
    let build = format!("{version}-0ubuntu0.24.04.1");
    let server = format!("{branch}-server");
    format!(
        "nvidia-headless-no-dkms-{server}{flavour} {build} Depends: libnvidia-cfg1-{server} (= {build}), libnvidia-compute-{server} (= {build}), nvidia-compute-utils-{server} (= {build}), nvidia-kernel-common-{server} (= {build})
        nvidia-dkms-{server}{flavour} {build} Depends: dkms (>= 3.0), nvidia-kernel-common-{server} (= {build}); Conflicts: nvidia-dkms-kernel; Provides: nvidia-dkms-kernel
        nvidia-utils-{server} {build} Depends: libnvidia-compute-{server}
        nvidia-compute-utils-{server} {build} Depends: libnvidia-compute-{server}
        libnvidia-cfg1-{server} {build}
        libnvidia-compute-{server} {build} Depends: nvidia-kernel-common-{server}-{version}
        nvidia-kernel-common-{server} {build} Depends: nvidia-firmware-{server}-{version}; Provides: nvidia-kernel-common-{server}-{version}
        nvidia-firmware-{server}-{version} {build}
        nvidia-fabricmanager-{branch} {build} Depends: nvidia-kernel-common-{server}-{version}
        libnvidia-nscq-{branch} {build}
        "
    )
}

/// Prebuilt modules of a version for a kernel. Closed ones come in parts.
fn modules(branch: &str, version: &str, flavour: &str, kernel: &str) -> String {
    let abi = kernel.trim_end_matches("-generic");
    let name = format!("linux-modules-nvidia-{branch}-server{flavour}");
    let parts = match flavour {
        "" => format!(
            "linux-signatures-nvidia-{kernel} (= {abi}.1), linux-objects-nvidia-{branch}-server-{kernel} (= {abi}.1), "
        ),
        _ => String::new(),
    };
    format!(
        "{name}-{kernel} {abi}.1 Depends: linux-image-{kernel} | linux-image-unsigned-{kernel}, {parts}nvidia-kernel-common-{branch}-server (<= {version}-1), nvidia-kernel-common-{branch}-server (>= {version})
        {name}-generic {abi}.1 Depends: {name}-{kernel} (= {abi}.1), nvidia-kernel-common-{branch}-server (>= {version})
        linux-signatures-nvidia-{kernel} {abi}.1
        linux-objects-nvidia-{branch}-server-{kernel} {abi}.1
        "
    )
}

const OLD: &str = "6.8.0-60-generic";
const NEW: &str = "6.8.0-110-generic";

fn plan(nvidia: &Nvidia, archive: &[String]) -> Result<Outcome> {
    outcome(nvidia, "ubuntu-24.04", &[("Ubuntu", &(archive.concat() + BUILD))], "")
}

fn of(branch: &str, kernels: &[&str]) -> Nvidia {
    let kernels = kernels.iter().map(|kernel| (*kernel).to_owned()).collect();
    with(section(DriverSource::Distribution, branch), |driver| driver.kernels = kernels)
}

#[test]
fn prebuilt_modules_need_no_compiler() {
    let archive = [driver("580", "580.159.03", "-open"), modules("580", "580.159.03", "-open", NEW)];
    let outcome = plan(&of("580", &[NEW]), &archive).unwrap();
    assert_eq!(
        outcome.asked(Purpose::Driver),
        [
            "nvidia-headless-no-dkms-580-server-open",
            "nvidia-utils-580-server",
            "linux-modules-nvidia-580-server-open-6.8.0-110-generic"
        ]
    );
    assert!(outcome.has("nvidia-firmware-580-server-580.159.03=580.159.03-0ubuntu0.24.04.1"));
    assert!(
        !outcome.installed.iter().any(|package| package.starts_with("dkms") || package.starts_with("gcc"))
    );
    assert_eq!((outcome.driver().version.as_str(), outcome.driver().open), ("580.159.03", true));
    assert_eq!(outcome.kernels(), [NEW]);
    assert_eq!(outcome.wanted.warnings, Vec::<String>::new());
}

#[test]
fn closed_modules_bring_their_objects_and_signatures() {
    let archive = [driver("570", "570.195.03", ""), modules("570", "570.195.03", "", OLD)];
    let nvidia = with(of("570", &[OLD]), |driver| driver.flavour = Flavour::Proprietary);
    let outcome = plan(&nvidia, &archive).unwrap();
    assert!(outcome.has("linux-objects-nvidia-570-server-6.8.0-60-generic=6.8.0-60.1"));
    assert!(outcome.has("linux-signatures-nvidia-6.8.0-60-generic=6.8.0-60.1"));
    assert!(!outcome.driver().open);
}

#[test]
fn libraries_follow_the_modules_and_not_the_newest_version() {
    let archive = [
        driver("580", "580.159.03", "-open"),
        driver("580", "580.142", "-open"),
        modules("580", "580.142", "-open", OLD),
    ];
    let outcome = plan(&of("580", &[OLD]), &archive).unwrap();
    assert_eq!(outcome.driver().version, "580.142");
    assert!(outcome.wanted.warnings[0].contains("version 580.142: in 580.159.03 not all"));
    for package in
        ["libnvidia-compute-580-server", "nvidia-kernel-common-580-server", "nvidia-compute-utils-580-server"]
    {
        assert!(outcome.has(&format!("{package}=580.142-0ubuntu0.24.04.1")), "{:?}", outcome.installed);
    }
    assert!(!outcome.installed.iter().any(|package| package.contains("580.159.03")));
}

#[test]
fn one_kernel_without_modules_makes_dkms_build_for_all() {
    let archive = [driver("580", "580.159.03", "-open"), modules("580", "580.159.03", "-open", NEW)];
    let outcome = plan(&of("580", &[NEW, OLD]), &archive).unwrap();
    assert_eq!(outcome.kernels(), ["6.8.0-110-generic by DKMS", "6.8.0-60-generic by DKMS"]);
    assert!(outcome.has("linux-headers-6.8.0-60-generic=6.8.0-60.63"));
    assert!(
        outcome.wanted.warnings[0]
            .contains("6.8.0-110-generic, 6.8.0-60-generic of the NVIDIA driver: nodes build them")
    );
    assert!(outcome.has("nvidia-dkms-580-server-open=580.159.03-0ubuntu0.24.04.1"));
    assert!(outcome.has("zstd=1.5") && outcome.has("make=4.3"));
    assert!(!outcome.installed.iter().any(|package| package.starts_with("linux-modules-nvidia")));
}

#[test]
fn modules_of_two_versions_do_not_go_with_one_set_of_libraries() {
    let archive = [
        driver("580", "580.159.03", "-open"),
        driver("580", "580.142", "-open"),
        modules("580", "580.159.03", "-open", NEW),
        modules("580", "580.142", "-open", OLD),
    ];
    let outcome = plan(&of("580", &[NEW, OLD]), &archive).unwrap();
    assert_eq!(outcome.kernels(), ["6.8.0-110-generic by DKMS", "6.8.0-60-generic by DKMS"]);
    assert_eq!(outcome.driver().version, "580.159.03");
}

#[test]
fn without_kernels_the_newest_with_modules_travels_along() {
    let archive = [driver("580", "580.159.03", "-open"), modules("580", "580.159.03", "-open", NEW)];
    let outcome = plan(&of("580", &[]), &archive).unwrap();
    assert_eq!(outcome.kernels(), [NEW]);
    assert!(outcome.has("linux-image-6.8.0-110-generic=6.8.0-110.110"));
    assert!(outcome.has("linux-modules-extra-6.8.0-110-generic=6.8.0-110.110"));
    assert!(!outcome.installed.iter().any(|package| package.contains("-generic=6.8.0-110.1")
        && package.starts_with("linux-modules-nvidia-580-server-open-generic")));

    let outcome = plan(&of("580", &[]), &archive[..1]).unwrap();
    assert_eq!(outcome.kernels(), ["6.8.0-110-generic by DKMS"]);
    assert!(outcome.has("linux-image-6.8.0-110-generic=6.8.0-110.110"));
}

#[test]
fn a_kernel_with_nothing_is_named_with_those_that_have_modules() {
    let archive = [driver("580", "580.159.03", "-open"), modules("580", "580.159.03", "-open", NEW)];
    let error = plan(&of("580", &["6.5.0-1-generic"]), &archive).unwrap_err();
    says(
        &error,
        codes::NVIDIA_KERNEL,
        &["kernel 6.5.0-1-generic", "6.8.0-110-generic", "line 7 of bundle.yaml"],
    );
    let error = plan(&of("580", &["6.5.0-1-generic"]), &archive[..1]).unwrap_err();
    says(&error, codes::NVIDIA_KERNEL, &["6.8.0-110-generic, 6.8.0-60-generic;"]);
}

#[test]
fn an_exact_version_is_found_or_others_are_shown() {
    let archive = [driver("580", "580.159.03", "-open"), driver("580", "580.142", "-open")];
    let exact = |version: &str| with(of("", &[OLD]), |driver| driver.version = Some(version.to_owned()));
    assert_eq!(plan(&exact("580.142"), &archive).unwrap().driver().version, "580.142");
    let error = plan(&exact("580.1"), &archive).unwrap_err();
    says(&error, codes::NVIDIA_DRIVER, &["driver 580.1 needs", "580.159.03, 580.142"]);
}

#[test]
fn an_unknown_branch_is_answered_with_the_branches_or_the_component() {
    let error = plan(&of("999", &[OLD]), &[driver("580", "580.142", "-open")]).unwrap_err();
    says(&error, codes::NVIDIA_DRIVER, &["nvidia-headless-no-dkms-999-server-open", "`driver.branch`: 580"]);
    says(&plan(&of("580", &[OLD]), &[]).unwrap_err(), codes::NVIDIA_DRIVER, &["restricted"]);
    says(&plan(&of("", &[OLD]), &[]).unwrap_err(), codes::NVIDIA_DRIVER, &["branch: \"580\""]);
}

#[test]
fn a_branch_that_has_ended_does_not_move_silently() {
    let ended = "nvidia-headless-no-dkms-565-server-open 565.57.01-0ubuntu0.24.04.4 Depends: nvidia-headless-no-dkms-580-server-open\n".to_owned();
    let archive = [driver("580", "580.159.03", "-open"), ended.clone()];
    let error = plan(&of("565", &[OLD]), &archive).unwrap_err();
    says(&error, codes::NVIDIA_TRANSITIONAL, &["565.57.01", "installs branch 580", "branch: \"580\""]);
    // As the archive of 26.04 has it: with the version of the other branch.
    let archive = [driver("580", "580.159.03", "-open"), ended.replace("565.57.01", "580.159.03")];
    let error = plan(&of("565", &[OLD]), &archive).unwrap_err();
    says(&error, codes::NVIDIA_TRANSITIONAL, &["installs branch 580"]);
}

#[test]
fn fabric_manager_has_the_version_of_the_driver_or_none_is_built() {
    let archive = [
        driver("580", "580.159.03", "-open"),
        driver("580", "580.142", "-open"),
        modules("580", "580.142", "-open", OLD),
    ];
    let nvidia = Nvidia { fabric_manager: true, ..of("580", &[OLD]) };
    let found = plan(&nvidia, &archive).unwrap();
    assert_eq!(found.asked(Purpose::FabricManager), ["nvidia-fabricmanager-580", "libnvidia-nscq-580"]);
    assert!(found.has("nvidia-fabricmanager-580=580.142-0ubuntu0.24.04.1"));
    assert_eq!(found.wanted.record.fabric_manager.as_deref(), Some("580.142"));

    let only_newer: Vec<String> = archive
        .iter()
        .map(|text| {
            let keep = |line: &&str| !(line.contains("nvidia-fabricmanager") && line.contains("580.142"));
            text.lines().filter(keep).map(|line| format!("{line}\n")).collect()
        })
        .collect();
    let error = plan(&nvidia, &only_newer).unwrap_err();
    says(&error, codes::NVIDIA_FABRIC_MANAGER, &["of the driver, 580.142", "`driver.version`", "580.159.03"]);
    let none = only_newer.concat().replace("nvidia-fabricmanager-580 ", "something-else ");
    let error = plan(&nvidia, &[none]).unwrap_err();
    says(&error, codes::NVIDIA_FABRIC_MANAGER, &["multiverse"]);
}
