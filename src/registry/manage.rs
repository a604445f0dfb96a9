//! Deleting (end-9, end-10). What is deleted is gone for clients at once; its bytes stay until
//! `airlock store gc` finds that nothing needs them.

use std::sync::Arc;

use super::answer::Result;
use super::pull::{unknown_blob, unknown_manifest};
use super::route::{Reference, Repository};
use super::service::{Inner, accepted};
use super::{failure, lookup};
use crate::oci::digest::ContentDigest;

/// Removes a tag, or a manifest with all its tags.
pub(super) async fn delete_manifest(
    inner: &Arc<Inner>,
    repository: Repository,
    reference: Reference,
) -> Result {
    inner
        .blocking(move |inner| {
            let name = lookup::existing(inner, &repository)?;
            let deleted = match &reference {
                Reference::Tag(tag) => inner.store()?.delete_tag(&name, tag),
                Reference::Digest(digest) => inner.store()?.delete_manifest(&name, digest),
            };
            match deleted.map_err(|error| failure::refusal(inner, error))? {
                true => Ok(accepted()),
                false => Err(unknown_manifest(&name, &reference)),
            }
        })
        .await
}

/// Removes a blob from a repository.
pub(super) async fn delete_blob(inner: &Arc<Inner>, repository: Repository, digest: ContentDigest) -> Result {
    inner
        .blocking(move |inner| {
            let name = lookup::existing(inner, &repository)?;
            let deleted = inner.store()?.delete_blob(&name, &digest);
            match deleted.map_err(|error| failure::refusal(inner, error))? {
                true => Ok(accepted()),
                false => Err(unknown_blob(&digest)),
            }
        })
        .await
}
