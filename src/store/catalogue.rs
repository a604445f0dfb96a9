//! The names that a bundle gives: which repositories have which manifests, blobs, tags and referrers.
//!
//! It is worked out once, from the signed manifest and the documents of its images, and then written into a
//! store, looked up in memory when a bundle is served in place, or taken back when a bundle is removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::content::Descriptor;
use super::document::{self, Document};
use super::name::{RepositoryName, TagName};
use crate::bundle::manifest::{Artifact, Image, Manifest};
use crate::error::Result;
use crate::oci::digest::{ContentDigest, Digest};
use crate::oci::reference::Reference;

/// Everything a bundle names, by repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Catalogue {
    pub(super) repositories: Vec<Repository>,
}

/// What a bundle gives to one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repository {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) tags: BTreeMap<String, ContentDigest>,
    /// With their media types.
    pub(super) manifests: BTreeMap<ContentDigest, String>,
    /// There may be 100,000 of them, so they are as small as they can be.
    pub(super) blobs: BTreeSet<Digest>,
    /// Referrers of each subject.
    pub(super) referrers: Vec<(ContentDigest, Descriptor)>,
}

impl Repository {
    /// Its name; nothing if somebody changed the file it was read from.
    pub(super) fn name(&self) -> Option<RepositoryName> {
        RepositoryName::new(self.host.as_deref(), &self.path).ok()
    }

    /// Whether it has a blob.
    pub(super) fn has_blob(&self, digest: &ContentDigest) -> bool {
        digest.sha256().is_some_and(|digest| self.blobs.contains(&digest))
    }

    /// Its tags, checked.
    pub(super) fn tags(&self) -> impl Iterator<Item = (TagName, ContentDigest)> {
        self.tags.iter().filter_map(|(tag, digest)| Some((TagName::new(tag).ok()?, *digest)))
    }
}

/// Reads documents that the bundle has by their digests.
pub(super) type ReadDocument<'a> = &'a dyn Fn(Digest) -> Result<Vec<u8>>;

impl Catalogue {
    /// The names that the images of a bundle get.
    pub(super) fn new(manifest: &Manifest, read: ReadDocument<'_>) -> Result<Catalogue> {
        let mut repositories = BTreeMap::<RepositoryName, Repository>::new();
        for artifact in &manifest.artifacts {
            let Artifact::Image(image) = artifact else { continue };
            let reference: Reference = image.name.parse()?;
            let name = RepositoryName::from(&reference);
            let repository = repositories.entry(name.clone()).or_insert_with(|| Repository {
                host: name.host().map(str::to_owned),
                path: name.path().to_owned(),
                ..Repository::default()
            });
            Walk { image, read, repository }.image(&reference)?;
        }
        Ok(Catalogue { repositories: repositories.into_values().collect() })
    }
}

struct Walk<'a> {
    image: &'a Image,
    read: ReadDocument<'a>,
    repository: &'a mut Repository,
}

impl Walk<'_> {
    fn image(&mut self, reference: &Reference) -> Result<()> {
        let Image { root, blobs, referrers, .. } = self.image;
        if let Some(tag) = reference.tag() {
            self.repository.tags.insert(tag.to_owned(), root.digest.into());
        }
        let carried: BTreeSet<Digest> = blobs.iter().copied().collect();
        self.repository.blobs.extend(blobs);
        self.manifest(root.digest, &root.media_type, &carried)?;
        for referrer in referrers {
            let descriptor = &referrer.descriptor;
            self.manifest(descriptor.digest, &descriptor.media_type, &carried)?;
            if let Some(tag) = &referrer.tag {
                self.repository.tags.insert(tag.clone(), descriptor.digest.into());
            }
        }
        Ok(())
    }

    /// A manifest and those it mentions, as far as the bundle carries them.
    fn manifest(&mut self, digest: Digest, media_type: &str, carried: &BTreeSet<Digest>) -> Result<()> {
        let known = self.repository.manifests.insert(digest.into(), media_type.to_owned());
        if known.is_some() {
            return Ok(());
        }
        let bytes = (self.read)(digest)?;
        let document = Document::parse(&bytes, media_type)?;
        if let Some(subject) = document.subject {
            let descriptor = document.descriptor(digest.into(), bytes.len() as u64, media_type);
            self.repository.referrers.push((subject, descriptor));
        }
        for child in &document.optional {
            let is_manifest = document::is_manifest(&child.media_type);
            if let Some(child_digest) = child.digest.sha256().filter(|digest| carried.contains(digest))
                && is_manifest
            {
                self.manifest(child_digest, &child.media_type, carried)?;
            }
        }
        Ok(())
    }
}
