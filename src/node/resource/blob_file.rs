//! Files whose content is a blob of the bundle: programs, drivers, plain files.

use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use super::Resource;
use crate::bundle::manifest::Blob;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{self, Machine};
use crate::node::origin::Origin;
use crate::node::work::Work;
use crate::oci::digest::{Digest, Hasher};

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

impl BlobFile {
    fn is_equal(&self, machine: &Machine) -> Result<bool> {
        let mut file = fs_err::File::open(machine.path(&self.path))
            .map_err(|error| machine::failed("read", &self.path, error))?;
        let digest = digest(&mut file).map_err(|error| machine::failed("read", &self.path, error))?;
        Ok(digest == self.blob.digest)
    }
}

impl Resource for BlobFile {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let verb = match machine.metadata(&self.path)? {
            None => Verb::Create,
            Some(found)
                if found.is_file()
                    && found.mode() & 0o7777 == self.mode
                    && found.len() == self.blob.size
                    && self.is_equal(machine)? =>
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

fn digest(reader: &mut impl Read) -> std::io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
