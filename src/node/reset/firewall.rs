//! Rules and chains of iptables that kube-proxy, the network plugins and flannel have left behind.

use crate::error::{Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Both families, each with what saves and restores it.
const FAMILIES: [(&str, &str); 2] =
    [("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")];

/// What is in every line of theirs.
const MARKS: [&str; 3] = ["KUBE-", "CNI-", "flannel"];

/// The step that removes them.
pub(super) struct Firewall;

/// All rules of a family; nothing where the machine has no iptables.
fn rules(machine: &Machine, save: &str) -> Result<Option<String>> {
    match machine.run(&Call::new(save)) {
        Ok(finished) if finished.is_well() => Ok(Some(finished.output)),
        Ok(_) => Ok(None),
        Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_ours(line: &str) -> bool {
    !line.starts_with('#') && MARKS.iter().any(|mark| line.contains(mark))
}

impl Step for Firewall {
    fn name(&self) -> &'static str {
        names::RESET_FIREWALL
    }

    fn title(&self) -> String {
        "Remove firewall rules of k3s".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (save, _) in FAMILIES {
            let count =
                rules(machine, save)?.map_or(0, |rules| rules.lines().filter(|line| is_ours(line)).count());
            if count > 0 {
                let what = save.trim_end_matches("-save");
                changes
                    .push(Change::new(Verb::Remove, what).with_detail(format!("{count} rules and chains")));
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for (save, restore) in FAMILIES {
            let Some(rules) = rules(work.machine(), save)? else { continue };
            if rules.lines().any(is_ours) {
                let kept: String =
                    rules.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect();
                work.run(Call::new(restore).input(kept))?;
            }
        }
        Ok(Outcome::Done)
    }
}
