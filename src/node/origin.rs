//! Where a node takes the content of a bundle from: the medium in its drive, its own store, or a server that
//! has it.

pub mod remote;
pub mod stored;

use std::io::Read;

use crate::bundle::manifest::{Artifact, Manifest};
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::store::import::Supply;

/// A bundle whose signature was verified, wherever it lies.
pub trait Origin: Send + Sync {
    /// What is in it.
    fn manifest(&self) -> &Manifest;

    /// SHA-256 of the manifest as it was signed: the identity of the bundle.
    fn digest(&self) -> Digest;

    /// Reads a blob from its beginning. The last read fails unless all bytes were those of the digest.
    ///
    /// # Errors
    /// If the bundle has no such blob, or it cannot be reached.
    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>>;

    /// The whole of a small blob, checked. Leaves nothing on this machine.
    ///
    /// # Errors
    /// Those of [`Origin::open`]; [`codes::OCI_DOCUMENT`] if it has more than `limit` bytes.
    fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.open(digest)?.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Error::new(codes::STORE_IO, format!("blob {digest} cannot be read"))
                .with_help(format!("check {}, then run the same command again", self.name()))
                .with_source(error),
        })?;
        if bytes.len() as u64 > limit {
            let message = format!("blob {digest} has more than {limit} bytes");
            return Err(Error::new(codes::OCI_DOCUMENT, message)
                .with_help("this is not a document that airlock would read: build the bundle again"));
        }
        Ok(bytes)
    }

    /// From where a store copies the whole bundle; nothing if it is in that store already.
    fn supply(&self) -> Option<&dyn Supply> {
        None
    }

    /// In words, for messages: `/media/stick`, `https://10.0.0.1:5443`.
    fn name(&self) -> String;
}

impl Origin for Bundle<Verified> {
    fn manifest(&self) -> &Manifest {
        Bundle::manifest(self)
    }

    fn digest(&self) -> Digest {
        Bundle::digest(self)
    }

    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.blob_reader(digest)?))
    }

    fn supply(&self) -> Option<&dyn Supply> {
        Some(self)
    }

    fn name(&self) -> String {
        self.volume_names().next().unwrap_or("the bundle").to_owned()
    }
}

/// The k3s program of a bundle for a platform.
pub fn k3s(manifest: &Manifest, platform: Platform) -> Option<&crate::bundle::manifest::K3s> {
    manifest.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::K3s(k3s) if k3s.platform == platform => Some(k3s),
        _ => None,
    })
}

/// The `airlock` program of a bundle for a platform.
pub fn installer(manifest: &Manifest, platform: Platform) -> Option<&crate::bundle::manifest::Installer> {
    manifest.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Installer(installer) if installer.platform == platform => Some(installer),
        _ => None,
    })
}
