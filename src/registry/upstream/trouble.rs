//! What clients hear when an upstream does not do what it should: an answer that names the cause.

use hyper::{StatusCode, header};

use crate::error::{Error, codes};
use crate::fetch::TooManyRequests;
use crate::registry::refusal::{Reason, Refusal};

/// The answer for an error in asking an upstream. `unknown` is the one if it does not have what was asked for.
pub(super) fn refusal(error: &Error, unknown: impl FnOnce() -> Refusal) -> Refusal {
    if let Some(limit) = TooManyRequests::behind(error) {
        let refusal = Refusal::new(Reason::TooManyRequests, message(error));
        return match limit.wait {
            Some(wait) => refusal.with_header(header::RETRY_AFTER, &wait.as_secs().to_string()),
            None => refusal,
        };
    }
    let code = error.code();
    if code == codes::FETCH_NOT_FOUND {
        return unknown();
    }
    if code == codes::FETCH_UNAUTHORIZED {
        return Refusal::new(Reason::Denied, message(error));
    }
    let status =
        if code == codes::FETCH_STALLED { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    Refusal::new(Reason::Unavailable, message(error)).with_status(status)
}

/// What is wrong and why, in one line.
pub(super) fn message(error: &Error) -> String {
    let facts = error.details().iter().cloned().chain(error.causes());
    facts.fold(format!("upstream: {error}"), |text, fact| format!("{text}: {fact}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_trouble_has_its_status_and_names_its_cause() {
        let unknown = || Refusal::new(Reason::BlobUnknown, "gone");
        let limited = Error::new(codes::FETCH_WAIT, "come back")
            .with_source(TooManyRequests { wait: Some(Duration::from_secs(7)) });
        for (error, status) in [
            (Error::new(codes::FETCH_NOT_FOUND, "no"), 404),
            (Error::new(codes::FETCH_UNAUTHORIZED, "no"), 403),
            (Error::new(codes::FETCH_STALLED, "no"), 504),
            (Error::new(codes::FETCH_CONNECT, "no"), 502),
            (Error::new(codes::OCI_DIGEST_MISMATCH, "no"), 502),
            (limited, 429),
        ] {
            let refusal = refusal(&error, unknown);
            assert_eq!(refusal.status.as_u16(), status, "{error}");
            assert!(status == 404 || refusal.message.contains(error.message()));
            let wait = refusal.headers.iter().find(|(name, _)| name == header::RETRY_AFTER);
            assert_eq!(wait.is_some_and(|(_, value)| value == "7"), status == 429);
        }
    }
}
