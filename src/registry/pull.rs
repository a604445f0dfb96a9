//! Manifests and blobs (end-2, end-3).

use std::ops::Range;
use std::sync::Arc;

use hyper::{HeaderMap, StatusCode, header};

use super::answer::{self, Answer, Result};
use super::body::{BlobBody, Body};
use super::check::Check;
use super::direct::{DirectBody, Lane};
use super::range::Wanted;
use super::refusal::{Reason, Refusal};
use super::route::{Reference, Repository};
use super::service::{Asked, Inner};
use super::{failure, lookup};
use crate::oci::digest::ContentDigest;
use crate::store::{Blob, RepositoryName};

/// What a blob is, as far as the registry knows.
const BYTES: &str = "application/octet-stream";

/// Blobs up to this size, in bytes, are read on the spot when somebody wants a part of them.
const QUICKLY_READ: u64 = 32 << 20;

/// What is asked of a blob, apart from which.
pub(super) struct Terms {
    head: bool,
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
            if has_already(if_none_match.as_deref(), &digest) {
                return Ok(not_modified(&digest));
            }
            let answered = answer::typed(StatusCode::OK, &found.media_type, found.bytes);
            Ok(from(named(answered, &digest), &name))
        })
        .await
}

/// A blob of a repository.
pub(super) async fn blob(
    inner: &Arc<Inner>,
    repository: Repository,
    digest: ContentDigest,
    asked: &Asked,
) -> Result {
    let terms = Terms::of(asked);
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
    let digest = *blob.digest();
    if has_already(terms.if_none_match.as_deref(), &digest) {
        return Ok(not_modified(&digest));
    }
    let length = blob.length();
    let (status, range) = match Wanted::parse(terms.range(&entity_tag(&digest)), length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first..last + 1),
        Wanted::Nothing => {
            let refusal = Refusal::new(Reason::RangeInvalid, format!("the blob has {length} bytes"));
            return Err(refusal.with_header(header::CONTENT_RANGE, &format!("bytes */{length}")));
        }
    };
    let mut answered = answer::empty(status);
    set(answered.headers_mut(), header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    set(answered.headers_mut(), header::CONTENT_TYPE, media_type);
    set(answered.headers_mut(), header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        set(answered.headers_mut(), header::CONTENT_RANGE, &range);
    }
    if !terms.head {
        let is_part = range.end - range.start < length;
        if is_part && length <= QUICKLY_READ {
            blob.verify().map_err(|error| failure::refusal(inner, error))?;
        }
        *answered.body_mut() = body(inner, blob, range, terms);
    }
    Ok(named(answered, &digest))
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
