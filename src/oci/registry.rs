//! The client side of the OCI distribution API (distribution-spec v1.1): finding and fetching what an image
//! is made of. Blobs are only located here; `fetch::download` brings them.
//!
//! Retry, tokens, redirects and mirrors are those of [`crate::fetch`]. The client of the `oci-client` crate
//! is not used: it never tries again, swallows errors of authentication and goes on anonymously, and has a
//! token fetched for every blob.

mod places;
mod referrers;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderValue};

pub use referrers::ReferrerDescriptor;

use crate::error::{Error, Result, codes};
use crate::fetch::{Answer, Client, Existence, Failure, Location, Place, Request, Tour, printable};
use crate::oci::digest::{ContentDigest, Digest};
use crate::oci::document;
use crate::oci::reference::Reference;

/// The header in which registries say the digest of what they send.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// Asks registries, by way of their mirrors.
#[derive(Clone, Debug)]
pub struct Registry {
    client: Client,
}

/// What a reference stands for at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What kind of document it is, as the registry says.
    pub media_type: String,
    /// Its digest: computed if `bytes` are here, else as the registry says.
    pub digest: Digest,
    /// Its number of bytes.
    pub size: u64,
    /// The document itself, if the registry had to be made to send it.
    pub bytes: Option<Vec<u8>>,
}

impl Registry {
    /// A registry client that fetches by `client`.
    pub fn new(client: Client) -> Self {
        Registry { client }
    }

    /// Finds out which manifest or index `reference` stands for. A digest in it counts, not its tag. Asks
    /// without a body first, which registries do not count against their limits.
    ///
    /// # Errors
    /// [`codes::FETCH_NOT_FOUND`] if it does not exist, others of kind `Upstream` if the registry cannot be
    /// asked; [`codes::OCI_DIGEST_MISMATCH`] if the registry has something else under the digest.
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved> {
        self.resolve_as(reference, Existence::Expected).await
    }

    /// The same for what need not exist; not found is also what a mirror lacks while its origin is out of reach.
    async fn resolve_optional(&self, reference: &Reference) -> Result<Resolved> {
        self.resolve_as(reference, Existence::Optional).await
    }

