//! What this machine needs for a proof: programs, rights, the architecture, room.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::sandbox;
use crate::build::target::{Probe, require_space};
use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;

/// The programs, each with the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("apt-get", "apt"),
    ("dpkg", "dpkg"),
    ("mmdebstrap", "mmdebstrap"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
];

/// Makes sure that a proof for `platform` can run here. Cheap enough to be asked before anything is fetched.
///
/// # Errors
/// `E0870`, `E0871` or `E0872`, with what is missing and how to get it.
pub async fn check(platform: Platform) -> Result<()> {
    let directories: Vec<PathBuf> = sandbox::SEARCH_PATH.split(':').map(PathBuf::from).collect();
    check_programs(&|program| directories.iter().any(|directory| directory.join(program).is_file()))?;
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(
            codes::PROVE_RIGHTS,
            "only root can make a root of another release for a proof",
        )
        .with_help("run the same command with `sudo`, or leave `--prove` out"));
    }
    check_architecture(platform, Platform::current(), Path::new("/proc/sys/fs/binfmt_misc"))?;
    sandbox::check().await
}

fn check_programs(has: &dyn Fn(&str) -> bool) -> Result<()> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !has(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs = missing.iter().map(|(program, _)| *program).collect::<Vec<_>>().join(", ");
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let help = format!(
        "on Debian or Ubuntu run `apt-get install {}`; elsewhere leave `--prove` out and prove it on a Debian machine",
        packages.join(" ")
    );
    Err(Error::new(codes::PROVE_TOOLS, format!("a proof needs {programs}, which this machine lacks"))
        .with_help(help))
}

/// Foreign programs run where the kernel was told of an emulator (Linux, Documentation/admin-guide/binfmt-misc.rst).
fn check_architecture(wanted: Platform, own: Option<Platform>, formats: &Path) -> Result<()> {
    let emulator = match wanted {
        Platform::LinuxAmd64 => "qemu-x86_64",
        Platform::LinuxArm64 => "qemu-aarch64",
    };
    let is_enabled = |text: String| text.starts_with("enabled");
    if own == Some(wanted) || fs::read_to_string(formats.join(emulator)).is_ok_and(is_enabled) {
        return Ok(());
    }
    let architecture = wanted.architecture();
    let message = format!("this machine cannot run programs for {architecture}, which the proof has to");
    Err(Error::new(codes::PROVE_ARCHITECTURE, message).with_help(format!(
        "run `apt-get install qemu-user-static binfmt-support`, or prove it on a machine with {architecture}"
    )))
}

/// Makes sure that `needed` bytes fit into `directory`.
///
/// # Errors
/// `E0602` with how much is missing.
pub(super) fn check_space(probe: &dyn Probe, directory: &Path, needed: u64) -> Result<()> {
    require_space(probe, directory, needed, "the proof")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package_once() {
        check_programs(&|_| true).unwrap();
        let error = check_programs(&|program| program == "apt-get" || program == "dpkg").unwrap_err();
        assert_eq!(error.kind().exit_status(), 7);
        assert_eq!(error.message(), "a proof needs mmdebstrap, setpriv, unshare, which this machine lacks");
        assert!(error.help().unwrap().contains("`apt-get install mmdebstrap util-linux`"));
    }

    #[test]
    fn a_foreign_architecture_takes_an_emulator() {
        let formats = tempfile::tempdir().unwrap();
        let (amd64, arm64) = (Platform::LinuxAmd64, Platform::LinuxArm64);
        check_architecture(amd64, Some(amd64), formats.path()).unwrap();
        let error = check_architecture(arm64, Some(amd64), formats.path()).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::PROVE_ARCHITECTURE, 7));
        fs::write(formats.path().join("qemu-aarch64"), "disabled\n").unwrap();
        check_architecture(arm64, Some(amd64), formats.path()).unwrap_err();
        fs::write(formats.path().join("qemu-aarch64"), "enabled\ninterpreter /usr/bin/qemu\n").unwrap();
        check_architecture(arm64, Some(amd64), formats.path()).unwrap();
    }
}
