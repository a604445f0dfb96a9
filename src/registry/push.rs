//! Uploads and manifests (end-4 to end-7, end-11, end-13, end-14).

mod adopt;
mod receive;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{StatusCode, header};

use super::answer::{self, Answer, Result};
use super::range::Chunk;
use super::refusal::{Reason, Refusal};
use super::route::{Reference, Repository, Start, UploadId};
use super::service::{Asked, Inner};
use super::{failure, lookup};
use crate::oci::digest::{Algorithm, ContentDigest};
use crate::store::{RepositoryName, Upload};

/// The largest manifest that is taken; clients take hardly larger ones.
const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;

/// How long to wait for another writer of an upload, and how long between two looks.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// An upload that was found, and where clients find it.
struct Open {
    upload: Upload,
    location: String,
}

/// Begins an upload: of nothing yet, of everything at once, or of what another repository has.
pub(super) async fn start(inner: &Arc<Inner>, repository: Repository, start: Start, asked: Asked) -> Result {
    let (algorithm, whole) = match &start {
        Start::Empty(algorithm) => (algorithm.unwrap_or_default(), None),
        Start::Whole(digest) => (digest.algorithm(), Some(*digest)),
        Start::Mount(digest, _) => (digest.algorithm(), None),
    };
    let begun = inner.blocking(move |inner| begin(inner, &repository, start, algorithm)).await?;
    let open = match begun {
        Begun::Mounted(answered) => return Ok(answered),
        Begun::Open(open) => open,
    };
    match whole {
        None => Ok(progress(&open, StatusCode::ACCEPTED)),
        Some(digest) => {
            let received = receive::into(inner, open.upload, asked.body).await?;
            end(inner, received, digest, blob_location(&open.location, &digest)).await
        }
    }
}

enum Begun {
    Mounted(Answer),
    Open(Open),
}

fn begin(inner: &Inner, repository: &Repository, start: Start, algorithm: Algorithm) -> Result<Begun> {
    let name = lookup::written(inner, repository)?;
    let store = inner.store()?;
    let failed = |error| failure::refusal(inner, error);
    if let Start::Mount(digest, from) = start {
        let from = from.map(|from| lookup::written(inner, &from)).transpose()?;
        if store.mount(from.as_ref(), &name, &digest).map_err(failed)? {
            return Ok(Begun::Mounted(created(&digest, &path(repository, &format!("blobs/{digest}")))));
        }
    }
    let upload = store.start_upload(&name, algorithm).map_err(failed)?;
    let location = path(repository, &format!("blobs/uploads/{}", upload.id()));
    Ok(Begun::Open(Open { upload, location }))
}

/// Takes the next bytes of an upload.
pub(super) async fn append(inner: &Arc<Inner>, repository: Repository, id: UploadId, asked: Asked) -> Result {
    let mut open = open(inner, repository, id).await?;
    let chunk = check_place(&open, &asked)?;
    let before = open.upload.length();
    open.upload = receive::into(inner, open.upload, asked.body).await?;
    match chunk {
        Some(chunk) if chunk.length != open.upload.length() - before => Err(Refusal::new(
            Reason::SizeInvalid,
            format!(
                "the chunk has {} bytes, Content-Range says {}",
                open.upload.length() - before,
                chunk.length
            ),
        )),
        _ => Ok(progress(&open, StatusCode::ACCEPTED)),
    }
}

/// Takes the last bytes of an upload; it becomes a blob if all of them are what they should be.
pub(super) async fn finish(
    inner: &Arc<Inner>,
    repository: Repository,
    id: UploadId,
    digest: ContentDigest,
    asked: Asked,
) -> Result {
    let open = open(inner, repository, id).await?;
    check_place(&open, &asked)?;
    let received = receive::into(inner, open.upload, asked.body).await?;
    end(inner, received, digest, blob_location(&open.location, &digest)).await
}

/// Tells how far an upload is.
pub(super) async fn status(inner: &Arc<Inner>, repository: Repository, id: UploadId) -> Result {
    Ok(progress(&open(inner, repository, id).await?, StatusCode::NO_CONTENT))
}

