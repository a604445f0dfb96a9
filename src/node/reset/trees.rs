//! Directories that are ours with everything in them.

use std::time::Duration;

use super::{Reset, removal};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Millions of small files take their time.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The step that removes them.
pub(super) struct Trees {
    paths: Vec<String>,
}

impl Trees {
    pub(super) fn of(reset: &Reset) -> Trees {
        let paths = reset.owned.iter().rev().filter_map(|owned| match owned {
            Owned::Tree { path } if !reset.spares(path) => Some(path.clone()),
            _ => None,
        });
        Trees { paths: paths.collect() }
    }
}

impl Step for Trees {
    fn name(&self) -> &'static str {
        names::RESET_TREES
    }

    fn title(&self) -> String {
        "Remove data".to_owned()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for path in &self.paths {
            if removal::is_left(machine, path)? {
                changes.push(Change::new(Verb::Remove, path).with_detail("with everything in it"));
            }
        }
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for path in &self.paths {
            removal::tree(work.machine(), path)?;
            work.disown(Owned::Tree { path: path.clone() })?;
        }
        Ok(Outcome::Done)
    }
}
