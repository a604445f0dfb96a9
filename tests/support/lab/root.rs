//! The root of a release as a fresh installation has it, made by mmdebstrap once and kept.
//!
//! The mirror is the one that this machine's apt is configured with.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use airlock::oci::digest::Digest;
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::command::{command, finish, run};
use super::release::Release;
use super::{Result, rootfs_settings};

/// Part of the name of a root; a new one when [`rootfs_settings`] change.
const SETTINGS_VERSION: &str = "3";

/// The root of `release` below `roots`; made if it is not there.
pub fn prepare(roots: &Path, release: Release) -> Result<PathBuf> {
    fs::create_dir_all(roots)?;
    // Whoever else wants the same root waits until it is made.
    let lock = fs::File::create(roots.join(format!("{}.lock", release.as_str())))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let recipe = [release.packages(), release.arguments(), &[SETTINGS_VERSION]].concat().join(" ");
    let digest = Digest::of(recipe.as_bytes()).hex();
    let root = roots.join(format!("{}-{}", release.as_str(), &digest[..12]));
    if !root.exists() {
        let partial = roots.join(format!("{}.partial", release.as_str()));
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        make(&partial, release)?;
        rootfs_settings::write(&partial, release)?;
        fs::rename(&partial, &root)?;
    }
    Ok(root)
}

fn make(directory: &Path, release: Release) -> Result<()> {
    let mut mmdebstrap = command(
        "mmdebstrap",
        &[
            "--quiet",
            "--mode=root",
            "--format=directory",
            "--variant=minbase",
            // Nobody needs the root after a power cut, and without syncs it is made much quicker.
            "--dpkgopt=force-unsafe-io",
            "--aptopt=APT::Install-Recommends \"false\"",
            // A mirror may be stale; what is tested here is not the mirror.
            "--aptopt=Acquire::Check-Valid-Until \"false\"",
        ],
    );
    mmdebstrap.arg(format!("--include={}", release.packages().join(",")));
    mmdebstrap.args(release.arguments()).arg(release.as_str()).arg(directory).arg(mirror()?);
    finish(&mut mmdebstrap).map(drop)
}

/// The address of the Debian archive in this machine's apt configuration.
pub fn mirror() -> Result<String> {
    // apt takes half a second to say it, and every lab asks.
    static MIRROR: OnceLock<Option<String>> = OnceLock::new();
    MIRROR
        .get_or_init(|| archive("Debian"))
        .clone()
        .ok_or_else(|| "this machine's apt has no Debian archive; run `apt-get update`".into())
}

/// The address of the archive whose `Release` has this label.
pub fn archive(label: &str) -> Option<String> {
    let format = "$(LABEL)|$(REPO_URI)";
    let listed = run("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]).ok()?;
    let mut lines = listed.lines().filter_map(|line| line.split_once('|'));
    lines.find(|(found, _)| *found == label).map(|(_, address)| address.to_owned())
}