    async fn resolve_as(&self, reference: &Reference, existence: Existence) -> Result<Resolved> {
        let name = reference.to_string();
        let digest = reference.digest().map(|digest| digest.to_string());
        let version = digest.as_deref().or(reference.tag()).unwrap_or("latest");
        let places =
            self.places(reference.host(), reference.repository(), &format!("manifests/{version}"))?;
        let mut tour = Tour::new(&self.client, &name, &places, existence)?;
        loop {
            match self.resolve_at(tour.place(), &name, reference.digest()).await {
                Ok(resolved) => return Ok(resolved),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn resolve_at(
        &self,
        place: &Place,
        name: &str,
        wanted: Option<Digest>,
    ) -> Result<Resolved, Failure> {
        let answer = self.client.exchange(&asking_for_documents(Request::head(place))).await?;
        match answer.status() {
            // Not every server knows HEAD.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST => {}
            status if !status.is_success() => return Err(answer.refusal().await),
            _ => {
                if let Some(resolved) = from_headers(&answer)? {
                    return checked(resolved, name, wanted);
                }
            }
        }
        let answer = self.client.exchange(&asking_for_documents(Request::get(place))).await?;
        let (media_type, bytes) = whole_document(answer, name).await?;
        let resolved =
            Resolved { media_type, digest: Digest::of(&bytes), size: bytes.len() as u64, bytes: Some(bytes) };
        checked(resolved, name, wanted)
    }

    /// Fetches a manifest or index. The bytes are exactly those of the registry and have the digest.
    ///
    /// # Errors
    /// [`codes::OCI_DIGEST_MISMATCH`] if other bytes come, [`codes::OCI_DOCUMENT`] if there are more than
    /// 4 MiB, others of kind `Upstream` if the registry cannot be asked or does not have it.
    pub async fn manifest(&self, host: &str, repository: &str, digest: Digest) -> Result<Vec<u8>> {
        self.document(host, repository, digest).await.map(|(_, bytes)| bytes)
    }

    /// The same with the media type that the registry gives it; empty if it gives none.
    ///
    /// # Errors
    /// As for [`Registry::manifest`].
    pub async fn document(&self, host: &str, repository: &str, digest: Digest) -> Result<(String, Vec<u8>)> {
        let name = format!("{host}/{repository}@{digest}");
        let places = self.places(host, repository, &format!("manifests/{digest}"))?;
        let mut tour = Tour::new(&self.client, &name, &places, Existence::Expected)?;
        loop {
            match self.document_at(tour.place(), &name, digest).await {
                Ok(document) => return Ok(document),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn document_at(
        &self,
        place: &Place,
        name: &str,
        digest: Digest,
    ) -> Result<(String, Vec<u8>), Failure> {
        let answer = self.client.exchange(&asking_for_documents(Request::get(place))).await?;
        let (media_type, bytes) = whole_document(answer, name).await?;
        let found = Digest::of(&bytes);
        if found == digest { Ok((media_type, bytes)) } else { Err(mismatch(name, digest, found)) }
    }

    /// How many bytes the blob `digest` of a repository has, as far as the registry says.
    ///
    /// # Errors
    /// [`codes::FETCH_NOT_FOUND`] if it does not have it, others of kind `Upstream` if it cannot be asked.
    pub async fn blob_length(&self, host: &str, repository: &str, digest: Digest) -> Result<Option<u64>> {
        let location = self.blob(host, repository, digest)?;
        let places = self.places(host, repository, &format!("blobs/{digest}"))?;
        let mut tour = Tour::new(&self.client, location.name(), &places, Existence::Expected)?;
        loop {
            let asked =
                async { self.client.exchange(&Request::head(tour.place())).await?.successful().await };
            match asked.await {
                Ok(answer) => return Ok(answer.content_length()),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    /// Where the blob `digest` of a repository lies, mirrors included.
    ///
    /// # Errors
    /// If the name of the host or a mirror cannot be part of a URL.
    pub fn blob(&self, host: &str, repository: &str, digest: Digest) -> Result<Location> {
        let places = self.places(host, repository, &format!("blobs/{digest}"))?;
        Ok(Location::blob(format!("blob {digest} of {host}/{repository}"), places))
    }

    /// Where another node has the blob `digest`, whatever it belongs to there: `/airlock/v1/blobs/<digest>`.
    ///
    /// # Errors
    /// If the name of the host cannot be part of a URL.
    pub fn blob_of_node(&self, host: &str, digest: &ContentDigest) -> Result<Location> {
        let place =
            places::beside(&self.client.settings().hosts, host, &format!("airlock/v1/blobs/{digest}"))?;
        Ok(Location::blob(format!("blob {digest} of {host}"), vec![place]))
    }

    fn places(&self, host: &str, repository: &str, what: &str) -> Result<Vec<Place>> {
        places::places(&self.client.settings().hosts, host, repository, what)
    }
}

fn asking_for_documents(request: Request) -> Request {
    // Media types are plain ASCII, so this cannot fail; without it most registries would answer as well.
    match HeaderValue::from_str(&document::ACCEPTED.join(", ")) {
        Ok(accepted) => request.with(ACCEPT, accepted),
        Err(_) => request,
    }
}

/// What the head of an answer says about a document, if it says everything.
fn from_headers(answer: &Answer) -> Result<Option<Resolved>, Failure> {
    let media_type = answer.content_type();
    if media_type.as_deref() == Some("text/html") {
        return Err(crate::fetch::web_page(&answer.url));
    }
    let digest = answer.header(CONTENT_DIGEST).and_then(|text| text.parse().ok());
    Ok(match (media_type, digest, answer.content_length()) {
        (Some(media_type), Some(digest), Some(size)) => {
            Some(Resolved { media_type, digest, size, bytes: None })
        }
        _ => None,
    })
}

fn checked(resolved: Resolved, name: &str, wanted: Option<Digest>) -> Result<Resolved, Failure> {
    match wanted {
        Some(wanted) if wanted != resolved.digest => Err(mismatch(name, wanted, resolved.digest)),
        _ => Ok(resolved),
    }
}

/// The media type and bytes of a document that is sent in `answer`.
async fn whole_document(answer: Answer, name: &str) -> Result<(String, Vec<u8>), Failure> {
    let answer = answer.successful().await?;
    let url = answer.url.clone();
    let media_type = answer.content_type().unwrap_or_default();
    if media_type == "text/html" {
        return Err(crate::fetch::web_page(&url));
    }
    let bytes = answer.bytes(document::MAX_SIZE).await?.ok_or_else(|| too_large(name))?;
    Ok((media_type, bytes))
}

fn too_large(name: &str) -> Failure {
    let message = format!("{} has a manifest of more than 4 MiB", printable(name));
    Failure::elsewhere(Error::new(codes::OCI_DOCUMENT, message).with_help(
        "no registry has to accept such a manifest; name another version of the image, or ask its owner",
    ))
}

fn mismatch(name: &str, wanted: Digest, found: Digest) -> Failure {
    let message = format!("{} was answered with other bytes than its digest says", printable(name));
    Failure::elsewhere(
        Error::new(codes::OCI_DIGEST_MISMATCH, message)
            .with_detail(format!("expected {wanted}"))
            .with_detail(format!("received {found}"))
            .with_help("the registry or something on the way to it changes its answers; ask its operators"),
    )
}
