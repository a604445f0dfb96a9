//! Manifests and tags of upstreams. They are small: they come whole, into the store, and are answered from there.

use std::sync::Arc;
use std::time::Duration;

use super::{Upstreams, trouble};
use crate::error::{self, Error, codes};
use crate::oci::digest::{ContentDigest, Digest};
use crate::oci::document::OCI_MANIFEST;
use crate::oci::reference;
use crate::progress::Event;
use crate::registry::answer::Result;
use crate::registry::failure;
use crate::registry::pull::unknown_manifest;
use crate::registry::refusal::{Reason, Refusal};
use crate::registry::route::{Reference, Repository};
use crate::registry::service::Inner;
use crate::store::{Manifest, RepositoryName, TagName};

/// How long an upstream may take to say whether a tag has moved. After that the store answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of asking: nothing if the store can answer now, or a manifest that it has no room for.
pub(super) type Brought = Result<Option<Arc<Passing>>>;

/// A manifest that could not be kept.
pub(in crate::registry) struct Passing {
    pub(in crate::registry) name: RepositoryName,
    pub(in crate::registry) digest: ContentDigest,
    pub(in crate::registry) manifest: Manifest,
}

/// Work to bring one manifest.
struct Errand {
    inner: Arc<Inner>,
    name: RepositoryName,
    reference: Reference,
    /// What the tag names in the store.
    known: Option<ContentDigest>,
}

/// Sees to it that the store has a manifest, if an upstream has it; a tag is asked for again from time to time.
/// Nothing if the store is to answer.
///
/// # Errors
/// A refusal if the store has nothing, and no upstream gives it.
pub(in crate::registry) async fn bring(
    inner: &Arc<Inner>,
    repository: &Repository,
    reference: &Reference,
) -> Brought {
    let Some(upstreams) = &inner.upstream else { return Ok(None) };
    let (asked, wanted) = (repository.clone(), reference.clone());
    let errand = inner.blocking(move |inner| errand(inner, &asked, wanted)).await?;
    let Some(errand) = errand else { return Ok(None) };
    let key = (errand.name.clone(), reference.clone());
    let brought = upstreams.documents.join(key, || errand.run()).await;
    brought.unwrap_or_else(|| Err(Refusal::new(Reason::Unknown, "asking the upstream broke off")))
}

/// What there is to do, if there is anything.
fn errand(inner: &Arc<Inner>, repository: &Repository, reference: Reference) -> Result<Option<Errand>> {
    let Some(upstreams) = &inner.upstream else { return Ok(None) };
    let Some(name) = upstreams.name(inner, repository)? else { return Ok(None) };
    let failed = |error| failure::refusal(inner, error);
    let content = &inner.settings.content;
    let known = match &reference {
        Reference::Tag(tag) => content.tag(&name, tag).map_err(failed)?,
        Reference::Digest(digest) => Some(*digest),
    };
    let known = match known {
        Some(digest) if content.manifest(&name, &digest).map_err(failed)?.is_some() => Some(digest),
        _ => None,
    };
    let suffices = match &reference {
        Reference::Tag(tag) => known.is_some() && upstreams.freshness.is_fresh(&name, tag),
        // Other digests than SHA-256 are not asked for.
        Reference::Digest(digest) => known.is_some() || digest.sha256().is_none(),
    };
    Ok((!suffices).then(|| Errand { inner: inner.clone(), name, reference, known }))
}

impl Errand {
    async fn run(self) -> Brought {
        let Some(upstreams) = &self.inner.upstream else { return Ok(None) };
        let result = match &self.reference {
            Reference::Digest(digest) => match digest.sha256() {
                Some(digest) => self.document(upstreams, digest, &[]).await,
                None => Ok(None),
            },
            Reference::Tag(tag) => self.tag(upstreams, tag).await,
        };
        match result {
            Ok(passing) => Ok(passing),
            Err(error) if self.known.is_some() => {
                match &self.reference {
                    Reference::Tag(tag) if error.code() == codes::FETCH_NOT_FOUND => {
                        upstreams.freshness.confirmed(&self.name, tag);
                    }
                    _ => upstreams.freshness.silent(&self.name),
                }
                let text =
                    format!("{}: what the store has is served: {}", self.shown(), trouble::message(&error));
                self.inner.settings.progress.event(Event::Warning { text: &text });
                Ok(None)
            }
            Err(error) if [codes::STORE_IO, codes::INTERNAL].contains(&error.code()) => {
                Err(failure::refusal(&self.inner, error))
            }
            Err(error) => Err(trouble::refusal(&error, || unknown_manifest(&self.name, &self.reference))),
        }
    }

