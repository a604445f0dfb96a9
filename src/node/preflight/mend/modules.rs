//! Modules of the kernel that are loaded.

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::Resource;
use crate::node::work::Work;

/// A module that is loaded, or part of the kernel.
pub(super) struct Loaded {
    pub(super) module: String,
}

impl Resource for Loaded {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let is_there = machine.path(&format!("/sys/module/{}", self.module)).exists();
        Ok((!is_there).then(|| Change::new(Verb::Start, &self.module).with_detail("kernel module")))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.own(Owned::Module { name: self.module.clone() })?;
        work.run(Call::new("modprobe").with(["--", &self.module])).map(drop)
    }
}
