//! Where the bytes of images come from.

use std::io::Read;

use crate::error::Result;
use crate::oci::digest::Digest;

/// Has the blobs of images: a bundle, a store.
pub trait Source: Send + Sync + 'static {
    /// Reads a blob from its beginning. The last read fails unless all bytes were those of the digest. May block.
    ///
    /// # Errors
    /// If there is no such blob, or it cannot be reached.
    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>>;

    /// The whole of a small blob, checked. May block.
    ///
    /// # Errors
    /// Those of [`Source::open`]; if it has more than `limit` bytes or the wrong ones.
    fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>>;
}
