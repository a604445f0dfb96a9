//! Files and directories of ours.

use std::os::unix::fs::MetadataExt as _;

use super::Resource;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::work::Work;

/// A file with this content and these permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// All of its bytes. Never printed.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl File {
    /// A file that everybody may read.
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> File {
        File { path: path.into(), content: content.into(), mode: 0o644 }
    }

    /// A file that only root may read.
    pub fn private(path: impl Into<String>, content: impl Into<Vec<u8>>) -> File {
        File { mode: 0o600, ..File::new(path, content) }
    }
}

impl Resource for File {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let detail = format!("{:04o}", self.mode);
        let Some(found) = machine.metadata(&self.path)? else {
            return Ok(Some(Change::new(Verb::Create, &self.path).with_detail(detail)));
        };
        let is_equal = found.is_file()
            && found.mode() & 0o7777 == self.mode
            && found.len() == self.content.len() as u64
            && machine.read(&self.path)?.is_some_and(|content| content == self.content);
        Ok((!is_equal).then(|| Change::new(Verb::Replace, &self.path).with_detail(detail)))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.write_file(&self.path, &self.content, self.mode)
    }
}

/// A directory. One that exists keeps its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Absolute path.
    pub path: String,
    /// Permission bits of a new one.
    pub mode: u32,
}

impl Resource for Directory {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let is_missing = !machine.path(&self.path).is_dir();
        Ok(is_missing
            .then(|| Change::new(Verb::Create, &self.path).with_detail(format!("{:04o}", self.mode))))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.make_directory(&self.path, self.mode)
    }
}

/// A directory that is ours with everything that comes into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Absolute path.
    pub path: String,
    /// Permission bits of a new one.
    pub mode: u32,
}

impl Resource for Tree {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        Directory { path: self.path.clone(), mode: self.mode }.check(machine)
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.own(Owned::Tree { path: self.path.clone() })?;
        work.make_directory(&self.path, self.mode)
    }
}
