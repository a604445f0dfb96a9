//! What a client asks for, from method, path and query alone: pure, and never a path on disk.
//!
//! Names of repositories contain slashes and words such as `blobs`, so a path is read from its end
//! (distribution-spec, "Endpoints"). Everything that is taken from it has been checked against its grammar.

mod airlock;
mod kind;
mod query;
mod v2;

use std::borrow::Cow;

use hyper::Method;

use crate::oci::digest::{Algorithm, ContentDigest, Digest};
use crate::registry::refusal::{Reason, Refusal};
use crate::store::TagName;

pub use kind::{Action, Kind};

/// A request, understood. The numbers are those of the endpoints in the distribution specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Is this a registry? (end-1)
    Ping,
    /// A blob (end-2).
    Blob(Repository, ContentDigest),
    /// A manifest (end-3).
    Manifest(Repository, Reference),
    /// A new upload (end-4, end-11).
    StartUpload(Repository, Start),
    /// The next bytes of an upload (end-5).
    AppendUpload(Repository, UploadId),
    /// The last bytes of an upload and what all of them have to be (end-6).
    FinishUpload(Repository, UploadId, ContentDigest),
    /// How far an upload is (end-13).
    UploadStatus(Repository, UploadId),
    /// The end of an upload that will not be finished (end-14).
    CancelUpload(Repository, UploadId),
    /// A pushed manifest (end-7); with a digest, the tags it gets as well.
    PutManifest(Repository, Reference, Vec<TagName>),
    /// The tags of a repository (end-8).
    Tags(Repository, Page),
    /// Removal of a tag or a manifest (end-9).
    DeleteManifest(Repository, Reference),
    /// Removal of a blob (end-10).
    DeleteBlob(Repository, ContentDigest),
    /// What refers to a manifest (end-12), of one artifact type or of all.
    Referrers(Repository, ContentDigest, Option<String>),
    /// All repositories, as Docker's registry lists them.
    Catalogue(Page),
    /// A token for a user (Docker's "Token Authentication").
    Token,
    /// The signed manifest of an imported bundle; without a digest, of the newest.
    BundleManifest(Option<Digest>),
    /// The signatures of that manifest.
    BundleSignatures(Option<Digest>),
    /// Any blob, for other nodes.
    AnyBlob(ContentDigest),
    /// A file of the package repository of a target.
    Apt(String, String),
    /// Whether the server is at work.
    Health,
    /// Numbers for Prometheus.
    Metrics,
}

/// A repository as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The registry the image comes from, by the parameter `ns`.
    pub namespace: Option<String>,
    /// The path.
    pub path: String,
}

/// The name of a manifest within its repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A tag.
    Tag(TagName),
    /// A digest.
    Digest(ContentDigest),
}

/// How an upload begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With nothing; `digest-algorithm` may announce what the digest will be made with.
    Empty(Option<Algorithm>),
    /// With everything: the body is the blob.
    Whole(ContentDigest),
    /// With a blob that another repository has; without a name, any repository.
    Mount(ContentDigest, Option<Repository>),
}

/// The name of an upload: made by us, of letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId(pub String);

/// A part of a sorted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many entries.
    pub limit: Option<usize>,
    /// Only what comes after this one.
    pub after: Option<String>,
}

impl Request {
    /// Understands a request. `path` and `query` are as they stand in the request line, still escaped.
    ///
    /// # Errors
    /// A refusal that says what is wrong: an unknown path, a method that it does not have, a malformed name.
    pub fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Request, Refusal> {
        let path = unescape(path)?;
        let query = query::Query::parse(query.unwrap_or_default())?;
        let read = |request| expect_read(method, request);
        match path.as_ref() {
            "/v2/" | "/v2" => read(Request::Ping),
            "/v2/_catalog" => read(Request::Catalogue(query.page()?)),
            "/token" => read(Request::Token),
            "/healthz" => read(Request::Health),
            "/metrics" => read(Request::Metrics),
            path => match (path.strip_prefix("/v2/"), airlock::parse(path, &query)) {
                (Some(rest), _) => v2::parse(method, rest, &query),
                (None, Some(request)) => read(request?),
                (None, None) => Err(Refusal::no_such_path(path)),
            },
        }
    }

    /// The repository it is about, if it is about one.
    pub fn repository(&self) -> Option<&Repository> {
        match self {
            Request::Blob(repository, _)
            | Request::Manifest(repository, _)
            | Request::StartUpload(repository, _)
            | Request::AppendUpload(repository, _)
            | Request::FinishUpload(repository, ..)
            | Request::UploadStatus(repository, _)
            | Request::CancelUpload(repository, _)
            | Request::PutManifest(repository, ..)
            | Request::Tags(repository, _)
            | Request::DeleteManifest(repository, _)
            | Request::DeleteBlob(repository, _)
            | Request::Referrers(repository, ..) => Some(repository),
            _ => None,
        }
    }
}

fn expect_read(method: &Method, request: Request) -> Result<Request, Refusal> {
    match *method {
        Method::GET | Method::HEAD => Ok(request),
        _ => Err(wrong_method(method, "GET, HEAD")),
    }
}

fn wrong_method(method: &Method, allowed: &str) -> Refusal {
    let message = format!("{} is not possible here", crate::quote::quote(method.as_str()));
    Refusal::new(Reason::Unsupported, message).with_header(hyper::header::ALLOW, allowed)
}

/// Resolves percent escapes (RFC 3986, 2.1). `+` stays itself: it stands in media types, versions of packages
/// and tags of k3s, and nothing here can contain a space.
fn unescape(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let malformed =
        || Refusal::new(Reason::NameInvalid, format!("`{}` is not escaped well", crate::quote::quote(text)));
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(malformed)?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;
