//! Taking names away. Bytes stay until [`Store::collect_garbage`](super::Store) finds that nothing needs them.

use std::io;
use std::path::Path;

use super::directory::{self, BLOBS, MANIFESTS, TAGS};
use super::document::Document;
use super::name::{RepositoryName, TagName};
use super::{Store, files, lookup};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

impl Store {
    /// Removes a tag; whether there was one.
    pub fn delete_tag(&self, repository: &RepositoryName, tag: &TagName) -> Result<bool> {
        let directory = self.repository(repository);
        self.forget(&directory, &directory::tag(&directory, tag))
    }

    /// Removes a manifest from a repository, with all tags that name it; whether it was there.
    pub fn delete_manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<bool> {
        let directory = self.repository(repository);
        let member = directory::member(&directory, MANIFESTS, digest);
        // Nobody tags it while it goes.
        let _alone = self.exclude()?;
        if !member.is_file() {
            return Ok(false);
        }
        // Tags go first: none may name what is no longer there.
        for tag in self.tags_of(&directory, digest)? {
            self.forget(&directory, &directory.join(TAGS).join(tag))?;
        }
        // A damaged manifest can still be deleted; then its entry among the referrers stays until collected.
        if let Some(subject) = self.subject_of(&member, digest) {
            let referrers = directory::referrers(&directory, &subject);
            self.forget(&directory, &referrers.join(directory::dashed(digest)))?;
        }
        self.forget(&directory, &member)
    }

    /// Removes a blob from a repository, whatever needs it there; whether it was there.
    pub fn delete_blob(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<bool> {
        let directory = self.repository(repository);
        self.forget(&directory, &directory::member(&directory, BLOBS, digest))
    }

    fn tags_of(&self, directory: &Path, digest: &ContentDigest) -> Result<Vec<String>> {
        let path = directory.join(TAGS);
        let mut names = files::names(&path).map_err(|error| files::failed(&path, error))?;
        names
            .retain(|name| matches!(lookup::read_tag(&path.join(name)), Ok(Some(found)) if found == *digest));
        Ok(names)
    }

    fn subject_of(&self, member: &Path, digest: &ContentDigest) -> Option<ContentDigest> {
        let media_type = files::read(member, 1024).ok()??;
        let bytes = self.read_document(digest).ok()??;
        Document::parse(&bytes, std::str::from_utf8(&media_type).ok()?).ok()?.subject
    }

    /// Removes one file of names durably; whether it was there.
    fn forget(&self, repository: &Path, path: &Path) -> Result<bool> {
        let forget = || -> io::Result<bool> {
            let mut batch = self.directory().batch();
            if !batch.remove(path)? {
                return Ok(false);
            }
            batch.sync()?;
            if let Some(parent) = path.parent() {
                // The directory of tags or manifests itself stays: the repository still exists.
                files::remove_empty(parent, repository);
            }
            Ok(true)
        };
        forget().map_err(|error| files::failed(path, error))
    }
}
