//! The disk of a node: a layer over the root that all nodes of a release share, or a copy where there is no overlayfs.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Result;
use super::command::{command, finish, run};

/// The disk in the directory of a node.
pub struct Disk {
    directory: PathBuf,
}

impl Disk {
    /// The disk of the node in `directory`.
    pub fn of_node(directory: &Path) -> Disk {
        Disk { directory: directory.to_path_buf() }
    }

    /// Where it is mounted; what is written here is on the disk.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Makes it with the content of `base`.
    pub fn create(&self, base: &Path) -> Result<()> {
        for part in ["root", "upper", "work"] {
            fs::create_dir_all(self.directory.join(part))?;
        }
        fs::os::unix::fs::symlink(base, self.base())?;
        if self.mount().is_err() {
            fs::remove_file(self.base())?;
            finish(
                command("cp", &["--archive", "--reflink=auto", "--no-target-directory"])
                    .arg(base)
                    .arg(self.root()),
            )?;
        }
        Ok(())
    }

    /// Mounts it, if it is not mounted: a power cut of this machine unmounts it. A copy needs none.
    pub fn mount(&self) -> Result<()> {
        if !self.base().exists() || self.is_mounted()? {
            return Ok(());
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            fs::read_link(self.base())?.display(),
            self.directory.join("upper").display(),
            self.directory.join("work").display()
        );
        finish(command("mount", &["-t", "overlay", "overlay", "-o", &layers]).arg(self.root())).map(drop)
    }

    /// Unmounts it. Its content stays.
    pub fn unmount(&self) -> Result<()> {
        if self.is_mounted()? {
            run("umount", &["--recursive", &self.root().to_string_lossy()])?;
        }
        Ok(())
    }

    fn is_mounted(&self) -> Result<bool> {
        let root = self.root();
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        Ok(mounts.lines().any(|line| line.split(' ').nth(1) == root.to_str()))
    }

    fn base(&self) -> PathBuf {
        self.directory.join("base")
    }
}
