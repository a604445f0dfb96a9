//! Roots of Debian releases, made by mmdebstrap from the mirror that this machine's apt is configured with.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Makes the root a mount of its own, as programs that unpack images want it, in namespaces that take everything
/// with them when the program ends.
const ENTER: &str = r#"mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@""#;

/// The root of a release, made on first use and kept below `target`. `None`, loudly, where that is not possible.
pub fn root(release: &str) -> Option<PathBuf> {
    root_with(release, release, &[])
}

/// The same with these packages besides, kept under its own `name`.
pub fn root_with(name: &str, release: &str, packages: &[&str]) -> Option<PathBuf> {
    let include = format!("--include={}", packages.join(","));
    let usual = ["--variant=apt", "--aptopt=APT::Install-Recommends \"false\"", &include];
    root_of(name, release, &usual[..if packages.is_empty() { 2 } else { 3 }])
}

/// A root made with these arguments of mmdebstrap, kept under its `name`.
pub fn root_of(name: &str, release: &str, arguments: &[&str]) -> Option<PathBuf> {
    let roots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("roots");
    let path = roots.join(name);
    fs_err::create_dir_all(&roots).unwrap();
    // Tests that need the same root wait for the one that makes it.
    let lock = fs_err::File::create(roots.join(format!("{name}.lock"))).unwrap();
    rustix::fs::flock(lock.file(), rustix::fs::FlockOperation::LockExclusive).unwrap();
    if path.exists() {
        return Some(path);
    }
    let is_there = Command::new("mmdebstrap").arg("--version").output().is_ok();
    if !is_there || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a root of {release} takes mmdebstrap and the rights of root");
        return None;
    }
    // A root that is not complete never gets the name.
    let directory = tempfile::tempdir_in(&roots).unwrap();
    let unfinished = directory.path().join("root");
    let mut command = Command::new("mmdebstrap");
    // A mirror may be stale; what is tested here is not the mirror.
    command.args(["--mode=root", "--aptopt=Acquire::Check-Valid-Until \"false\""]).args(arguments);
    let made = command.arg(release).arg(&unfinished).arg(mirror()?).output().unwrap();
    if !made.status.success() {
        eprintln!("SKIPPED: no root of {release} can be made: {}", String::from_utf8_lossy(&made.stderr));
        return None;
    }
    fs_err::rename(&unfinished, &path).unwrap();
    Some(path)
}

/// Where this machine gets its own packages from.
fn mirror() -> Option<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(SITE)", "Created-By: Packages", "Component: main"])
        .output()
        .ok()?;
    let sites = String::from_utf8_lossy(&targets.stdout);
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

/// A program inside a root, with its processes and mounts, all of which end with it.
pub fn enter(root: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", ENTER]).arg(root);
    command
}
