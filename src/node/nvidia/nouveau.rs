//! Keeps nouveau, the kernel's own driver, away from the GPUs: now, and in the initial RAM disk of the next boot.

use std::sync::Arc;
use std::time::Duration;

use super::Nvidia;
use super::driver::run_if_there;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Finished, Machine};
use crate::node::reboot;
use crate::node::resource::{File, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

const NAME: &str = names::NOUVEAU;

/// Name of the file, as modprobe.d(5) and the initial RAM disk have it.
const FILE: &str = "etc/modprobe.d/airlock-nouveau.conf";

/// The file that keeps nouveau from loading.
pub const PATH: &str = "/etc/modprobe.d/airlock-nouveau.conf";

const CONTENT: &str = "# Written by airlock: the NVIDIA driver and nouveau cannot share a GPU.\n\
                       blacklist nouveau\noptions nouveau modeset=0\n";

/// Making an initial RAM disk for every kernel takes a while.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The step that does it.
pub(super) struct Nouveau {
    pub(super) nvidia: Arc<Nvidia>,
}

impl Step for Nouveau {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> String {
        "Keep nouveau from loading".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        if self.nvidia.has_foreign_driver(machine)? {
            return Ok(Vec::new());
        }
        let mut changes: Vec<Change> = file().check(machine)?.into_iter().collect();
        if is_in_initial_disk(machine)? {
            changes.push(Change::new(Verb::Run, refresh_initial_disk().to_string()));
        }
        if is_loaded(machine) {
            changes.push(Change::new(Verb::Stop, NAME).with_detail("or restart the machine"));
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        if file().check(machine)?.is_some() {
            file().make(work)?;
        }
        if is_in_initial_disk(machine)? {
            work.run(refresh_initial_disk())?;
        }
        if is_loaded(machine) {
            // It fails while a console is drawn by it.
            machine.run(&Call::new("modprobe").with(["-r", NAME]))?;
        }
        match is_loaded(machine) {
            false => Ok(Outcome::Done),
            true if reboot::has_happened(machine, NAME)? => Err(comes_back()),
            true => Ok(Outcome::Reboot),
        }
    }
}

fn file() -> File {
    File::new(PATH, CONTENT)
}

fn is_loaded(machine: &Machine) -> bool {
    machine.path("/sys/module/nouveau").exists()
}

/// Whether the next boot would load it before it reads our file: that is not beside it in the initial RAM disk.
fn is_in_initial_disk(machine: &Machine) -> Result<bool> {
    let Some(files) = initial_disk(machine)? else { return Ok(false) };
    let has = |part: &str| files.lines().any(|line| line.contains(part));
    Ok(has("/nouveau.ko") && !has(FILE))
}

/// Whether our file is in the initial RAM disk of the running kernel, and so counts there when it is gone here.
///
/// # Errors
/// [`codes::NODE_FILE`], [`codes::NODE_PROGRAM`].
pub fn is_kept_by_initial_disk(machine: &Machine) -> Result<bool> {
    Ok(initial_disk(machine)?.is_some_and(|files| files.lines().any(|line| line.contains(FILE))))
}

/// What makes the initial RAM disks of all kernels anew.
pub fn refresh_initial_disk() -> Call {
    Call::new("update-initramfs").with(["-u", "-k", "all"]).within(DEADLINE)
}

/// The files in the initial RAM disk of the running kernel; nothing if there is none, or none that can be read.
fn initial_disk(machine: &Machine) -> Result<Option<String>> {
    let release = machine.read_text("/proc/sys/kernel/osrelease")?.unwrap_or_default();
    let image = format!("/boot/initrd.img-{}", release.trim());
    if machine.metadata(&image)?.is_none() {
        return Ok(None);
    }
    let listed = run_if_there(machine, &Call::new("lsinitramfs").with([image]))?.filter(Finished::is_well);
    Ok(listed.map(|listed| listed.output))
}

fn comes_back() -> Error {
    Error::new(codes::GPU_NOUVEAU, "the driver nouveau is loaded again after the restart").with_help(
        "add `modprobe.blacklist=nouveau` to the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub, then \
         `update-grub`), restart the machine, then run the same command again",
    )
}
