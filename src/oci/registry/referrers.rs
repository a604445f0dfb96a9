//! Signatures, SBOMs and attestations of an image: manifests that refer to it (distribution-spec, "Listing
//! Referrers" and "Referrers Tag Schema"; cosign's older tags `sha256-<hex>.sig`).

use std::collections::BTreeSet;

use reqwest::StatusCode;
use reqwest::header::LINK;

use super::{Registry, asking_for_documents, whole_document};
use crate::error::{Error, Result, codes};
use crate::fetch::{Existence, Failure, Place, Request, Tour, Url};
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document, IndexEntry};
use crate::oci::reference::Reference;

/// Endings of the tags under which cosign stores what refers to an image.
const COSIGN_TAGS: [&str; 3] = ["sig", "att", "sbom"];
/// Most pages of a list of referrers.
const MOST_PAGES: usize = 16;

/// One manifest that refers to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerDescriptor {
    /// Media type of the manifest.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its number of bytes.
    pub size: u64,
    /// What it is: an SBOM, a signature.
    pub artifact_type: Option<String>,
    /// The tag by which cosign finds it, for what no list of referrers names.
    pub tag: Option<String>,
}

impl Registry {
    /// Everything that refers to the manifest `digest` of a repository, each once. Nothing is not an error.
    ///
    /// # Errors
    /// Of kind `Upstream` if the registry cannot be asked; [`codes::OCI_DOCUMENT`] if its list is malformed.
    pub async fn referrers(
        &self,
        host: &str,
        repository: &str,
        digest: Digest,
    ) -> Result<Vec<ReferrerDescriptor>> {
        let mut found = match self.listed_referrers(host, repository, digest).await {
            Ok(entries) => entries,
            Err(error) if error.code() == codes::FETCH_NOT_FOUND => {
                self.tagged_list(host, repository, digest).await?
            }
            Err(error) => return Err(error),
        };
        for ending in COSIGN_TAGS {
            found.extend(
                self.tagged_referrer(host, repository, format!("sha256-{}.{ending}", digest.hex())).await?,
            );
        }
        let mut seen = BTreeSet::new();
        found.retain(|referrer| seen.insert(referrer.digest));
        Ok(found)
    }

    /// The list of the referrers API; not found where the registry has no such API.
    async fn listed_referrers(
        &self,
        host: &str,
        repository: &str,
        digest: Digest,
    ) -> Result<Vec<ReferrerDescriptor>> {
        let name = format!("the list of what refers to {host}/{repository}@{digest}");
        let places = self.places(host, repository, &format!("referrers/{digest}"))?;
        let mut tour = Tour::new(&self.client, &name, &places, Existence::Optional)?;
        loop {
            match self.all_pages(tour.place(), &name).await {
                Ok(referrers) => return Ok(referrers),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn all_pages(&self, place: &Place, name: &str) -> Result<Vec<ReferrerDescriptor>, Failure> {
        let mut referrers = Vec::new();
        let mut page = place.clone();
        for _ in 0..MOST_PAGES {
            let answer = self.client.exchange(&asking_for_documents(Request::get(&page))).await?;
            if is_unsupported(answer.status()) {
                return Err(no_such_api(name));
            }
            let next = answer.header(LINK).and_then(|link| next_page(&answer.url, link));
            let (media_type, bytes) = whole_document(answer, name).await?;
            referrers.extend(entries(&bytes, &media_type).map_err(Failure::elsewhere)?);
            match next {
                Some(url) => page = Place { url, access: place.access.clone() },
                None => return Ok(referrers),
            }
        }
        Err(Failure::senseless(
            &place.url,
            format_args!("it sends more than {MOST_PAGES} pages of referrers"),
        ))
    }

    /// The list that clients keep under a tag where there is no API.
    async fn tagged_list(
        &self,
        host: &str,
        repository: &str,
        digest: Digest,
    ) -> Result<Vec<ReferrerDescriptor>> {
        let tag = format!("sha256-{}", digest.hex());
        let Some(list) = self.tagged_referrer(host, repository, tag).await? else { return Ok(Vec::new()) };
        let bytes = self.manifest(host, repository, list.digest).await?;
        entries(&bytes, &list.media_type)
    }

    async fn tagged_referrer(
        &self,
        host: &str,
        repository: &str,
        tag: String,
    ) -> Result<Option<ReferrerDescriptor>> {
        let reference: Reference = format!("{host}/{repository}:{tag}").parse()?;
        match self.resolve_optional(&reference).await {
            Ok(found) => Ok(Some(ReferrerDescriptor {
                media_type: found.media_type,
                digest: found.digest,
                size: found.size,
                artifact_type: None,
                tag: Some(tag),
            })),
            Err(error) if error.code() == codes::FETCH_NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Registries without the API answer 404; some older ones take `referrers` for something else.
fn is_unsupported(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST)
}

fn no_such_api(name: &str) -> Failure {
    Failure::elsewhere(
        Error::new(codes::FETCH_NOT_FOUND, format!("{name} is not offered by the registry"))
            .with_help("nothing has to be done: the older tags are looked at instead"),
    )
}

/// The next page of a list (RFC 8288), on the same server only: the request carries a permission.
fn next_page(from: &Url, link: &str) -> Option<Url> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next =
        parameters.split(';').any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
    from.join(target).ok().filter(|url| is_next && url.origin() == from.origin())
}

fn entries(bytes: &[u8], media_type: &str) -> Result<Vec<ReferrerDescriptor>> {
    match document::parse(bytes, Some(media_type))? {
        Document::Index(index) => Ok(index.entries.into_iter().map(descriptor).collect()),
        Document::Image(_) => Err(Error::new(
            codes::OCI_DOCUMENT,
            "the registry sends an image where a list of referrers is due",
        )
        .with_help("leave out `referrers: true`, or ask the operators of the registry")),
    }
}

fn descriptor(entry: IndexEntry) -> ReferrerDescriptor {
    let descriptor = entry.descriptor;
    ReferrerDescriptor {
        media_type: descriptor.media_type,
        digest: descriptor.digest,
        size: descriptor.size,
        artifact_type: descriptor.artifact_type,
        tag: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_same_server_are_followed() {
        let from = Url::parse("https://lab/v2/a/referrers/x").unwrap();
        let next = |link| next_page(&from, link).map(|url| url.to_string());
        assert_eq!(next("</v2/a?n=2>; rel=\"next\"").as_deref(), Some("https://lab/v2/a?n=2"));
        assert_eq!(next("</v2/a?n=2>; rel=\"prev\""), None);
        assert_eq!(next("<https://evil/v2/a>; rel=\"next\""), None);
        assert_eq!(next("rel=next"), None);
    }
}
