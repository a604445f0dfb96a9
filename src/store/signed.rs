//! The signed manifests of imported bundles, exactly as they came: other nodes check the signatures themselves.

use std::io;

use super::blob::Blob;
use super::{Store, files};
use crate::bundle::manifest;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;

/// A signature of OpenSSH is a few hundred bytes.
const LONGEST_SIGNATURE: u64 = 64 * 1024;

/// A time in RFC 3339.
const LONGEST_TIME: u64 = 64;

impl Store {
    /// The bundles whose import is complete, the latest first.
    pub fn bundle_digests(&self) -> Result<Vec<Digest>> {
        let root = self.directory().bundles();
        let mut found = Vec::new();
        for name in files::names(&root).map_err(|error| files::failed(&root, error))? {
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            if let Some(imported) = self.file_of_bundle(&digest, "imported", LONGEST_TIME)? {
                found.push((imported, digest));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().rev().map(|(_, digest)| digest).collect())
    }

    /// The manifest of a bundle, if the store holds it.
    ///
    /// # Errors
    /// [`codes::STORE_FORMAT`] if it is not what was imported.
    pub fn signed_manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let bytes = self.file_of_bundle(digest, "manifest.json", manifest::MAX_LENGTH)?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != *digest => {
                let message = format!("the manifest of the imported bundle {digest} is damaged");
                Err(Error::new(codes::STORE_FORMAT, message)
                    .with_help("import that bundle again: `airlock store import BUNDLE`"))
            }
            bytes => Ok(bytes),
        }
    }

    /// The same as content that is checked as it is read.
    pub fn signed_manifest_blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        let path = self.directory().bundle(digest).join("manifest.json");
        let open = || -> io::Result<Option<Blob>> {
            let file = files::open(&path)?;
            file.map(|file| Blob::of_file((*digest).into(), file, &self.0.verified)).transpose()
        };
        open().map_err(|error| files::failed(&path, error))
    }

    /// The signatures of that manifest, as they were imported.
    pub fn signatures(&self, digest: &Digest) -> Result<Vec<Vec<u8>>> {
        let root = self.directory().bundle(digest);
        let mut names = files::names(&root).map_err(|error| files::failed(&root, error))?;
        names.retain(|name| name.starts_with("signature-"));
        names.sort_unstable();
        let read = names.iter().map(|name| self.file_of_bundle(digest, name, LONGEST_SIGNATURE));
        read.filter_map(Result::transpose).collect()
    }

    fn file_of_bundle(&self, digest: &Digest, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.directory().bundle(digest).join(name);
        files::read(&path, limit).map_err(|error| files::failed(&path, error))
    }
}
