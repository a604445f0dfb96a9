//! Symbolic links of ours.

use super::Resource;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{self, Machine};
use crate::node::work::Work;

/// A symbolic link. Something else in its place is left there, and that is well: it is a program that the
/// administrator has put under that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Absolute path.
    pub path: String,
    /// What it names.
    pub target: String,
}

impl Resource for Link {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let change = |verb| Some(Change::new(verb, &self.path).with_detail(format!("to {}", self.target)));
        match machine.metadata(&self.path)? {
            None => Ok(change(Verb::Create)),
            Some(found) if found.is_symlink() => {
                let target = fs_err::read_link(machine.path(&self.path))
                    .map_err(|error| machine::failed("read", &self.path, error))?;
                Ok(if target == *self.target { None } else { change(Verb::Replace) })
            }
            Some(_) => Ok(None),
        }
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.link(&self.path, &self.target)
    }
}
