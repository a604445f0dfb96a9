//! Roots of Debian releases, made by mmdebstrap from the mirror that this machine's apt is configured with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{has, said};

/// The root of a release, made on first use and kept below `target`. `None`, loudly, where that is not possible.
pub fn root(release: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots").join(release);
    if path.join("etc/debian_version").exists() {
        return Some(path);
    }
    if !has("mmdebstrap") || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a root of {release} takes mmdebstrap and the rights of root");
        return None;
    }
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    // A mirror may be stale; what is tested here is not the mirror.
    let made = Command::new("mmdebstrap")
        .args(["--variant=apt", "--mode=root", "--aptopt=Acquire::Check-Valid-Until \"false\"", release])
        .arg(&path)
        .arg(mirror()?)
        .output()
        .unwrap();
    if !made.status.success() {
        eprintln!("SKIPPED: no root of {release} can be made: {}", said(&made));
        return None;
    }
    Some(path)
}

/// Where this machine gets its own packages from.
fn mirror() -> Option<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(SITE)", "Created-By: Packages", "Component: main"])
        .output()
        .ok()?;
    let sites = said(&targets);
    let site = sites.lines().find(|site| !site.contains("security")).map(str::to_owned);
    if site.is_none() {
        eprintln!("SKIPPED: this machine's apt has no mirror configured");
    }
    site
}

/// Runs a shell command inside a root.
pub fn run(root: &Path, command: &str) -> Output {
    Command::new("chroot").arg(root).args(["/bin/sh", "-c", command]).env("LC_ALL", "C").output().unwrap()
}
