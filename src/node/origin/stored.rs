//! A bundle in the store of this node: what a later run and a repair work from when the stick is gone.

use std::io::{self, Read};

use super::Origin;
use crate::bundle::manifest::Manifest;
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::store::blob::BlobStream;
use crate::store::{Blob, Content as _, Store};
use crate::trust::policy::SignatureFile;

/// A bundle that was imported.
pub struct Stored {
    store: Store,
    verified: VerifiedManifest,
}

impl Stored {
    /// The bundle that was imported last, as it was signed; nothing if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub fn latest(store: &Store) -> Result<Option<SignedManifest>> {
        for digest in store.bundle_digests()? {
            if let Some(signed) = Stored::signed(store, &digest)? {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    /// One bundle as it was signed; nothing if the store does not have it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn signed(store: &Store, digest: &Digest) -> Result<Option<SignedManifest>> {
        let Some(bytes) = store.signed_manifest(digest)? else { return Ok(None) };
        let signatures = store.signatures(digest)?.into_iter().enumerate();
        let signatures = signatures.map(|(number, bytes)| SignatureFile {
            name: format!("signature {} in the store", number + 1),
            bytes,
        });
        Ok(Some(SignedManifest { bytes, signatures: signatures.collect() }))
    }

    /// A bundle of which `store` has all blobs.
    pub fn new(store: Store, verified: VerifiedManifest) -> Stored {
        Stored { store, verified }
    }
}

impl Origin for Stored {
    fn manifest(&self) -> &Manifest {
        &self.verified.manifest
    }

    fn digest(&self) -> Digest {
        self.verified.digest
    }

    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        let blob = self.store.blob(&digest.into())?.ok_or_else(|| {
            Error::new(codes::STORE_DAMAGED, format!("the store of this node lacks blob {digest}"))
                .with_help("bring it: `airlock store repair --from BUNDLE`")
        })?;
        Ok(reader(blob))
    }

    fn name(&self) -> String {
        self.store.root().display().to_string()
    }
}

/// The bytes of a blob.
pub(super) fn reader(blob: Blob) -> Box<dyn Read> {
    let length = blob.length();
    Box::new(Reader(blob.stream(0..length)))
}

/// The bytes of a blob, hashed as they pass.
struct Reader(BlobStream);

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.next_bytes(buffer).map_err(io::Error::other)
    }
}
