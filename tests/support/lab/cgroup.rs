//! The control group of a node. Every node needs its own: its systemd believes that all below is its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::Result;

/// Where the hierarchies that systemd uses may be mounted: unified alone, or both of a hybrid set-up (`file-hierarchy`
/// of cgroups(7)). Where both exist, both are needed.
const HYBRID: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
const UNIFIED: &str = "/sys/fs/cgroup";
/// Where a hybrid set-up limits processors.
const HYBRID_PROCESSOR: &str = "/sys/fs/cgroup/cpu";
/// The time of which a limit is a share: what the kernel takes by itself, in microseconds.
const PERIOD: u32 = 100_000;

/// The control groups with this name, one in each hierarchy.
pub fn directories(name: &str) -> Vec<PathBuf> {
    let is_there = |mount: &&str| Path::new(mount).is_dir();
    let hybrid: Vec<&str> = HYBRID.into_iter().filter(is_there).collect();
    let mounts = match hybrid.is_empty() {
        true => vec![UNIFIED],
        false => hybrid.into_iter().chain([HYBRID_PROCESSOR].into_iter().filter(is_there)).collect(),
    };
    mounts.into_iter().map(|mount| Path::new(mount).join(name)).collect()
}

/// Makes them.
pub fn create(directories: &[PathBuf]) -> Result<()> {
    directories.iter().try_for_each(|directory| Ok(fs::create_dir_all(directory)?))
}

/// Lets all processes together have no more than this share of one processor, in percent (cgroup-v2, `cpu.max`;
/// `cpu.cfs_quota_us` of the older hierarchy).
pub fn limit_processor(directories: &[PathBuf], percent: u32) -> Result<()> {
    let quota = PERIOD / 100 * percent;
    if let Some(file) = existing(directories, "cpu.cfs_quota_us") {
        return Ok(fs::write(file, quota.to_string())?);
    }
    fs::write(Path::new(UNIFIED).join("cgroup.subtree_control"), "+cpu")?;
    let file = existing(directories, "cpu.max").ok_or("no hierarchy of control groups limits processors")?;
    Ok(fs::write(file, format!("{quota} {PERIOD}"))?)
}

/// How long processors have worked for all processes so far (cgroup-v2, `cpu.stat`).
pub fn processor_time(directories: &[PathBuf]) -> Result<Duration> {
    let lines =
        directories.iter().filter_map(|directory| fs::read_to_string(directory.join("cpu.stat")).ok());
    let lines: String = lines.collect();
    let used = lines.lines().find_map(|line| line.strip_prefix("usage_usec "));
    let used = used.ok_or("there is no unified hierarchy of control groups to read times from")?;
    Ok(Duration::from_micros(used.parse()?))
}

fn existing(directories: &[PathBuf], file: &str) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join(file)).find(|file| file.exists())
}

/// Stops every process in the unified one, or lets all go on (cgroup-v2, `cgroup.freeze`).
pub fn set_frozen(directories: &[PathBuf], is_frozen: bool) -> Result<()> {
    let file = existing(directories, "cgroup.freeze");
    let file = file.ok_or("there is no unified hierarchy of control groups to freeze a node in")?;
    Ok(fs::write(file, if is_frozen { "1" } else { "0" })?)
}

/// Removes them with all below. No process may be left in them.
pub fn remove(directories: &[PathBuf]) -> Result<()> {
    directories.iter().try_for_each(|directory| Ok(remove_below(directory)?))
}

// The files in them belong to the kernel and go away with their directory.
fn remove_below(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}
