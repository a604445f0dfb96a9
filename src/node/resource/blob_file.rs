//! Files whose content is a blob of the bundle: programs, drivers, plain files.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::Resource;
use crate::bundle::manifest::Blob;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::origin::Origin;
use crate::node::work::Work;

/// A file with the bytes of a blob.
#[derive(Clone)]
pub struct BlobFile {
    /// Absolute path.
    pub path: String,
    /// What it holds.
    pub blob: Blob,
    /// Permission bits.
    pub mode: u32,
    /// Where the blob is taken from.
    pub origin: Arc<dyn Origin>,
}

impl Resource for BlobFile {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let verb = match machine.metadata(&self.path)? {
            None => Verb::Create,
            Some(found)
                if found.is_file()
                    && found.mode() & 0o7777 == self.mode
                    && found.len() == self.blob.size
                    && machine.digest(&self.path)? == self.blob.digest =>
            {
                return Ok(None);
            }
            Some(_) => Verb::Replace,
        };
        let change = Change::new(verb, &self.path).with_detail(format!("{:04o}", self.mode));
        Ok(Some(change.with_bytes(self.blob.size)))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        let mut content = self.origin.open(self.blob.digest)?;
        work.copy_file(&self.path, &mut content, self.mode)
    }
}
