//! Tests of the container toolkit.

use super::*;

/// A version as NVIDIA's repository has it: from 1.18.0 on every part needs the same version of the next.
fn toolkit(version: &str, operator: &str) -> String {
    format!(
        "nvidia-container-toolkit {version} Depends: nvidia-container-toolkit-base (= {version}), libnvidia-container-tools ({operator} {version})
        nvidia-container-toolkit-base {version}
        libnvidia-container-tools {version} Depends: libnvidia-container1 ({operator} {version})
        libnvidia-container1 {version}
        "
    )
}

fn plan(version: Option<&str>, repository: &str) -> Result<Outcome> {
    let wish = ContainerToolkit { version: version.map(str::to_owned), line: 9 };
    let nvidia =
        Nvidia { driver: None, container_toolkit: Some(wish), ..section(DriverSource::Distribution, "580") };
    outcome(&nvidia, "ubuntu-24.04", &[("libnvidia-container", repository)], "")
}

fn repository() -> String {
    toolkit("1.17.8-1", ">=") + &toolkit("1.18.0-1", "=") + &toolkit("1.18.1-1", "=")
}

#[test]
fn all_four_have_one_version() {
    for (version, expected) in [(None, "1.18.1"), (Some("1.18.0"), "1.18.0"), (Some("1.17.8"), "1.17.8")] {
        let outcome = plan(version, &repository()).unwrap();
        assert_eq!(outcome.installed.len(), 4);
        let all = outcome.installed.iter().all(|package| package.ends_with(&format!("={expected}-1")));
        assert!(all, "{:?}", outcome.installed);
        assert_eq!(outcome.asked(Purpose::ContainerToolkit).len(), 4);
        assert_eq!(outcome.wanted.record.container_toolkit.as_deref(), Some(expected));
        assert_eq!(outcome.wanted.record.driver, None);
    }
}

#[test]
fn a_half_published_version_is_passed_over() {
    let outcome = plan(None, &(repository() + "nvidia-container-toolkit 1.19.0-1")).unwrap();
    assert!(outcome.has("nvidia-container-toolkit=1.18.1-1"));
}

#[test]
fn what_is_not_there_is_told_with_versions_or_the_entry_of_the_repository() {
    let error = plan(Some("1.16.0"), &repository()).unwrap_err();
    says(&error, codes::NVIDIA_TOOLKIT, &["1.16.0", "1.18.1, 1.18.0, 1.17.8", "line 9 of bundle.yaml"]);
    let error = plan(None, "nvidia-container-toolkit 1.18.0-1").unwrap_err();
    let parts = [
        "libnvidia-container1: not there",
        "uri: https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)\n",
        "fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0",
    ];
    says(&error, codes::NVIDIA_TOOLKIT, &parts);
}
