//! Paths below `/v2/`.

use hyper::Method;

use super::query::{self, Query};
use super::{Reference, Repository, Request, Start, UploadId, wrong_method};
use crate::quote::quote;
use crate::registry::refusal::{Reason, Refusal};

/// Longer than any identifier of an upload that we give out.
const LONGEST_UPLOAD: usize = 64;

/// Understands `<name>/<rest>`, from its end.
pub(super) fn parse(method: &Method, path: &str, query: &Query) -> Result<Request, Refusal> {
    let unknown = || Refusal::no_such_path(&format!("/v2/{path}"));
    let repository = |name| query::repository(query.namespace()?, name);
    if let Some(name) = path.strip_suffix("/blobs/uploads/").or_else(|| path.strip_suffix("/blobs/uploads")) {
        return start_upload(method, repository(name)?, query);
    }
    let (rest, last) = path.rsplit_once('/').ok_or_else(unknown)?;
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return upload(method, repository(name)?, last, query);
    }
    let (name, kind) = rest.rsplit_once('/').ok_or_else(unknown)?;
    match kind {
        "blobs" => blob(method, repository(name)?, last),
        "manifests" => manifest(method, repository(name)?, last, query),
        "referrers" => {
            let artifact_type = query.get("artifactType").filter(|kind| !kind.is_empty()).map(str::to_owned);
            let request = Request::Referrers(repository(name)?, query::digest(last)?, artifact_type);
            super::expect_read(method, request)
        }
        "tags" if last == "list" => {
            super::expect_read(method, Request::Tags(repository(name)?, query.page()?))
        }
        _ => Err(unknown()),
    }
}

fn blob(method: &Method, repository: Repository, digest: &str) -> Result<Request, Refusal> {
    let digest = query::digest(digest)?;
    match *method {
        Method::GET | Method::HEAD => Ok(Request::Blob(repository, digest)),
        Method::DELETE => Ok(Request::DeleteBlob(repository, digest)),
        _ => Err(wrong_method(method, "GET, HEAD, DELETE")),
    }
}

fn manifest(
    method: &Method,
    repository: Repository,
    reference: &str,
    query: &Query,
) -> Result<Request, Refusal> {
    // No tag has a colon, and every digest has.
    let reference = match reference.contains(':') {
        true => Reference::Digest(query::digest(reference)?),
        false => Reference::Tag(query::tag(reference)?),
    };
    match *method {
        Method::GET | Method::HEAD => Ok(Request::Manifest(repository, reference)),
        Method::DELETE => Ok(Request::DeleteManifest(repository, reference)),
        Method::PUT => {
            let tags = query.all("tag").map(query::tag).collect::<Result<_, _>>()?;
            Ok(Request::PutManifest(repository, reference, tags))
        }
        _ => Err(wrong_method(method, "GET, HEAD, PUT, DELETE")),
    }
}

fn start_upload(method: &Method, repository: Repository, query: &Query) -> Result<Request, Refusal> {
    if method != Method::POST {
        return Err(wrong_method(method, "POST"));
    }
    let start = match (query.digest("mount")?, query.digest("digest")?) {
        (Some(digest), _) => {
            let from = query.get("from").map(|from| query::repository(query.namespace()?, from));
            Start::Mount(digest, from.transpose()?)
        }
        (None, Some(digest)) => Start::Whole(digest),
        (None, None) => Start::Empty(query.algorithm()?),
    };
    Ok(Request::StartUpload(repository, start))
}

fn upload(method: &Method, repository: Repository, id: &str, query: &Query) -> Result<Request, Refusal> {
    let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.is_empty() || id.len() > LONGEST_UPLOAD || !id.bytes().all(is_ours) {
        let message = format!("there is no upload `{}`", quote(id));
        return Err(Refusal::new(Reason::BlobUploadUnknown, message));
    }
    let id = UploadId(id.to_owned());
    match *method {
        Method::GET | Method::HEAD => Ok(Request::UploadStatus(repository, id)),
        Method::PATCH => Ok(Request::AppendUpload(repository, id)),
        Method::DELETE => Ok(Request::CancelUpload(repository, id)),
        Method::PUT => match query.digest("digest")? {
            Some(digest) => Ok(Request::FinishUpload(repository, id, digest)),
            None => Err(Refusal::new(Reason::DigestInvalid, "the parameter `digest` is missing")),
        },
        _ => Err(wrong_method(method, "GET, PATCH, PUT, DELETE")),
    }
}
