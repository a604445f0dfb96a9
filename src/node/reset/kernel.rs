//! Kernel parameters get their old values, and modules that nothing uses are unloaded.

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{self, Call, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The step that does so.
pub(super) struct Kernel {
    owned: Vec<Owned>,
}

impl Kernel {
    pub(super) fn of(owned: &[Owned]) -> Kernel {
        let is_kernel = |owned: &&Owned| matches!(owned, Owned::Sysctl { .. } | Owned::Module { .. });
        Kernel { owned: owned.iter().filter(is_kernel).cloned().collect() }
    }
}

fn path(sysctl: &str) -> String {
    format!("/proc/sys/{}", sysctl.replace('.', "/"))
}

/// Whether a module is loaded and nobody uses it.
fn is_idle(machine: &Machine, module: &str) -> Result<bool> {
    let modules = machine.read_text("/proc/modules")?.unwrap_or_default();
    let line = modules.lines().find(|line| line.split(' ').next() == Some(module));
    Ok(line.is_some_and(|line| line.split(' ').nth(2) == Some("0")))
}

impl Step for Kernel {
    fn name(&self) -> &'static str {
        names::RESET_KERNEL
    }

    fn title(&self) -> String {
        "Restore kernel parameters".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for owned in &self.owned {
            match owned {
                Owned::Sysctl { name, original } => {
                    let now = machine.read_text(&path(name))?;
                    if now.is_some_and(|now| now.trim() != original) {
                        changes.push(Change::new(Verb::Replace, name).with_detail(format!("by {original}")));
                    }
                }
                Owned::Module { name } if is_idle(machine, name)? => {
                    changes.push(Change::new(Verb::Stop, name).with_detail("kernel module"));
                }
                _ => {}
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        for owned in &self.owned {
            match owned {
                Owned::Sysctl { name, original } => {
                    let path = path(name);
                    if machine.metadata(&path)?.is_some() {
                        fs_err::write(machine.path(&path), original)
                            .map_err(|error| machine::failed("write", &path, error))?;
                    }
                }
                Owned::Module { name } if is_idle(machine, name)? => {
                    work.run(Call::new("modprobe").with(["--remove", name]))?;
                }
                _ => {}
            }
            work.disown(owned.clone())?;
        }
        Ok(Outcome::Done)
    }
}
