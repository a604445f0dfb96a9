//! What a node with a GPU gets, as archives of packages: Debian's, with the driver and what builds its modules, and
//! NVIDIA's, with the container toolkit. Names, versions, dependencies and places of files are those of the real ones;
//! what is in the files stands in for it.

use std::path::Path;

use fs_err as fs;

use crate::apt_repository::{Suite, control, key};
use crate::deb::Deb;
use crate::kernel_module;
use crate::samples;

/// The version of the driver.
pub const DRIVER: &str = "535.247.01";
/// That of its packages.
const DEBIAN: &str = "535.247.01-1~deb12u1";
const TOOLKIT: &str = "1.18.0-1";
/// The image that stands in for the device plugin.
pub const PLUGIN: &str = samples::DOCKER;
/// What only the solver asks for: every node has it.
const INSTALLED: [&str; 3] =
    ["base-files 12; Essential: yes; Priority: required", "apt 2.6.1; Priority: important", "libc6 2.36"];

/// The part of the spec that asks for all of it.
pub fn spec(upstream: &str) -> String {
    format!(
        "apt:\n  repositories:\n    - {{uri: {upstream}/toolkit, suites: [\"/\"], signedBy: toolkit.asc}}\n  \
         targets:\n    - host: debian-12\n      archive: {{uri: {upstream}/debian, signedBy: debian.asc}}\n\
         nvidia:\n  driver: {{kernels: [{}]}}\n  devicePlugin: {PLUGIN}\n",
        kernel()
    )
}

/// Writes the archives below `files`, and their keys beside the spec in `directory`.
pub fn write(files: &Path, directory: &Path) {
    let installed = INSTALLED.map(control);
    suite(&files.join("debian"), "bookworm", driver(directory), &installed).write();
    for empty in ["bookworm-updates", "bookworm-security"] {
        suite(&files.join("debian"), empty, Vec::new(), &[]).write();
    }
    Suite { key: 2, ..suite(&files.join("toolkit"), "/", toolkit(), &[]) }.write();
    for (name, number) in [("debian.asc", 1), ("toolkit.asc", 2)] {
        fs::write(directory.join(name), key(number).armored_keyring().unwrap()).unwrap();
    }
}

fn suite(root: &Path, name: &str, packages: Vec<Deb>, others: &[String]) -> Suite {
    let mut suite = Suite::new(root, name, &[]);
    suite.packages = others.iter().cloned().chain(packages.iter().map(|deb| deb.control.clone())).collect();
    suite.archives = packages.iter().map(|deb| (deb.name().to_owned(), deb.build())).collect();
    suite
}

/// The driver of Debian, with DKMS.
fn driver(directory: &Path) -> Vec<Deb> {
    let libraries = format!("/usr/lib/{}-linux-gnu/nvidia/current", std::env::consts::ARCH);
    let sources = format!("/usr/src/nvidia-current-open-{DRIVER}");
    let module = |name| kernel_module::file(directory, name, DRIVER, &kernel());
    let of_driver = |text: &str| Deb::new(&text.replace("VERSION", DEBIAN));
    let build = include_str!("../support/nvidia/build-modules.sh").replace("VERSION", DRIVER);
    vec![
        of_driver("nvidia-smi VERSION; Depends: libnvidia-ml1 (= VERSION)")
            .program("/usr/bin/nvidia-smi", include_str!("../support/nvidia/nvidia-smi.sh")),
        of_driver("libnvidia-ml1 VERSION; Depends: libc6").file(&format!("{libraries}/libnvidia-ml.so.{DRIVER}"), ""),
        of_driver("libcuda1 VERSION; Depends: libc6").file(&format!("{libraries}/libcuda.so.{DRIVER}"), ""),
        of_driver("libnvidia-cfg1 VERSION; Depends: libc6"),
        of_driver("firmware-nvidia-gsp VERSION"),
        of_driver("nvidia-kernel-support VERSION")
            .file("/etc/modprobe.d/nvidia.conf", include_str!("../support/nvidia/aliases.conf")),
        of_driver("nvidia-open-kernel-dkms VERSION; Depends: dkms, nvidia-kernel-support (= VERSION), firmware-nvidia-gsp (= VERSION)")
            .file(&format!("{sources}/nvidia-current-open.ko"), module("nvidia"))
            .file(&format!("{sources}/nvidia-current-open-uvm.ko"), module("nvidia_uvm"))
            .after_unpacking(&build),
        Deb::new("nvidia-persistenced 535.171.04-1; Depends: libnvidia-cfg1")
            .program("/usr/bin/nvidia-persistenced", include_str!("../support/nvidia/nvidia-persistenced.sh"))
            .file(
                "/usr/lib/systemd/system/nvidia-persistenced.service",
                include_str!("../support/nvidia/nvidia-persistenced.service"),
            ),
        Deb::new("dkms 3.0.10-8+deb12u1; Architecture: all; Depends: gcc, make")
            .program("/usr/sbin/dkms", include_str!("../support/nvidia/dkms.sh")),
        Deb::new("gcc 4:12.2.0-3"),
        Deb::new("make 4.3-4.1"),
        Deb::new("zstd 1.5.4+dfsg2-5"),
        Deb::new(&format!("linux-headers-{} 1", kernel())).file(&format!("/lib/modules/{}/build/Makefile", kernel()), ""),
    ]
}

/// The container toolkit of NVIDIA: four packages that want each other in one version.
fn toolkit() -> Vec<Deb> {
    let of_toolkit = |text: &str| Deb::new(&text.replace("VERSION", TOOLKIT));
    let runtime = include_str!("../support/nvidia/nvidia-container-runtime.sh");
    vec![
        of_toolkit(
            "nvidia-container-toolkit VERSION; Depends: nvidia-container-toolkit-base (= VERSION), libnvidia-container-tools (= VERSION)",
        ),
        of_toolkit("nvidia-container-toolkit-base VERSION")
            .program("/usr/bin/nvidia-ctk", include_str!("../support/nvidia/nvidia-ctk.sh"))
            .program("/usr/bin/nvidia-container-runtime", runtime)
            .program("/usr/bin/nvidia-container-runtime.cdi", runtime)
            .file(
                "/usr/lib/systemd/system/nvidia-cdi-refresh.service",
                include_str!("../support/nvidia/nvidia-cdi-refresh.service"),
            )
            .after_unpacking("#!/bin/sh\nsystemctl enable --quiet nvidia-cdi-refresh.service\n"),
        of_toolkit("libnvidia-container-tools VERSION; Depends: libnvidia-container1 (= VERSION)"),
        of_toolkit("libnvidia-container1 VERSION; Depends: libc6"),
    ]
}

/// The kernel of all nodes.
fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim().to_owned()
}
