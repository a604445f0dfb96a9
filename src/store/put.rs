//! Pushing a manifest: everything it needs is there, then it is, then it belongs to the repository, then
//! tags name it. Each of these is on the disk before the next begins.

use std::io;
use std::time::Duration;

use super::directory::{self, BLOBS, MANIFESTS};
use super::document::Document;
use super::name::{RepositoryName, TagName};
use super::{Store, files};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Algorithm, ContentDigest};
use crate::quote::quote;

/// More missing blobs than anybody wants to read.
const MOST_NAMED: usize = 20;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest.
    pub digest: ContentDigest,
    /// The manifest it refers to, whether that exists or not; for the header `OCI-Subject`.
    pub subject: Option<ContentDigest>,
}

impl Store {
    /// Takes a manifest into a repository and names it by `tags`. The bytes are kept as they are. With
    /// `expected` it is pushed by digest, and the bytes must have it.
    ///
    /// Manifests that an index mentions, and layers that are not for distribution, may be missing.
    ///
    /// # Errors
    /// [`codes::MANIFEST_INVALID`], [`codes::WRONG_DIGEST`], or [`codes::MANIFEST_BLOB_UNKNOWN`] with one
    /// detail per missing blob (its digest alone).
    pub fn put_manifest(
        &self,
        repository: &RepositoryName,
        media_type: &str,
        bytes: &[u8],
        expected: Option<&ContentDigest>,
        tags: &[TagName],
    ) -> Result<Pushed> {
        if media_type.len() > 255 || !media_type.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let message = format!("`{}` is not a media type", quote(media_type));
            return Err(Error::new(codes::MANIFEST_INVALID, message)
                .with_help("send the media type of the manifest as `Content-Type`"));
        }
        let document = Document::parse(bytes, media_type)?;
        let digest = checked_digest(bytes, expected)?;
        let _shared = self.share()?;
        self.require(repository, &document)?;
        let names = NewNames { repository, digest, document: &document, media_type, tags };
        names.write(self, bytes).map_err(|error| files::failed(self.root(), error))?;
        Ok(Pushed { digest, subject: document.subject })
    }

    /// Takes a manifest that an upstream has sent, and names it by `tags`. Its blobs may come later, or never;
    /// those that the store has already belong to the repository from now on.
    ///
    /// # Errors
    /// [`codes::MANIFEST_INVALID`], [`codes::NO_SPACE`], [`codes::STORE_IO`].
    pub fn mirror_manifest(
        &self,
        repository: &RepositoryName,
        media_type: &str,
        bytes: &[u8],
        tags: &[TagName],
    ) -> Result<Pushed> {
        let document = Document::parse(bytes, media_type)?;
        let digest = checked_digest(bytes, None)?;
        let _shared = self.share()?;
        self.join_present(repository, &document).map_err(|error| files::failed(self.root(), error))?;
        let names = NewNames { repository, digest, document: &document, media_type, tags };
        names.write(self, bytes).map_err(|error| files::failed(self.root(), error))?;
        Ok(Pushed { digest, subject: document.subject })
    }

    fn join_present(&self, repository: &RepositoryName, document: &Document) -> io::Result<()> {
        let mut batch = self.directory().batch();
        for digest in &document.blobs {
            if self.try_touch(digest, Duration::ZERO)? {
                batch.join(&directory::member(&self.repository(repository), BLOBS, digest))?;
            }
        }
        Ok(())
    }

    pub(super) fn share(&self) -> Result<directory::Guard> {
        self.directory().share().map_err(|error| files::failed(&self.root().join("lock"), error))
    }

    pub(super) fn exclude(&self) -> Result<directory::Guard> {
        self.directory().exclude().map_err(|error| files::failed(&self.root().join("lock"), error))
    }

    /// Fails unless the repository has all blobs that the manifest needs; they are young afterwards.
    fn require(&self, repository: &RepositoryName, document: &Document) -> Result<()> {
        let mut missing = Vec::new();
        for digest in &document.blobs {
            if !self.claim(repository, digest)? {
                missing.push(digest);
            }
        }
        let manifests = document.optional.iter().map(|child| &child.digest).chain(&document.subject);
        for digest in manifests {
            self.keep_manifest(repository, digest)?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message =
            format!("the manifest needs {} that `{repository}` does not have", count(missing.len()));
        let error = Error::new(codes::MANIFEST_BLOB_UNKNOWN, message)
            .with_help("push its blobs first, then the manifest");
        Err(missing
            .iter()
            .take(MOST_NAMED)
            .fold(error, |error, digest| error.with_detail(digest.to_string())))
    }
}

fn count(missing: usize) -> String {
    if missing == 1 { "a blob".to_owned() } else { format!("{missing} blobs") }
}

fn checked_digest(bytes: &[u8], expected: Option<&ContentDigest>) -> Result<ContentDigest> {
    let algorithm = expected.map_or(Algorithm::Sha256, ContentDigest::algorithm);
    let digest = ContentDigest::of(algorithm, bytes);
    match expected {
        Some(expected) if *expected != digest => Err(wrong_digest(expected, &digest)),
        _ => Ok(digest),
    }
}

/// The error for pushed bytes that are not those of the digest they were pushed by.
pub(super) fn wrong_digest(expected: &ContentDigest, found: &ContentDigest) -> Error {
    Error::new(codes::WRONG_DIGEST, "the bytes received are not those of their digest")
        .with_detail(format!("announced {expected}"))
        .with_detail(format!("received  {found}"))
        .with_help("push it again; if that does not help, something on the way changes what is sent")
}

/// What a push changes.
struct NewNames<'a> {
    repository: &'a RepositoryName,
    digest: ContentDigest,
    document: &'a Document,
    media_type: &'a str,
    tags: &'a [TagName],
}

impl NewNames<'_> {
    fn write(&self, store: &Store, bytes: &[u8]) -> io::Result<()> {
        let directory = store.repository(self.repository);
        let mut batch = store.directory().batch();
        // What is there already is compared, and replaced if it is damaged.
        batch.write(&store.directory().blob(&self.digest), bytes)?;
        // Uploads leave it to us to make their names last.
        for digest in &self.document.blobs {
            batch.changed(&store.directory().blobs(digest.algorithm()));
            batch.changed(&directory.join(BLOBS).join(digest.algorithm().name()));
        }
        batch.sync()?;
        let member = directory::member(&directory, MANIFESTS, &self.digest);
        batch.write(&member, self.media_type.as_bytes())?;
        if let Some(subject) = &self.document.subject {
            let descriptor = self.document.descriptor(self.digest, bytes.len() as u64, self.media_type);
            let path = directory::referrers(&directory, subject).join(directory::dashed(&self.digest));
            batch.write(&path, &serde_json::to_vec(&descriptor)?)?;
        }
        if self.tags.is_empty() {
            return batch.sync();
        }
        batch.sync()?;
        for tag in self.tags {
            batch.write(&directory::tag(&directory, tag), self.digest.to_string().as_bytes())?;
        }
        batch.sync()
    }
}
