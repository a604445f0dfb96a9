//! What is told: the plan before, and afterwards what a tired administrator needs next.

use std::fmt;

use serde::Serialize;

use super::joining::Joining;
use crate::error::Result;
use crate::node::driver::Done;
use crate::node::install::Context;
use crate::node::machine::Machine;
use crate::node::plan::Plan;
use crate::node::settings::Role;
use crate::ui::human;
use crate::ui::text::escape;

/// A plan, one line a change.
pub(in crate::cli) struct Planned<'a>(pub(in crate::cli) &'a Plan);

impl fmt::Display for Planned<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("nothing would change: the node is as it should be\n");
        }
        for step in self.0.steps.iter().filter(|step| !step.changes.is_empty()) {
            writeln!(formatter, "{} ({})", escape(&step.title), step.name)?;
            for change in &step.changes {
                write!(formatter, "  {change}")?;
                match change.bytes {
                    Some(bytes) => writeln!(formatter, ", {}", human::size(bytes))?,
                    None => writeln!(formatter)?,
                }
            }
        }
        Ok(())
    }
}

/// How an installation ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    bundle: String,
    manifest: String,
    node: String,
    role: Role,
    #[serde(flatten)]
    done: Done,
    /// How other nodes join, from a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    join: Option<Joining>,
}

impl Outcome {
    pub(super) fn new(context: &Context, done: Done, machine: &Machine) -> Result<Outcome> {
        let manifest = context.origin.manifest();
        Ok(Outcome {
            bundle: format!("{}-{}", manifest.name, manifest.version),
            manifest: context.origin.digest().to_string(),
            node: context.node.clone(),
            role: context.settings.role,
            done,
            join: Joining::of(context, machine)?,
        })
    }

    pub(super) fn human(&self) -> String {
        if let Some(step) = self.done.reboot_for {
            return format!(
                "the machine has to be restarted (step {step}); afterwards it continues by itself:\n  sudo reboot\n\
                 `journalctl -u airlock-resume` shows how it goes, or run `sudo airlock install` to watch\n"
            );
        }
        let bundle = escape(&self.bundle);
        let mut text = match self.done.changed.as_slice() {
            [] => format!("nothing to do: {} is as {bundle} says\n", self.node),
            steps => format!(
                "{} is installed from {bundle}: {}\n",
                self.node,
                human::count(steps.len() as u64, "step")
            ),
        };
        match (self.role, &self.join) {
            (Role::Server, Some(join)) => {
                text += "\nLook at the cluster:\n  sudo kubectl get nodes\n";
                text += &join.human();
            }
            (Role::Server, None) => text += "\nLook at the cluster:\n  sudo kubectl get nodes\n",
            (Role::Balancer, _) => {
                text += "\nLook at it, and at who has the address:\n  sudo airlock node status\n"
            }
            (Role::Agent, _) => text += "\nLook at the cluster, on a server:\n  sudo kubectl get nodes\n",
        }
        text
    }
}
