//! The record of a bundle and the names that it gave: whether they are as its import has left them, and how they
//! are written again from the signed manifest and the blobs of the store.

use super::catalogue::{Catalogue, Repository};
use super::directory::{self, BLOBS, MANIFESTS};
use super::import::Signed;
use super::{Content as _, Store};
use crate::bundle::manifest::{Artifact, Manifest};
use crate::bundle::signed::SignedManifest;
use crate::error::{Error, Result, codes};
use crate::oci::digest::{ContentDigest, Digest};

impl Store {
    /// What of the record and of the names of a bundle is damaged or missing, a line each. Its manifests are
    /// read, and none of its layers.
    ///
    /// # Errors
    /// [`codes::STORE_IO`] if the disk cannot be read.
    pub fn record_damage(&self, digest: &Digest) -> Result<Vec<String>> {
        let told = |error: Error| match error.code() {
            codes::STORE_IO => Err(error),
            _ => Ok(vec![error.message().to_owned()]),
        };
        let manifest = match self.record(digest) {
            Ok(Some(record)) if record.imported.is_some() => record.manifest,
            Ok(Some(_)) => return Ok(vec![format!("the import of the bundle {digest} is not complete")]),
            Ok(None) => return Ok(vec![format!("the manifest of the imported bundle {digest} is missing")]),
            Err(error) => return told(error),
        };
        let catalogue = match self.catalogue(digest) {
            Ok(catalogue) => catalogue,
            Err(error) => return told(error),
        };
        let has_images = manifest.artifacts.iter().any(|artifact| matches!(artifact, Artifact::Image(_)));
        if has_images && catalogue.repositories.is_empty() {
            return Ok(vec![format!("the list of names that the bundle {digest} gave is missing")]);
        }
        let damage = catalogue.repositories.iter().map(|repository| self.lost_names(repository));
        Ok(damage.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Tags and manifests that a repository should have and has not. A tag that names something else was moved by
    /// a later bundle or a push.
    fn lost_names(&self, repository: &Repository) -> Result<Vec<String>> {
        let Some(name) = repository.name() else { return Ok(Vec::new()) };
        let mut lost = Vec::new();
        for (tag, _) in repository.tags() {
            if self.tag(&name, &tag)?.is_none() {
                lost.push(format!("the store does not know `{name}:{}` any more", tag.as_str()));
            }
        }
        let directory = self.repository(&name);
        let is_lost = |kind, digest: &ContentDigest| !directory::member(&directory, kind, digest).is_file();
        let manifests = repository.manifests.keys().filter(|digest| is_lost(MANIFESTS, digest)).copied();
        let blobs = repository.blobs.iter().map(|digest| ContentDigest::from(*digest));
        let blobs = blobs.filter(|digest| is_lost(BLOBS, digest));
        lost.extend(
            manifests
                .chain(blobs)
                .map(|digest| format!("the store does not know `{name}@{digest}` any more")),
        );
        Ok(lost)
    }

    /// Writes the record and the names of a bundle again; it is the newest then. All of its blobs have to be there.
    ///
    /// # Errors
    /// [`codes::STORE_DAMAGED`] if a manifest of an image is missing; those of the store.
    pub fn restore_record(&self, signed: &SignedManifest, manifest: &Manifest) -> Result<()> {
        let signed = Signed::from(signed);
        let catalogue = self.catalogue_of(manifest)?;
        let _alone = self.exclude_bundles()?;
        let _shared = self.share()?;
        self.begin_record(&signed)?;
        self.write_bundle_names(&signed.digest, &catalogue)
    }

    /// The names that a bundle gives of which all manifests of images are there.
    pub(super) fn catalogue_of(&self, manifest: &Manifest) -> Result<Catalogue> {
        let read = |digest: Digest| {
            let bytes = self.read_document(&digest.into())?;
            bytes.ok_or_else(|| lacking(digest))
        };
        Catalogue::new(manifest, &read)
    }

    /// Writes the names that a bundle gives, and notes that its import is complete.
    pub(super) fn write_bundle_names(&self, digest: &Digest, catalogue: &Catalogue) -> Result<()> {
        self.write_catalogue(digest, catalogue)?;
        self.write_names(catalogue)?;
        self.write_index()?;
        self.end_record(digest)
    }
}

fn lacking(digest: Digest) -> Error {
    Error::new(codes::STORE_DAMAGED, format!("the store lacks {digest}, a manifest of an image"))
        .with_help("bring it first: `airlock store repair --from BUNDLE`")
}
