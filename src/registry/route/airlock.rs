//! Paths of our own: `/airlock/v1/…` for other nodes, `/apt/…` for apt.

use super::Request;
use super::query::{self, Query};
use crate::oci::digest::Digest;
use crate::registry::refusal::{Reason, Refusal};

/// Understands a path; `None` if it is none of ours.
pub(super) fn parse(path: &str, query: &Query) -> Option<Result<Request, Refusal>> {
    if let Some(path) = path.strip_prefix("/airlock/v1/") {
        return match path.strip_prefix("blobs/") {
            Some(digest) => Some(query::digest(digest).map(Request::AnyBlob)),
            None if path == "manifest" => Some(bundle(query).map(Request::BundleManifest)),
            None if path == "signatures" => Some(bundle(query).map(Request::BundleSignatures)),
            None => None,
        };
    }
    let (target, file) = path.strip_prefix("/apt/")?.split_once('/')?;
    // apt puts the suite of a flat repository into its URLs as it is written: `./`.
    let file = file.strip_prefix("./").unwrap_or(file);
    let complete = !target.is_empty() && !file.is_empty();
    complete.then(|| Ok(Request::Apt(target.to_owned(), file.to_owned())))
}

/// The bundle that is meant: by `bundle=<digest>`, else the newest.
fn bundle(query: &Query) -> Result<Option<Digest>, Refusal> {
    let parse = |text: &str| text.parse::<Digest>();
    let invalid = |error: crate::error::Error| Refusal::new(Reason::DigestInvalid, error.message());
    query.get("bundle").map(parse).transpose().map_err(invalid)
}
