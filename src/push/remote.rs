//! The registry that is pushed to: single requests, repeated as long as that can help, and what their answers mean.

use std::sync::Arc;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::refusal;
use super::target::Target;
use crate::bundle::manifest::Blob;
use crate::error::{Error, Result, codes};
use crate::fetch::{
    Access, Answer, Client, Existence, Failure, Method, Payload, Place, Request, StatusCode, Tour, printable,
};
use crate::oci::digest::Digest;
use crate::oci::document::{ACCEPTED, MAX_SIZE};

/// The header in which registries say the digest of what they have.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A registry, and what asks it.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) client: Client,
    pub(super) target: Target,
}

/// What became of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    /// It mentions manifests that the registry does not have.
    Incomplete,
}

impl Remote {
    /// The registry `target`, asked by `client`, which knows its certificates and credentials.
    pub fn new(client: Client, target: Target) -> Remote {
        Remote { client, target }
    }

    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What a tag or digest stands for in a repository; nothing if it is not there.
    pub(super) async fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Digest>> {
        let place = self.reading(repository, &format!("manifests/{reference}"));
        self.patiently(repository, &place, async || {
            let head = self.client.exchange(&asking_for_documents(Request::head(&place))).await?;
            if head.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let head = self.successful(head, repository).await?;
            if let Some(digest) = digest_of(&head) {
                return Ok(Some(digest));
            }
            // Not every server says in the head of an answer what is in it.
            let answer = self.client.exchange(&asking_for_documents(Request::get(&place))).await?;
            let bytes = self.successful(answer, repository).await?.bytes(MAX_SIZE).await?;
            Ok(bytes.map(|bytes| Digest::of(&bytes)))
        })
        .await
    }

    /// Whether a repository has a manifest.
    pub(super) async fn has_document(&self, repository: &str, digest: Digest) -> Result<bool> {
        match self.manifest(repository, &digest.to_string()).await? {
            None => Ok(false),
            Some(found) if found == digest => Ok(true),
            Some(found) => Err(self.wrong_digest(repository, &digest.to_string(), digest, found)),
        }
    }

    /// Whether a repository has a blob.
    pub(super) async fn has_blob(&self, repository: &str, blob: Blob) -> Result<bool> {
        let place = self.reading(repository, &format!("blobs/{}", blob.digest));
        self.patiently(repository, &place, async || {
            let head = self.client.exchange(&Request::head(&place)).await?;
            if head.status() == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            let head = self.successful(head, repository).await?;
            Ok(head.content_length().is_none_or(|length| length == blob.size))
        })
        .await
    }

    /// Puts a manifest under a digest or tag. `is_sparse` tells that not everything it mentions is there.
    pub(super) async fn put(
        &self,
        repository: &str,
        reference: &str,
        document: (&str, Arc<[u8]>),
        is_sparse: bool,
    ) -> Result<Put> {
        let (media_type, bytes) = document;
        let digest = Digest::of(&bytes);
        let place = self.writing(repository, &format!("manifests/{reference}"));
        let kind = HeaderValue::from_str(media_type).map_err(|error| {
            Error::new(codes::OCI_DOCUMENT, format!("`{}` is no media type", printable(media_type)))
                .with_source(error)
        })?;
        let request = Request::new(Method::PUT, &place);
        let request = request.with(CONTENT_TYPE, kind).carrying(Payload::Short(bytes));
        self.patiently(repository, &place, async || {
            let answer = self.client.ask(&request).await?;
            let status = answer.status();
            if is_sparse && matches!(status.as_u16(), 400 | 404 | 422) {
                return Ok(Put::Incomplete);
            }
            let answer = self.successful(answer, repository).await?;
            match digest_of(&answer) {
                Some(found) if found != digest => {
                    Err(Failure::elsewhere(self.wrong_digest(repository, reference, digest, found)))
                }
                _ => Ok(Put::Taken),
            }
        })
        .await
    }

    /// The answer if it is a success, else what the refusal means.
    pub(super) async fn successful(&self, answer: Answer, repository: &str) -> Result<Answer, Failure> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal::failure(answer.refused().await, &self.target, repository))
    }

    /// Does something as often as that can help.
    async fn patiently<T>(
        &self,
        repository: &str,
        place: &Place,
        attempt: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T> {
        let mut tour = self.tour(place)?;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(failure) => {
                    tour.failed(failure).await.map_err(|error| self.explain(error, repository))?;
                }
            }
        }
    }

    /// The attempts at one thing.
    pub(super) fn tour<'a>(&'a self, place: &'a Place) -> Result<Tour<'a>> {
        Tour::new(&self.client, place.url.path(), std::slice::from_ref(place), Existence::Expected)
    }

    /// The same error in the words of a push.
    pub(super) fn explain(&self, error: Error, repository: &str) -> Error {
        refusal::explain(error, &self.target, repository)
    }

    fn reading(&self, repository: &str, what: &str) -> Place {
        let access = Access::pull(&self.target.host(), repository);
        Place { url: self.target.url(repository, what), access: Some(access) }
    }

    /// The place of something that is written, and read on the way.
    pub(super) fn writing(&self, repository: &str, what: &str) -> Place {
        self.mounting(repository, what, None)
    }

    /// The same, with blobs that the repository `from` has.
    pub(super) fn mounting(&self, repository: &str, what: &str, from: Option<&str>) -> Place {
        let access = Access::push(&self.target.host(), repository, from);
        Place { url: self.target.url(repository, what), access: Some(access) }
    }

    fn wrong_digest(&self, repository: &str, reference: &str, expected: Digest, found: Digest) -> Error {
        let name = format!("{}/{repository}", self.target.host());
        let message = format!("{} of {} is not what was pushed", printable(reference), printable(&name));
        Error::new(codes::REGISTRY_PUSH, message)
            .with_detail(format!("pushed {expected}"))
            .with_detail(format!("the registry has {found}"))
            .with_help(
                "a registry keeps manifests byte for byte; see whether something changes them on the way",
            )
    }
}

fn digest_of(answer: &Answer) -> Option<Digest> {
    answer.header(CONTENT_DIGEST)?.parse().ok()
}

fn asking_for_documents(request: Request) -> Request {
    // Media types are plain ASCII, so this cannot fail; without it most registries would answer as well.
    match HeaderValue::from_str(&ACCEPTED.join(", ")) {
        Ok(accepted) => request.with(ACCEPT, accepted),
        Err(_) => request,
    }
}
