//! Says in plain words why a TLS connection was not made, and which setting would change that.

use std::error::Error as StdError;
use std::io;

use jiff::Timestamp;
use reqwest::Url;
use rustls::{CertificateError, InvalidMessage};

use super::shown;
use crate::error::{Error, codes};

/// An explanation, if TLS is what failed while connecting to `url`.
pub(super) fn explain(error: &reqwest::Error, url: &Url) -> Option<Error> {
    // Once the connection stands, a TLS error is line noise and may pass.
    if !error.is_connect() {
        return None;
    }
    let server = shown::authority(url);
    let (what, help) = match cause(error)? {
        rustls::Error::InvalidCertificate(reason) => explain_certificate(reason, &server),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => (
            format!("{server} answers without TLS"),
            format!("if that is meant, set `registries.{server}.plainHttp: true` in bundle.yaml"),
        ),
        other => (
            format!("{server} and airlock find no common way to speak TLS: {other}"),
            format!(
                "{server} has to offer TLS 1.2 or 1.3; check what stands between with `curl -v https://{server}/`"
            ),
        ),
    };
    Some(Error::new(codes::FETCH_TLS, what).with_help(help))
}

fn explain_certificate(reason: &CertificateError, server: &str) -> (String, String) {
    let clock = "renew it on the server; if the date above is wrong, set this machine's clock".to_owned();
    match reason {
        CertificateError::ExpiredContext { time, not_after } => (
            format!(
                "the certificate of {server} expired on {}; this machine's clock says {}",
                date(not_after.as_secs()),
                date(time.as_secs())
            ),
            clock,
        ),
        CertificateError::NotValidYetContext { time, not_before } => (
            format!(
                "the certificate of {server} is not valid before {}; this machine's clock says {}",
                date(not_before.as_secs()),
                date(time.as_secs())
            ),
            clock,
        ),
        CertificateError::Expired => (format!("the certificate of {server} has expired"), clock),
        CertificateError::NotValidYet => (format!("the certificate of {server} is not valid yet"), clock),
        CertificateError::UnknownIssuer => (
            format!("the certificate of {server} is signed by an authority that this machine does not know"),
            format!(
                "name the authority's certificate: `registries.{server}.ca: FILE.pem` in bundle.yaml, or install it \
                 on this machine"
            ),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!(
                "the certificate of {server} is for another name: {}",
                shown::printable(&presented.join(", "))
            ),
            "use the name the certificate is for".to_owned(),
        ),
        CertificateError::NotValidForName => (
            format!("the certificate of {server} is for another name"),
            "use the name the certificate is for".to_owned(),
        ),
        other => (
            format!("the certificate of {server} is not accepted: {other}"),
            format!(
                "if it is self-signed, save it and name it: `registries.{server}.ca: FILE.pem` in bundle.yaml; else \
                 the operators of {server} have to install one made for TLS servers"
            ),
        ),
    }
}

fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "an unknown date".to_owned(), |time| time.to_string())
}

/// The error of the TLS library among the causes of `error`.
fn cause(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // `io::Error` hides the error it was made from when asked for its source.
        let hidden = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(hidden) = hidden {
            next = Some(hidden);
            continue;
        }
        next = current.source();
    }
    None
}
