//! Answers: status, headers and body, put together in one way.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::refusal::Refusal;

/// An answer on its way out.
pub type Answer = Response<Body>;

/// What handlers return.
pub type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Digest of what is answered, or of what was pushed.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Identifier of an upload; some clients show it.
pub const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// Marks a registry of the second version.
pub const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// What a pushed manifest refers to.
pub const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that a pushed manifest got.
pub const TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Which filters were applied to a list of referrers.
pub const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The registry that an image comes from.
pub const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    // 204 has no length at all (RFC 9110, 8.6).
    if status != StatusCode::NO_CONTENT {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    answer
}

/// An answer with a small body.
pub fn typed(status: StatusCode, media_type: &str, bytes: impl Into<hyper::body::Bytes>) -> Answer {
    let bytes = bytes.into();
    let length = bytes.len();
    let mut answer = Response::new(Body::Whole(Some(bytes)));
    *answer.status_mut() = status;
    with(with(answer, header::CONTENT_TYPE, media_type), header::CONTENT_LENGTH, length)
}

/// The same with another header; a value that cannot stand in one is left out.
pub fn with(mut answer: Answer, name: HeaderName, value: impl ToString) -> Answer {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// The answer that says no.
pub fn refused(refusal: &Refusal) -> Answer {
    let mut answer = typed(refusal.status, "application/json", refusal.body());
    answer.headers_mut().extend(refusal.headers.iter().cloned());
    answer
}

/// What HEAD gets: everything but the body.
pub fn without_body(answer: Answer) -> Answer {
    answer.map(|_| Body::Empty)
}
