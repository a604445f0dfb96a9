//! Real clients against the real program: what they push and pull keeps its digests. Those of other releases run in
//! roots of their own, which takes root and mmdebstrap; what is missing on a machine is skipped, loudly.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

mod apt;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod bundles;
mod containerd;
mod curl;
#[path = "../support/docker_registry.rs"]
mod docker_registry;
mod documented;
mod exchange;
#[path = "../support/images.rs"]
mod images;
mod machine;
mod oras;
#[path = "../support/packages.rs"]
mod packages;
mod podman;
#[path = "../support/roots.rs"]
mod roots;
mod served;
#[path = "../support/serving.rs"]
mod serving;
mod skopeo;
mod systemd;
#[path = "../support/tools.rs"]
mod tools;

use std::path::PathBuf;

/// The root with the clients of a release.
fn root_of_clients(release: &str) -> Option<PathBuf> {
    let packages: &[&str] = match release {
        "bookworm" => {
            &["containerd", "podman", "buildah", "ca-certificates", "systemd", "systemd-sysv", "dbus", "curl"]
        }
        _ => &["containerd", "podman", "buildah", "ca-certificates", "oras"],
    };
    roots::root_with(&format!("clients-{release}"), release, packages)
}
