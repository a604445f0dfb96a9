//! Every step of the installation is asked what it would change.

use super::{Finding, Part};
use crate::node::change::Verb;
use crate::node::machine::Machine;
use crate::node::step::Step;

/// Asks all of them, also behind one that cannot say.
pub(super) fn part(steps: &[Box<dyn Step>], machine: &Machine) -> Part {
    let mut part = Part { checked: steps.len() as u64, ..Part::new("steps", "step") };
    for step in steps {
        match step.check(machine) {
            Ok(changes) => part.findings.extend(changes.iter().map(|change| {
                let repair = match change.verb {
                    Verb::Wait => "it is waited for when everything else is repaired".to_owned(),
                    _ => format!("step {} of the installation is done again", step.name()),
                };
                Finding::new(step.name(), format!("would {change}"), repair)
            })),
            Err(error) => part.findings.push(Finding::failed(step.name(), &error)),
        }
    }
    part
}
