//! Where the blobs of a bundle come from that is copied into a store.

use crate::bundle::manifest::{Blob, Manifest};
use crate::bundle::signed::SignedManifest;
use crate::bundle::{Bundle, Verified};
use crate::error::Result;
use crate::oci::digest::Digest;
use crate::store::{Incoming, copy};
use crate::trust::policy::SignatureFile;

/// A manifest with its signatures, as they came.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// SHA-256 of the manifest: the identity of the bundle.
    pub digest: Digest,
    /// The exact bytes of the manifest.
    pub manifest: &'a [u8],
    /// All signatures that were found.
    pub signatures: &'a [SignatureFile],
}

impl<'a> From<&'a SignedManifest> for Signed<'a> {
    fn from(signed: &'a SignedManifest) -> Signed<'a> {
        let SignedManifest { bytes, signatures } = signed;
        Signed { digest: Digest::of(bytes), manifest: bytes, signatures }
    }
}

/// A bundle whose signature was verified, and whose blobs can be had.
pub trait Supply: Sync {
    /// What is in it.
    fn manifest(&self) -> &Manifest;

    /// Its manifest as it was signed.
    fn signed(&self) -> Signed<'_>;

    /// Fills `incoming` with a blob, and ends well only if all of its bytes were right. Tells `advance` of bytes that
    /// have come.
    ///
    /// # Errors
    /// If they cannot be had, are not the right ones, or cannot be written.
    fn bring(&self, blob: Blob, incoming: &mut Incoming<'_>, advance: &(dyn Fn(u64) + Sync)) -> Result<()>;

    /// Whether it goes on behind what an earlier import of a blob has left, rather than to begin anew.
    fn continues(&self) -> bool;

    /// Whether it is still what it was when it was opened.
    ///
    /// # Errors
    /// If not.
    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }
}

impl Supply for Bundle<Verified> {
    fn manifest(&self) -> &Manifest {
        Bundle::manifest(self)
    }

    fn signed(&self) -> Signed<'_> {
        Signed { digest: self.digest(), manifest: self.manifest_bytes(), signatures: self.signatures() }
    }

    fn bring(&self, blob: Blob, incoming: &mut Incoming<'_>, advance: &(dyn Fn(u64) + Sync)) -> Result<()> {
        copy::blob(self.blob_reader(blob.digest)?, incoming.file(), advance)
    }

    /// A medium is read from its beginning in any case, to be hashed.
    fn continues(&self) -> bool {
        false
    }

    fn check_unchanged(&self) -> Result<()> {
        Bundle::check_unchanged(self)
    }
}
