//! The control group of a node. Every node needs its own: its systemd believes that all below is its own.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Result;

/// Where the hierarchies that systemd uses may be mounted: unified alone, or both of a hybrid set-up (`file-hierarchy`
/// of cgroups(7)). Where both exist, both are needed.
const HYBRID: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
const UNIFIED: &str = "/sys/fs/cgroup";

/// The control groups with this name, one in each hierarchy.
pub fn directories(name: &str) -> Vec<PathBuf> {
    let hybrid: Vec<&str> = HYBRID.into_iter().filter(|mount| Path::new(mount).is_dir()).collect();
    let mounts = if hybrid.is_empty() { vec![UNIFIED] } else { hybrid };
    mounts.into_iter().map(|mount| Path::new(mount).join(name)).collect()
}

/// Makes them.
pub fn create(directories: &[PathBuf]) -> Result<()> {
    directories.iter().try_for_each(|directory| Ok(fs::create_dir_all(directory)?))
}

/// Stops every process in the unified one, or lets all go on (cgroup-v2, `cgroup.freeze`).
pub fn set_frozen(directories: &[PathBuf], is_frozen: bool) -> Result<()> {
    let files = directories.iter().map(|directory| directory.join("cgroup.freeze"));
    let file = files.into_iter().find(|file| file.exists());
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