    /// Asks what a tag names, and brings that if the store does not have it.
    async fn tag(&self, upstreams: &Upstreams, tag: &TagName) -> error::Result<Option<Arc<Passing>>> {
        let reference: reference::Reference = self.shown().parse()?;
        let patience = if self.known.is_some() { PATIENCE } else { Duration::MAX };
        let resolved = tokio::time::timeout(patience, upstreams.registry.resolve(&reference)).await;
        let resolved = resolved.map_err(|_| {
            Error::new(codes::FETCH_STALLED, format!("no answer within {} s", PATIENCE.as_secs()))
        })??;
        if self.known == Some(resolved.digest.into()) {
            upstreams.freshness.confirmed(&self.name, tag);
            return Ok(None);
        }
        let tags = [tag.clone()];
        let passing = match resolved.bytes {
            Some(bytes) => self.keep(resolved.digest, resolved.media_type, bytes, &tags).await,
            None => self.document(upstreams, resolved.digest, &tags).await,
        }?;
        if passing.is_none() {
            upstreams.freshness.confirmed(&self.name, tag);
        }
        Ok(passing)
    }

    /// Brings a manifest, from the store if an older tag has brought it before.
    async fn document(
        &self,
        upstreams: &Upstreams,
        digest: Digest,
        tags: &[TagName],
    ) -> error::Result<Option<Arc<Passing>>> {
        let found =
            self.blocking(move |inner, name| inner.settings.content.manifest(name, &digest.into())).await?;
        let (media_type, bytes) = match found {
            Some(found) => (found.media_type, found.bytes),
            None => {
                let host = self.name.host().unwrap_or_default();
                upstreams.registry.document(host, self.name.path(), digest).await?
            }
        };
        self.keep(digest, media_type, bytes, tags).await
    }

    /// Puts a manifest into the store. If that has no room, clients get it all the same.
    async fn keep(
        &self,
        digest: Digest,
        media_type: String,
        bytes: Vec<u8>,
        tags: &[TagName],
    ) -> error::Result<Option<Arc<Passing>>> {
        let media_type = if media_type.is_empty() { OCI_MANIFEST.to_owned() } else { media_type };
        let manifest = Manifest { media_type, bytes };
        let (tags, kept) = (tags.to_vec(), manifest.clone());
        let put = self.blocking(move |inner, name| match &inner.settings.store {
            Some(store) => store.mirror_manifest(name, &kept.media_type, &kept.bytes, &tags).map(drop),
            None => Ok(()),
        });
        match put.await {
            Ok(()) => Ok(None),
            Err(error) if error.code() == codes::NO_SPACE => {
                failure::report(&self.inner, &error);
                Ok(Some(Arc::new(Passing { name: self.name.clone(), digest: digest.into(), manifest })))
            }
            Err(error) => Err(error),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &RepositoryName) -> error::Result<T> + Send + 'static,
    ) -> error::Result<T> {
        let (inner, name) = (self.inner.clone(), self.name.clone());
        let joined = tokio::task::spawn_blocking(move || work(&inner, &name)).await;
        joined.unwrap_or_else(|error| {
            Err(Error::new(codes::INTERNAL, "keeping a manifest stopped").with_source(error))
        })
    }

    /// The name of the image, as people write it.
    fn shown(&self) -> String {
        match &self.reference {
            Reference::Tag(tag) => format!("{}:{tag}", self.name),
            Reference::Digest(digest) => format!("{}@{digest}", self.name),
        }
    }
}
