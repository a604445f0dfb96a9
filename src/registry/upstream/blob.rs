//! Blobs of upstreams: sent to the client while they come.

use std::sync::Arc;

use hyper::StatusCode;

use super::follow::{Follower, GrowingBody};
use super::transfer::Wanted;
use super::trouble;
use crate::oci::digest::ContentDigest;
use crate::registry::answer::{Answer, Result};
use crate::registry::body::Body;
use crate::registry::failure;
use crate::registry::pull::{Terms, blob_head, unknown_blob};
use crate::registry::range;
use crate::registry::route::Repository;
use crate::registry::service::Inner;

/// The answer with a blob that only an upstream has; nothing if the store is to answer.
///
/// A part that reaches the end of the blob begins at once. Of any other part it could not be told in time
/// whether it is right, so that waits until the store has the whole.
///
/// # Errors
/// A refusal if no upstream gives it.
pub(in crate::registry) async fn blob(
    inner: &Arc<Inner>,
    repository: &Repository,
    digest: &ContentDigest,
    terms: &Terms,
) -> Result<Option<Answer>> {
    let Some(wanted) = missing(inner, repository, digest).await? else { return Ok(None) };
    if terms.head {
        return head(inner, wanted, terms).await.map(Some);
    }
    let Some(upstreams) = &inner.upstream else { return Ok(None) };
    let mut follower = Follower::new(inner, wanted.clone(), upstreams.transfers.join(inner, &wanted));
    let Some(length) = follower.length().await? else { return Ok(None) };
    let first = match terms.wanted(digest, length) {
        range::Wanted::All => 0,
        range::Wanted::Part { first, last } if last + 1 == length => first,
        range::Wanted::Part { .. } => return follower.stored().await.map(|()| None),
        range::Wanted::Nothing => return blob_head(digest, Some(length), terms, &wanted.name).map(Some),
    };
    let mut answered = blob_head(digest, Some(length), terms, &wanted.name)?;
    if answered.status() != StatusCode::NOT_MODIFIED {
        follower.skip_to(first);
        *answered.body_mut() = Body::Growing(GrowingBody::new(follower, length, &inner.buffers));
    }
    Ok(Some(answered))
}

/// What has to be asked of an upstream, if it has to be.
async fn missing(
    inner: &Arc<Inner>,
    repository: &Repository,
    digest: &ContentDigest,
) -> Result<Option<Wanted>> {
    let Some(digest) = digest.sha256().filter(|_| inner.upstream.is_some()) else { return Ok(None) };
    let repository = repository.clone();
    let find = move |inner: &Arc<Inner>| {
        let Some(upstreams) = &inner.upstream else { return Ok(None) };
        let Some(name) = upstreams.name(inner, &repository)? else { return Ok(None) };
        let found = inner.settings.content.blob_of(&name, &digest.into());
        let is_here = found.map_err(|error| failure::refusal(inner, error))?.is_some();
        Ok((!is_here).then_some(Wanted { name, digest }))
    };
    inner.blocking(find).await
}

/// Asks without bringing anything.
async fn head(inner: &Arc<Inner>, wanted: Wanted, terms: &Terms) -> Result {
    let digest = ContentDigest::from(wanted.digest);
    let Some(upstreams) = &inner.upstream else { return Err(unknown_blob(&digest)) };
    let (host, path) = (wanted.name.host().unwrap_or_default(), wanted.name.path());
    let length = upstreams.registry.blob_length(host, path, wanted.digest).await;
    let length = length.map_err(|error| trouble::refusal(&error, || unknown_blob(&digest)))?;
    blob_head(&digest, length, terms, &wanted.name)
}
