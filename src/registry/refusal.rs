//! Answers that say no: the error codes of the distribution specification ("Error Codes") as JSON.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::quote::quote;

/// Why a request is refused, as clients can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Reason {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    RangeInvalid,
    TagInvalid,
    PaginationNumberInvalid,
    Unavailable,
    Unknown,
}

impl Reason {
    /// The code in the JSON. The last five are those of Docker's registry, where OCI has none.
    pub fn code(self) -> &'static str {
        match self {
            Reason::BlobUnknown => "BLOB_UNKNOWN",
            Reason::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Reason::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Reason::DigestInvalid => "DIGEST_INVALID",
            Reason::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Reason::ManifestInvalid => "MANIFEST_INVALID",
            Reason::ManifestUnknown => "MANIFEST_UNKNOWN",
            Reason::NameInvalid => "NAME_INVALID",
            Reason::NameUnknown => "NAME_UNKNOWN",
            Reason::SizeInvalid => "SIZE_INVALID",
            Reason::Unauthorized => "UNAUTHORIZED",
            Reason::Denied => "DENIED",
            Reason::Unsupported => "UNSUPPORTED",
            Reason::TooManyRequests => "TOOMANYREQUESTS",
            Reason::RangeInvalid => "RANGE_INVALID",
            Reason::TagInvalid => "TAG_INVALID",
            Reason::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Reason::Unavailable => "UNAVAILABLE",
            Reason::Unknown => "UNKNOWN",
        }
    }

    /// The status that goes with it unless the case asks for another one.
    fn status(self) -> StatusCode {
        match self {
            Reason::BlobUnknown
            | Reason::BlobUploadUnknown
            | Reason::ManifestUnknown
            | Reason::ManifestBlobUnknown
            | Reason::NameUnknown => StatusCode::NOT_FOUND,
            Reason::Unauthorized => StatusCode::UNAUTHORIZED,
            Reason::Denied => StatusCode::FORBIDDEN,
            Reason::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Reason::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Reason::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// An answer that says no.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// Its code.
    pub reason: Reason,
    /// What is wrong, for people.
    pub message: String,
    /// What is wrong, for programs; null where there is nothing to add.
    pub detail: Value,
    /// Headers of the answer besides the usual ones.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// A refusal with the usual status of its reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Refusal {
            status: reason.status(),
            reason,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
        }
    }

    /// The same with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with something for programs.
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// The same with another header; a value that is none is left out.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// The body of the answer.
    pub fn body(&self) -> String {
        let error = json!({"code": self.reason.code(), "message": self.message, "detail": self.detail});
        json!({"errors": [error]}).to_string()
    }

    /// There is nothing at a path.
    pub fn no_such_path(path: &str) -> Self {
        Refusal::new(Reason::NameUnknown, format!("there is nothing at `{}`", quote(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_the_specification_says() {
        let refusal = Refusal::new(Reason::BlobUnknown, "blob \"x\" is not here");
        assert_eq!(refusal.status, StatusCode::NOT_FOUND);
        let body: Value = serde_json::from_str(&refusal.body()).unwrap();
        let expected = json!({"code": "BLOB_UNKNOWN", "message": "blob \"x\" is not here", "detail": null});
        assert_eq!(body, json!({"errors": [expected]}));
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_left_out() {
        let refusal = Refusal::new(Reason::Denied, "no").with_header(hyper::header::ALLOW, "GET\r\nX: 1");
        assert!(refusal.headers.is_empty());
    }
}
