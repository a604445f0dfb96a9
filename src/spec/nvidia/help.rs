//! What to add to `bundle.yaml` so that a target has a repository with what is missing.

use crate::oci::platform::Platform;

/// The key of NVIDIA's CUDA repositories, but not of those for the latest releases.
const CUDA_KEY: &str = "EB693B3035CD5710E231E123A4B469963BF863CC";

/// The entry of NVIDIA's repository of the container toolkit.
pub(crate) fn toolkit() -> String {
    let base = "https://nvidia.github.io/libnvidia-container";
    let fingerprint = Some("C95B321B61E88C1809C4F759DDCAE044F796ECB0");
    entry(&format!("{base}/stable/deb/$(ARCH)"), &format!("{base}/gpgkey"), fingerprint)
}

/// The entry of NVIDIA's CUDA repository for a distribution.
pub(crate) fn cuda(host: &str, platform: Platform) -> String {
    // Release 24.04 of Ubuntu is `ubuntu2404` there, Debian 12 is `debian12`.
    let release: String = host.chars().filter(char::is_ascii_alphanumeric).collect();
    let machine = match platform {
        Platform::LinuxAmd64 => "x86_64",
        Platform::LinuxArm64 => "sbsa",
    };
    let uri = format!("https://developer.download.nvidia.com/compute/cuda/repos/{release}/{machine}");
    match release.as_str() {
        "ubuntu2204" | "ubuntu2404" | "debian12" => {
            entry(&uri, &format!("{uri}/3bf863cc.pub"), Some(CUDA_KEY))
        }
        _ => entry(&uri, &format!("{uri}/cuda-archive-keyring.gpg"), None),
    }
}

/// The components of a distribution's archive that have its driver.
pub(crate) fn components(host: &str) -> String {
    let components = match host.starts_with("ubuntu-") {
        true => "main, restricted, universe, multiverse",
        false => "main, contrib, non-free, non-free-firmware",
    };
    format!("add `archive: {{components: [{components}]}}` to the target")
}

fn entry(uri: &str, key: &str, fingerprint: Option<&str>) -> String {
    let fingerprint = fingerprint.unwrap_or("THE FINGERPRINT THAT NVIDIA PUBLISHES");
    format!(
        "add this under `repositories` of `apt` or of the target:\n  - uri: {uri}\n    suites: [\"/\"]\n    signedBy:\n      url: {key}\n      fingerprint: {fingerprint}"
    )
}
