//! Errors of the store as answers.

use hyper::StatusCode;

use super::refusal::{Reason, Refusal};
use super::service::Inner;
use crate::error::{Code, Error, codes};
use crate::progress::Event;

/// What a client hears about an error. What it can do nothing about is reported here as well.
pub(super) fn refusal(inner: &Inner, error: Error) -> Refusal {
    let Some((reason, status)) = meaning(error.code()) else {
        report(inner, &error);
        return Refusal::new(Reason::Unknown, error.message());
    };
    if status == StatusCode::INSUFFICIENT_STORAGE {
        report(inner, &error);
    }
    let details: Vec<&str> = error.details().iter().map(String::as_str).collect();
    Refusal::new(reason, error.message()).with_status(status).with_detail(details.into())
}

fn meaning(code: Code) -> Option<(Reason, StatusCode)> {
    [
        (codes::REPOSITORY_NAME, Reason::NameInvalid, StatusCode::BAD_REQUEST),
        (codes::DIGEST, Reason::DigestInvalid, StatusCode::BAD_REQUEST),
        (codes::WRONG_DIGEST, Reason::DigestInvalid, StatusCode::BAD_REQUEST),
        (codes::MANIFEST_INVALID, Reason::ManifestInvalid, StatusCode::BAD_REQUEST),
        (codes::MANIFEST_BLOB_UNKNOWN, Reason::ManifestBlobUnknown, StatusCode::NOT_FOUND),
        (codes::UPLOAD_BUSY, Reason::BlobUploadInvalid, StatusCode::CONFLICT),
        (codes::UPLOAD_LIMIT, Reason::Denied, StatusCode::INSUFFICIENT_STORAGE),
        (codes::NO_SPACE, Reason::Denied, StatusCode::INSUFFICIENT_STORAGE),
    ]
    .into_iter()
    .find_map(|(known, reason, status)| (known == code).then_some((reason, status)))
}

/// Tells the operator.
pub(super) fn report(inner: &Inner, error: &Error) {
    if error.code() == codes::STORE_BLOB_DAMAGED {
        inner.metrics.damaged_blob();
    }
    let mut text = format!("{}: {error}", error.code());
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    for detail in error.details() {
        text.push_str("; ");
        text.push_str(detail);
    }
    if let Some(help) = error.help() {
        text.push_str("; ");
        text.push_str(help);
    }
    inner.settings.progress.event(Event::Warning { text: &text });
}
