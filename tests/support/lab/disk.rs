//! The disk of a node: a layer over the root that all nodes of a release share, or a copy where there is no overlayfs.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Result;
use super::command::{command, finish, run};

/// What can be put on a file system of its own.
const SMALL: &str = "var/lib";
/// Room on that file system, which takes nothing of this machine until it is written.
const SMALL_SIZE: u64 = 8 << 30;

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
        finish(command("mount", &["-t", "overlay", "overlay", "-o", &layers]).arg(self.root()))?;
        self.mount_small()
    }

    /// Puts what is below `/var/lib` on a file system of its own, of 8 GiB at most, if it is not. The node is off.
    pub fn add_small(&self) -> Result<()> {
        if self.small().exists() {
            return Ok(());
        }
        self.mount()?;
        let partial = self.directory.join("small.partial");
        fs::File::create(&partial)?.set_len(SMALL_SIZE)?;
        let image = partial.to_string_lossy();
        run("mkfs.ext4", &["-q", "-m", "0", "-O", "^has_journal", &image])?;
        let mount = self.directory.join("small");
        fs::create_dir_all(&mount)?;
        finish(command("mount", &["-o", "loop", &image]).arg(&mount))?;
        finish(command("cp", &["--archive"]).arg(self.root().join(SMALL).join(".")).arg(&mount))?;
        finish(command("umount", &[]).arg(&mount))?;
        fs::rename(&partial, self.small())?;
        self.mount_small()
    }

    fn mount_small(&self) -> Result<()> {
        if !self.small().exists() {
            return Ok(());
        }
        let image = self.small();
        finish(command("mount", &["-o", "loop"]).arg(image).arg(self.root().join(SMALL))).map(drop)
    }

    /// The bytes in its own layer, in blocks of the file system below.
    pub fn written(&self) -> Result<u64> {
        let used =
            finish(command("du", &["--summarize", "--block-size=1"]).arg(self.directory.join("upper")))?;
        Ok(used.split_whitespace().next().unwrap_or_default().parse()?)
    }

    /// Leaves this many bytes on the file system of `/var/lib`, by a file that has the others.
    pub fn fill(&self, left: u64) -> Result<()> {
        self.make_room()?;
        let space = rustix::fs::statvfs(self.root().join(SMALL))?;
        let free = space.f_bavail * space.f_frsize;
        let length = free.saturating_sub(left).to_string();
        finish(command("fallocate", &["--length", &length]).arg(self.ballast())).map(drop)
    }

    /// Takes that file away.
    pub fn make_room(&self) -> Result<()> {
        if self.ballast().exists() {
            fs::remove_file(self.ballast())?;
        }
        Ok(())
    }

    fn small(&self) -> PathBuf {
        self.directory.join("small.ext4")
    }

    fn ballast(&self) -> PathBuf {
        self.root().join(SMALL).join("ballast")
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
