//! Whether a registry has the right bytes: they are fetched, hashed and forgotten.

use std::io;

use super::Peer;
use crate::error::Result;
use crate::fetch::{self, Location, Sink};
use crate::oci::digest::{Digest, Hasher};
use crate::oci::reference::Reference;
use crate::progress::Progress;

impl Peer {
    /// Fetches a blob of an image and compares it with its digest. Reports to
    /// [`Stage::Fetch`](crate::progress::Stage::Fetch).
    ///
    /// # Errors
    /// If the registry does not have it, or cannot be asked.
    pub fn check_blob(
        &self,
        image: &Reference,
        digest: Digest,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let place = self.place(image, &format!("blobs/{digest}"))?;
        let location = Location::blob(format!("blob {digest} of {}", image.name()), vec![place]);
        let mut hash = Hash(Hasher::new());
        let fetched = fetch::download(&self.client, &location, Some(size), size, &mut hash, progress);
        self.runtime.block_on(fetched)?;
        Ok(hash.0.finish() == digest)
    }
}

/// Bytes that are hashed as they come.
struct Hash(Hasher);

impl Sink for Hash {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.update(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.0 = Hasher::new();
        Ok(())
    }
}
