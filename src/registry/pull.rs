//! Manifests and blobs (end-2, end-3).

use std::ops::Range;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{HeaderMap, StatusCode, header};

use super::answer::{self, Answer, Result};
use super::body::{BlobBody, Body};
use super::check::Check;
use super::direct::{DirectBody, Lane};
use super::range::Wanted;
use super::refusal::{Reason, Refusal};
use super::route::{Reference, Repository};
use super::service::{Asked, Inner};
use super::{failure, lookup, upstream};
use crate::oci::digest::ContentDigest;
use crate::store::{Blob, Manifest, RepositoryName};

/// What a blob is, as far as the registry knows.
const BYTES: &str = "application/octet-stream";

/// Blobs up to this size, in bytes, are read on the spot when somebody wants a part of them.
const QUICKLY_READ: u64 = 32 << 20;

/// What is asked of a blob, apart from which.
pub(super) struct Terms {
    pub(super) head: bool,
    range: Option<String>,
    if_range: Option<String>,
    if_none_match: Option<String>,
    /// Of a connection that can take bytes as they lie.
    lane: Option<Lane>,
}

impl Terms {
    pub(super) fn of(asked: &Asked) -> Terms {
        let header = |name| asked.header(name).map(str::to_owned);
        Terms {
            head: asked.head,
            range: header(header::RANGE),
            if_range: header(header::IF_RANGE),
            if_none_match: header(header::IF_NONE_MATCH),
            lane: asked.lane.clone(),
        }
    }

    /// What of a blob of this length is wanted.
    pub(super) fn wanted(&self, digest: &ContentDigest, length: u64) -> Wanted {
        Wanted::parse(self.range(&entity_tag(digest)), length)
    }

    /// The range that counts: none if the client has bytes of something else (RFC 9110, 13.1.5).
    fn range(&self, tag: &str) -> Option<&str> {
        let same = self.if_range.as_deref().is_none_or(|expected| expected == tag);
        self.range.as_deref().filter(|_| same)
    }
}

/// A manifest, by tag or digest: exactly the bytes and the media type that were pushed.
pub(super) async fn manifest(
    inner: &Arc<Inner>,
    repository: Repository,
    reference: Reference,
    asked: &Asked,
) -> Result {
    let if_none_match = asked.header(header::IF_NONE_MATCH).map(str::to_owned);
    if let Some(passing) = upstream::manifest::bring(inner, &repository, &reference).await? {
        let found = passing.manifest.clone();
        return Ok(document(if_none_match.as_deref(), &passing.name, &passing.digest, found));
    }
    inner
        .blocking(move |inner| {
            let name = lookup::existing(inner, &repository)?;
            let failed = |error| failure::refusal(inner, error);
            let content = &inner.settings.content;
            let digest = match &reference {
                Reference::Digest(digest) => Some(*digest),
                Reference::Tag(tag) => content.tag(&name, tag).map_err(failed)?,
            };
            let found = match digest {
                Some(digest) => {
                    content.manifest(&name, &digest).map_err(failed)?.map(|found| (digest, found))
                }
                None => None,
            };
            let (digest, found) = found.ok_or_else(|| unknown_manifest(&name, &reference))?;
            Ok(document(if_none_match.as_deref(), &name, &digest, found))
        })
        .await
}

fn document(
    if_none_match: Option<&str>,
    name: &RepositoryName,
    digest: &ContentDigest,
    found: Manifest,
) -> Answer {
    if has_already(if_none_match, digest) {
        return not_modified(digest);
    }
    let answered = answer::typed(StatusCode::OK, &found.media_type, found.bytes);
    from(named(answered, digest), name)
}

/// A blob of a repository.
pub(super) async fn blob(
    inner: &Arc<Inner>,
    repository: Repository,
    digest: ContentDigest,
    asked: &Asked,
) -> Result {
    let terms = Terms::of(asked);
    if let Some(answered) = upstream::blob::blob(inner, &repository, &digest, &terms).await? {
        return Ok(answered);
    }
    inner
        .blocking(move |inner| {
            let name = lookup::existing(inner, &repository)?;
            let failed = |error| failure::refusal(inner, error);
            if terms.head
                && let Some(store) = &inner.settings.store
            {
                // Who asks whether a blob is there relies on it: garbage collection has to spare it for a while.
                store.has_blob(&name, &digest).map_err(failed)?;
            }
            let blob = inner.settings.content.blob_of(&name, &digest).map_err(failed)?;
            let blob = blob.ok_or_else(|| unknown_blob(&digest))?;
            Ok(from(send(inner, blob, BYTES, &terms)?, &name))
        })
        .await
}

/// A blob, whoever has it.
pub(super) async fn any_blob(inner: &Arc<Inner>, digest: ContentDigest, asked: &Asked) -> Result {
    let terms = Terms::of(asked);
    inner
        .blocking(move |inner| {
            let blob =
                inner.settings.content.blob(&digest).map_err(|error| failure::refusal(inner, error))?;
            send(inner, blob.ok_or_else(|| unknown_blob(&digest))?, BYTES, &terms)
        })
        .await
}