/// Gives an upload up.
pub(super) async fn cancel(inner: &Arc<Inner>, repository: Repository, id: UploadId) -> Result {
    let open = open(inner, repository, id).await?;
    inner.blocking(move |inner| open.upload.cancel().map_err(|error| failure::refusal(inner, error))).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Takes a manifest.
pub(super) async fn manifest(
    inner: &Arc<Inner>,
    repository: Repository,
    reference: Reference,
    mut tags: Vec<crate::store::TagName>,
    asked: Asked,
) -> Result {
    let media_type = asked.header(header::CONTENT_TYPE).map(str::to_owned).ok_or_else(|| {
        Refusal::new(
            Reason::ManifestInvalid,
            "the header Content-Type is missing: it tells what the manifest is",
        )
    })?;
    let bytes = receive::whole(inner, asked.body, LARGEST_MANIFEST).await?;
    inner
        .blocking(move |inner| {
            let name: RepositoryName = lookup::written(inner, &repository)?;
            let announced = tags.clone();
            let expected = match reference {
                Reference::Digest(digest) => Some(digest),
                Reference::Tag(tag) => {
                    tags.push(tag);
                    None
                }
            };
            let store = inner.store()?;
            let put = || store.put_manifest(&name, &media_type, &bytes, expected.as_ref(), &tags);
            let pushed = adopt::while_missing(inner, store, &name, put);
            let pushed = pushed.map_err(|error| failure::refusal(inner, error))?;
            let location = path(&repository, &format!("manifests/{}", pushed.digest));
            let mut answered = created(&pushed.digest, &location);
            if let Some(subject) = pushed.subject {
                answered = answer::with(answered, answer::SUBJECT, subject);
            }
            Ok(announced.iter().fold(answered, |answered, tag| answer::with(answered, answer::TAG, tag)))
        })
        .await
}

/// Finds an upload. Whoever lost a connection goes on over another one, often before the first has noticed:
/// so it waits a little for somebody else who writes to the upload.
async fn open(inner: &Arc<Inner>, repository: Repository, id: UploadId) -> Result<Open> {
    let patience = Instant::now() + BUSY_PATIENCE;
    loop {
        let (repository, id) = (repository.clone(), id.clone());
        match inner.blocking(move |inner| try_open(inner, &repository, &id)).await {
            Err(refusal) if refusal.status == StatusCode::CONFLICT && Instant::now() < patience => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
}

fn try_open(inner: &Inner, repository: &Repository, id: &UploadId) -> Result<Open> {
    let name = lookup::written(inner, repository)?;
    let upload = inner.store()?.upload(&name, &id.0).map_err(|error| failure::refusal(inner, error))?;
    let unknown = || Refusal::new(Reason::BlobUploadUnknown, format!("there is no upload `{}`", id.0));
    let location = path(repository, &format!("blobs/uploads/{}", id.0));
    Ok(Open { upload: upload.ok_or_else(unknown)?, location })
}

/// Fails if the bytes of the request do not belong where the upload ends.
fn check_place(open: &Open, asked: &Asked) -> Result<Option<Chunk>> {
    let chunk = asked.header(header::CONTENT_RANGE).map(Chunk::parse).transpose()?;
    match chunk {
        Some(chunk) if chunk.first != open.upload.length() => {
            let message =
                format!("the upload has {} bytes, the chunk begins at {}", open.upload.length(), chunk.first);
            Err(Refusal::new(Reason::RangeInvalid, message)
                .with_header(header::LOCATION, &open.location)
                .with_header(header::RANGE, &received(open)))
        }
        _ => Ok(chunk),
    }
}

async fn end(inner: &Arc<Inner>, upload: Upload, digest: ContentDigest, location: String) -> Result {
    inner
        .blocking(move |inner| {
            upload.finish(&digest).map_err(|error| failure::refusal(inner, error))?;
            Ok(created(&digest, &location))
        })
        .await
}

fn progress(open: &Open, status: StatusCode) -> Answer {
    let answered = answer::with(answer::empty(status), header::LOCATION, &open.location);
    let answered = answer::with(answered, answer::UPLOAD_ID, open.upload.id());
    answer::with(answered, header::RANGE, received(open))
}

/// The range that is there. There is no way to write an empty one; Docker's registry says `0-0`.
fn received(open: &Open) -> String {
    format!("0-{}", open.upload.length().saturating_sub(1))
}

fn created(digest: &ContentDigest, location: &str) -> Answer {
    let answered = answer::with(answer::empty(StatusCode::CREATED), header::LOCATION, location);
    answer::with(answered, answer::CONTENT_DIGEST, digest)
}

/// Where something of a repository is, as the client names the repository.
fn path(repository: &Repository, rest: &str) -> String {
    let namespace = repository.namespace.as_ref().map(|host| format!("?ns={host}")).unwrap_or_default();
    format!("/v2/{}/{rest}{namespace}", repository.path)
}

/// The place of a blob whose upload was at `upload`.
fn blob_location(upload: &str, digest: &ContentDigest) -> String {
    let (path, namespace) =
        upload.split_once('?').map_or((upload, None), |(path, query)| (path, Some(query)));
    let repository = path.rsplit_once("/uploads/").map_or(path, |(repository, _)| repository);
    match namespace {
        Some(query) => format!("{repository}/{digest}?{query}"),
        None => format!("{repository}/{digest}"),
    }
}
