//! Tags, referrers, repositories (end-8, end-12, and Docker's catalogue).

use std::sync::Arc;

use hyper::{StatusCode, header};
use serde_json::json;

use super::answer::{self, Answer, Result};
use super::route::{Page, Repository};
use super::service::Inner;
use super::{failure, lookup};
use crate::oci::digest::ContentDigest;
use crate::store;

/// The media type of a list of manifests.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Most names in one answer; the rest is behind the link.
const LONGEST_PAGE: usize = 10_000;

/// The tags of a repository.
pub(super) async fn tags(inner: &Arc<Inner>, repository: Repository, page: Page) -> Result {
    inner
        .blocking(move |inner| {
            let name = lookup::existing(inner, &repository)?;
            let (after, limit) = (page.after.as_deref(), limit(&page));
            let found = inner.settings.content.tags(&name, after, limit);
            let found = found.map_err(|error| failure::refusal(inner, error))?.unwrap_or_default();
            let body = json!({"name": repository.path, "tags": found.names});
            let answered = answer::typed(StatusCode::OK, "application/json", body.to_string());
            let namespace = repository.namespace.map(|host| format!("&ns={host}")).unwrap_or_default();
            Ok(linked(answered, &format!("/v2/{}/tags/list", repository.path), &found, limit, &namespace))
        })
        .await
}

/// All repositories.
pub(super) async fn catalogue(inner: &Arc<Inner>, page: Page) -> Result {
    inner
        .blocking(move |inner| {
            let (after, limit) = (page.after.as_deref(), limit(&page));
            let found = inner.settings.content.repositories(after, limit);
            let found = found.map_err(|error| failure::refusal(inner, error))?;
            let body = json!({"repositories": found.names});
            let answered = answer::typed(StatusCode::OK, "application/json", body.to_string());
            Ok(linked(answered, "/v2/_catalog", &found, limit, ""))
        })
        .await
}

/// What refers to a manifest. The manifest need not exist, and nor need the repository: a 404 would make
/// clients believe that there is no such endpoint, and look for tags instead.
pub(super) async fn referrers(
    inner: &Arc<Inner>,
    repository: Repository,
    subject: ContentDigest,
    artifact_type: Option<String>,
) -> Result {
    inner
        .blocking(move |inner| {
            let mut found = match lookup::existing(inner, &repository) {
                Ok(name) => {
                    let found = inner.settings.content.referrers(&name, &subject);
                    found.map_err(|error| failure::refusal(inner, error))?
                }
                Err(refusal) if refusal.detail.is_null() && refusal.status == StatusCode::NOT_FOUND => {
                    Vec::new()
                }
                Err(refusal) => return Err(refusal.with_status(StatusCode::BAD_REQUEST)),
            };
            if let Some(wanted) = &artifact_type {
                found.retain(|descriptor| descriptor.artifact_type.as_ref() == Some(wanted));
            }
            let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": found});
            let answered = answer::typed(StatusCode::OK, INDEX, body.to_string());
            Ok(match artifact_type {
                Some(_) => answer::with(answered, answer::FILTERS_APPLIED, "artifactType"),
                None => answered,
            })
        })
        .await
}

fn limit(page: &Page) -> usize {
    page.limit.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE)
}

/// Adds the link to what comes behind (RFC 8288). Names need no escapes in a query.
fn linked(answered: Answer, path: &str, page: &store::Page, limit: usize, more: &str) -> Answer {
    match page.names.last().filter(|_| page.more) {
        Some(last) => {
            let link = format!("<{path}?n={limit}&last={last}{more}>; rel=\"next\"");
            answer::with(answered, header::LINK, link)
        }
        None => answered,
    }
}
