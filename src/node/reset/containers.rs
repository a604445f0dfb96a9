//! Containers of k3s live on when k3s stops (`KillMode=process`): each of them is below a shim, and ends with it.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::failed;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How long ended processes may take to be gone.
const GONE: Duration = Duration::from_secs(30);

/// The step that ends the containers of the k3s in one data directory.
pub(super) struct Containers {
    pub(super) data_directory: String,
}

/// A process: who started it, and its command line.
struct Process {
    parent: u32,
    command: String,
}

impl Containers {
    /// Shims of this k3s and everything below them, children before their parents.
    fn processes(&self, machine: &Machine) -> Result<Vec<u32>> {
        let all = processes(machine)?;
        let prefix = format!("{}/data/", self.data_directory);
        let is_shim = |process: &Process| {
            process.command.starts_with(&prefix) && process.command.contains("/bin/containerd-shim")
        };
        let is_below = |pid: u32| {
            let mut current = all.get(&pid);
            // As deep as process ids can go is deep enough for every tree, and ends every circle.
            for _ in 0..all.len() {
                match current {
                    Some(process) if is_shim(process) => return true,
                    Some(process) => current = all.get(&process.parent),
                    None => return false,
                }
            }
            false
        };
        Ok(all.keys().rev().copied().filter(|&pid| is_below(pid)).collect())
    }
}

fn processes(machine: &Machine) -> Result<BTreeMap<u32, Process>> {
    let entries = fs_err::read_dir(machine.path("/proc")).map_err(|error| failed("read", "/proc", error))?;
    let mut all = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(|error| failed("read", "/proc", error))?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended meanwhile. Of whom nothing can be known, somebody might be overlooked who uses what goes next.
        let Some(stat) = machine.read_text(&format!("/proc/{pid}/stat"))? else { continue };
        let Some(command) = machine.read_text(&format!("/proc/{pid}/cmdline"))? else { continue };
        if let Some(parent) = parent(&stat) {
            all.insert(pid, Process { parent, command });
        }
    }
    Ok(all)
}

/// The parent in a line of `/proc/PID/stat` (proc(5)); the name before it may hold anything, also brackets.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

impl Step for Containers {
    fn name(&self) -> &'static str {
        names::RESET_CONTAINERS
    }

    fn title(&self) -> String {
        "End containers".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let count = self.processes(machine)?.len();
        let change = || Change::new(Verb::Stop, "containers").with_detail(format!("{count} processes"));
        Ok((count > 0).then(change).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        work.wait_for("containers to end", GONE, || {
            let left = self.processes(machine)?;
            for &pid in &left {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    // What has ended by itself meanwhile is what is wanted.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            Ok(if left.is_empty() { Ok(()) } else { Err(format!("{} processes", left.len())) })
        })?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    fn process(root: &Path, pid: u32, parent: u32, command: &str) {
        let directory = root.join(format!("proc/{pid}"));
        fs_err::create_dir_all(&directory).unwrap();
        fs_err::write(directory.join("stat"), format!("{pid} (a) b) S {parent} 1 1 0")).unwrap();
        fs_err::write(directory.join("cmdline"), command.replace(' ', "\0")).unwrap();
    }

    #[test]
    fn only_what_is_below_a_shim_of_this_k3s_ends() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 1, 0, "/sbin/init");
        process(
            root.path(),
            10,
            1,
            "/var/lib/rancher/k3s/data/abc/bin/containerd-shim-runc-v2 -namespace k8s.io",
        );
        process(root.path(), 11, 10, "/pause");
        process(root.path(), 12, 11, "sh");
        process(root.path(), 20, 1, "/usr/bin/containerd-shim-runc-v2 -namespace moby");
        process(root.path(), 21, 20, "/var/lib/rancher/k3s/data/abc/bin/other");
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let step = Containers { data_directory: "/var/lib/rancher/k3s".to_owned() };
        assert_eq!(step.processes(&machine).unwrap(), [12, 11, 10]);
        assert_eq!(step.check(&machine).unwrap()[0].to_string(), "stop containers (3 processes)");
    }

    #[test]
    fn who_cannot_be_looked_at_is_not_taken_for_nobody() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 10, 1, "/var/lib/rancher/k3s/data/abc/bin/containerd-shim-runc-v2");
        // Reading it fails, as it does on a machine without memory.
        fs_err::remove_file(root.path().join("proc/10/cmdline")).unwrap();
        fs_err::create_dir(root.path().join("proc/10/cmdline")).unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let step = Containers { data_directory: "/var/lib/rancher/k3s".to_owned() };
        assert!(step.check(&machine).unwrap_err().message().contains("/proc/10/cmdline"));
    }
}
