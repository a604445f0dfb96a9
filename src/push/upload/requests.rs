//! The requests of an upload, and what a registry says about its length.

use std::sync::Arc;

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};

use crate::fetch::{Method, Payload, Place, Request};

/// How many bytes a registry has, from a header such as `0-1023`. `0-0` is what many say who have none.
pub(super) fn received(range: &str) -> Option<u64> {
    let (first, last) = range.trim_start_matches("bytes=").split_once('-')?;
    let last: u64 = last.trim().parse().ok().filter(|last| *last > 0)?;
    (first.trim() == "0").then(|| last.saturating_add(1))
}

/// A request without content.
pub(super) fn empty(method: Method, place: &Place) -> Request {
    Request::new(method, place).carrying(Payload::Short(Arc::from([])))
}

/// The same with bytes of any kind.
pub(super) fn octets(request: Request) -> Request {
    request.with(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
}

/// A request for the next `length` bytes of an upload, beginning at `start`.
pub(super) fn chunk(place: &Place, start: u64, length: u64) -> Request {
    let request = octets(Request::new(Method::PATCH, place));
    match HeaderValue::from_str(&format!("{start}-{}", start + length - 1)) {
        Ok(range) => request.with(CONTENT_RANGE, range),
        // Digits always make a header.
        Err(_) => request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_has_received_is_read_from_its_range() {
        for (range, expected) in [
            ("0-1023", Some(1024)),
            ("bytes=0-9", Some(10)),
            ("0-0", None),
            ("5-9", None),
            ("0-18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(received(range), expected, "{range}");
        }
    }
}
