//! Whether the bundle is for such a machine.

use super::super::outcome::{block, listed, passed, unknown};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "B3",
        title: "architecture",
        severity: Severity::Block,
        threshold: "one of the bundle's platforms; without a bundle x86_64 or aarch64",
        concern: Concern::All,
        examine: architecture,
        mend: None,
    },
    Check {
        id: "B4",
        title: "distribution",
        severity: Severity::Block,
        threshold: "one of the bundle's hosts",
        concern: Concern::All,
        examine: distribution,
        mend: None,
    },
    Check {
        id: "B5",
        title: "kernel that the bundle's NVIDIA modules are for",
        severity: Severity::Block,
        threshold: "one of the bundle's kernels, or one that DKMS can build for",
        concern: Concern::Gpu,
        examine: kernel,
        mend: None,
    },
];

fn architecture(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let machine = facts.machine.architecture.as_str();
    let name = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let known = ["amd64", "arm64"].map(str::to_owned).to_vec();
    let served = circumstances.bundle.as_ref().map_or(known, |bundle| bundle.architectures.clone());
    if served.iter().any(|one| one == name) {
        return passed(machine);
    }
    let remedy = match name {
        "amd64" | "arm64" => format!("add `linux/{name}` to `platforms` in bundle.yaml and build it again"),
        _ => "use a machine with an x86-64 or 64-bit ARM processor and system".to_owned(),
    };
    block(format!("{machine}; served are {}", listed(served)), remedy)
}

fn distribution(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(host) = facts.os.host() else { return unknown("/etc/os-release does not say which it is") };
    let Some(bundle) = &circumstances.bundle else { return passed(format!("{host}; no bundle is given")) };
    if bundle.hosts.is_empty() || bundle.hosts.contains(&host) {
        return passed(host);
    }
    block(
        format!("{host}; the bundle is for {}", listed(&bundle.hosts)),
        format!(
            "add `{host}` to `hosts`, and a target for it under `apt`, in bundle.yaml and build it again; or install without its packages: `--no-packages`"
        ),
    )
}

fn kernel(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(release) = &facts.kernel.release else {
        return unknown("the release of the kernel is not known");
    };
    let driver = circumstances.bundle.as_ref().zip(facts.os.host());
    let Some(driver) = driver.and_then(|(bundle, host)| bundle.drivers.get(&host)) else {
        return passed(format!("{release}; the bundle brings no driver"));
    };
    let has_kernels = !(driver.prebuilt.is_empty() && driver.built.is_empty());
    if !has_kernels
        || driver.prebuilt.contains(release)
        || driver.built.contains(release)
        || facts.gpu.headers
    {
        return passed(release);
    }
    let kernels = listed(driver.prebuilt.iter().chain(&driver.built));
    block(
        format!("{release}; the bundle has modules for {kernels}"),
        format!(
            "start one of these kernels, or add `{release}` to `nvidia.driver.kernels` in bundle.yaml and build it again"
        ),
    )
}