/// The one way of bytes out of the store. Blocks on the disk; the bytes themselves are read as they go out.
///
/// There is never a `Content-Encoding`: clients check the digest of what they receive.
pub(super) fn send(inner: &Arc<Inner>, blob: Blob, media_type: &str, terms: &Terms) -> Result {
    let (digest, length) = (*blob.digest(), blob.length());
    let mut answered = head(&digest, Some(length), media_type, terms)?;
    if terms.head || answered.status() == StatusCode::NOT_MODIFIED {
        return Ok(answered);
    }
    let range = match terms.wanted(&digest, length) {
        Wanted::Part { first, last } => first..last + 1,
        _ => 0..length,
    };
    let is_part = range.end - range.start < length;
    if is_part && length <= QUICKLY_READ {
        blob.verify().map_err(|error| failure::refusal(inner, error))?;
    }
    *answered.body_mut() = body(inner, blob, range, terms);
    Ok(answered)
}

/// The same for what is in memory already.
pub(super) fn send_bytes(bytes: Bytes, digest: &ContentDigest, media_type: &str, terms: &Terms) -> Result {
    let mut answered = head(digest, Some(bytes.len() as u64), media_type, terms)?;
    if !terms.head && answered.status() != StatusCode::NOT_MODIFIED {
        let wanted = match terms.wanted(digest, bytes.len() as u64) {
            Wanted::Part { first, last } => bytes.slice(first as usize..=last as usize),
            _ => bytes,
        };
        *answered.body_mut() = Body::Whole(Some(wanted));
    }
    Ok(answered)
}

/// The answer for a blob of a repository without its body; `length` is none if nobody knows it.
pub(super) fn blob_head(
    digest: &ContentDigest,
    length: Option<u64>,
    terms: &Terms,
    name: &RepositoryName,
) -> Result {
    Ok(from(head(digest, length, BYTES, terms)?, name))
}

fn head(digest: &ContentDigest, length: Option<u64>, media_type: &str, terms: &Terms) -> Result {
    if has_already(terms.if_none_match.as_deref(), digest) {
        return Ok(not_modified(digest));
    }
    let mut answered = answer::empty(StatusCode::OK);
    let headers = answered.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    set(headers, header::CONTENT_TYPE, media_type);
    set(headers, header::ACCEPT_RANGES, "bytes");
    if let Some(length) = length {
        let (status, sent) = part(digest, length, terms, headers)?;
        set(headers, header::CONTENT_LENGTH, &sent.to_string());
        *answered.status_mut() = status;
    }
    Ok(named(answered, digest))
}

/// The status for what is wanted of a blob, and how many bytes that is.
fn part(
    digest: &ContentDigest,
    length: u64,
    terms: &Terms,
    headers: &mut HeaderMap,
) -> Result<(StatusCode, u64)> {
    match terms.wanted(digest, length) {
        Wanted::All => Ok((StatusCode::OK, length)),
        Wanted::Part { first, last } => {
            set(headers, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
            Ok((StatusCode::PARTIAL_CONTENT, last + 1 - first))
        }
        Wanted::Nothing => {
            let refusal = Refusal::new(Reason::RangeInvalid, format!("the blob has {length} bytes"));
            Err(refusal.with_header(header::CONTENT_RANGE, &format!("bytes */{length}")))
        }
    }
}

/// How the bytes go out: as they lie, if they are known to be right, or read and checked.
fn body(inner: &Arc<Inner>, blob: Blob, range: Range<u64>, terms: &Terms) -> Body {
    let verified = blob.is_verified();
    if let Some(lane) = terms.lane.as_ref().filter(|_| verified && blob.lies_in_files()) {
        return Body::Direct(DirectBody::new(lane.clone(), blob, range));
    }
    let is_part = range.end - range.start < blob.length();
    let check = (is_part && !verified).then(|| Check::of(inner, &blob));
    Body::Blob(BlobBody::new(blob.stream(range), check, &inner.buffers))
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn entity_tag(digest: &ContentDigest) -> String {
    format!("\"{digest}\"")
}

/// Adds the headers that say what was sent; it is content by digest, so it never changes.
fn named(answered: Answer, digest: &ContentDigest) -> Answer {
    let answered = answer::with(answered, answer::CONTENT_DIGEST, digest);
    answer::with(answered, header::ETAG, entity_tag(digest))
}

fn from(answered: Answer, name: &RepositoryName) -> Answer {
    match name.host() {
        Some(host) => answer::with(answered, answer::NAMESPACE, host),
        None => answered,
    }
}

/// Whether `If-None-Match` names the digest (RFC 9110, 13.1.2).
fn has_already(if_none_match: Option<&str>, digest: &ContentDigest) -> bool {
    let tag = entity_tag(digest);
    let names = |known: &str| known == "*" || known.trim_start_matches("W/") == tag;
    if_none_match.is_some_and(|known| known.split(',').map(str::trim).any(names))
}

fn not_modified(digest: &ContentDigest) -> Answer {
    let mut answered = answer::empty(StatusCode::NOT_MODIFIED);
    answered.headers_mut().remove(header::CONTENT_LENGTH);
    named(answered, digest)
}

pub(super) fn unknown_blob(digest: &ContentDigest) -> Refusal {
    Refusal::new(Reason::BlobUnknown, format!("there is no blob {digest}"))
}

pub(super) fn unknown_manifest(name: &RepositoryName, reference: &Reference) -> Refusal {
    let what = match reference {
        Reference::Tag(tag) => format!("tag `{tag}`"),
        Reference::Digest(digest) => format!("manifest {digest}"),
    };
    Refusal::new(Reason::ManifestUnknown, format!("`{name}` has no {what}"))
}
