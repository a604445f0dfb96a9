//! What went wrong with one request, and whether trying again can help.

use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::{shown, tls};
use crate::error::{Code, Error, codes};

/// An error with the verdict on what may be tried next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) verdict: Verdict,
}

/// The cause of an error: a server limits how much may be fetched (429), and may say when to come back. Kept
/// apart for those who pass it on to their own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRequests {
    /// How long it asks to wait.
    pub wait: Option<Duration>,
}

impl TooManyRequests {
    /// The limit that `error` comes from, if it comes from one.
    pub fn behind(error: &Error) -> Option<TooManyRequests> {
        let mut cause = std::error::Error::source(error);
        while let Some(current) = cause {
            if let Some(found) = current.downcast_ref() {
                return Some(*found);
            }
            cause = current.source();
        }
        None
    }
}

/// Nothing: it is for programs, and the error in front of it has said it all.
impl std::fmt::Display for TooManyRequests {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for TooManyRequests {}

/// What may be tried after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same server may succeed later; it may have said when.
    Again(Option<Duration>),
    /// This server will not succeed, another one may.
    Elsewhere,
    /// Nothing will help in this run, because the cause is on our side.
    Never,
}

impl Failure {
    pub(crate) fn again(error: Error) -> Self {
        Failure { error, verdict: Verdict::Again(None) }
    }

    pub(crate) fn elsewhere(error: Error) -> Self {
        Failure { error, verdict: Verdict::Elsewhere }
    }

    pub(crate) fn never(error: Error) -> Self {
        Failure { error, verdict: Verdict::Never }
    }

    /// An answer that breaks the rules; asking again would bring the same.
    pub(crate) fn senseless(url: &Url, what: impl std::fmt::Display) -> Self {
        let message = format!("{}: {what}", shown::url(url));
        Failure::elsewhere(Error::new(codes::FETCH_ANSWER, message).with_help(format!(
            "look at the answer with `curl -v {}`; a proxy between here and there may have changed it",
            shown::url(url)
        )))
    }

    /// What the HTTP library reports: no connection, no TLS, a connection that broke.
    ///
    /// Nearly all of it may pass. Final is what depends on settings and keys: a request that cannot be
    /// made, a certificate that is not accepted, a proxy that wants a password.
    pub(crate) fn of_transport(error: reqwest::Error, url: &Url) -> Self {
        // The URL may carry secrets in its query, and is in our own message already.
        let error = error.without_url();
        if error.is_builder() {
            return Failure::never(bug(url).with_source(error));
        }
        if let Some(explained) = tls::explain(&error, url) {
            return Failure::elsewhere(explained.with_source(error));
        }
        if mentions(&error, "proxy authorization required") {
            return proxy_wants_login(url);
        }
        let server = shown::authority(url);
        let (code, message): (Code, String) = if error.is_dns() {
            (codes::FETCH_CONNECT, format!("the name of host {server} cannot be resolved"))
        } else if error.is_timeout() && error.is_connect() {
            (codes::FETCH_CONNECT, format!("{server} does not take the connection in time"))
        } else if error.is_connect() {
            (codes::FETCH_CONNECT, format!("{server} cannot be reached"))
        } else {
            (codes::FETCH_CONNECT, format!("{server} broke off the transfer of {}", shown::url(url)))
        };
        Failure::again(Error::new(code, message).with_help(connection_help(&server)).with_source(error))
    }

    /// No head of an answer came in time.
    pub(crate) fn no_answer(url: &Url, waited: Duration) -> Self {
        let server = shown::authority(url);
        let message =
            format!("{server} did not answer within {} s: {}", waited.as_secs_f32(), shown::url(url));
        Failure::again(Error::new(codes::FETCH_STALLED, message).with_help(connection_help(&server)))
    }

    /// A server took no more of what was sent to it.
    pub(crate) fn not_taken(url: &Url, taken: u64, window: Duration) -> Self {
        let server = shown::authority(url);
        let message = format!(
            "{server} took no more than {taken} bytes for {} within {} s",
            shown::url(url),
            window.as_secs_f32()
        );
        Failure::again(Error::new(codes::FETCH_STALLED, message).with_help(connection_help(&server)))
    }

    /// A body came too slowly to be of use.
    pub(crate) fn stalled(url: &Url, received: u64, window: Duration) -> Self {
        let server = shown::authority(url);
        let message = format!(
            "{server} sent only {received} bytes of {} in {} s",
            shown::url(url),
            window.as_secs_f32()
        );
        Failure::again(Error::new(codes::FETCH_STALLED, message).with_help(connection_help(&server)))
    }

    /// A status that means refusal; `reason` is what the server said about it.
    pub(crate) fn of_status(
        status: StatusCode,
        url: &Url,
        reason: Option<&str>,
        wait: Option<Duration>,
    ) -> Self {
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return proxy_wants_login(url);
        }
        let code = match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => codes::FETCH_NOT_FOUND,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => codes::FETCH_UNAUTHORIZED,
            _ => codes::FETCH_STATUS,
        };
        let mut error = Error::new(code, format!("{} answers {status}", shown::url(url)))
            .with_help(status_help(status, url));
        if let Some(reason) = reason {
            error = error.with_detail(format!("the server says: {}", shown::printable(reason)));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            error = error.with_source(TooManyRequests { wait });
        }
        let verdict = if is_transient(status) { Verdict::Again(wait) } else { Verdict::Elsewhere };
        Failure { error, verdict }
    }
}

/// Whether the same request may get another answer later.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

fn status_help(status: StatusCode, url: &Url) -> String {
    let server = shown::authority(url);
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            "check the name and the version for spelling; private content is also hidden like this from \
             those who are not logged in"
                .to_owned()
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => login_help(&server),
        StatusCode::TOO_MANY_REQUESTS => format!(
            "{server} limits how much may be fetched: log in (`docker login {server}`) or run the same command \
             again later; what was fetched is kept"
        ),
        _ => format!("run the same command again later; if it stays, ask the operators of {server}"),
    }
}

/// What to do when credentials are missing or wrong.
pub(crate) fn login_help(server: &str) -> String {
    format!("log in with `docker login {server}` or `podman login {server}` as somebody who may read it")
}

fn connection_help(server: &str) -> String {
    format!(
        "check that this machine reaches {server}, directly or by HTTPS_PROXY, then run the same command again; \
         what was fetched is kept"
    )
}

fn proxy_wants_login(url: &Url) -> Failure {
    let message = format!("the proxy to {} wants a user name and password", shown::authority(url));
    Failure::elsewhere(
        Error::new(codes::FETCH_PROXY, message)
            .with_help("put them into the proxy's URL: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`"),
    )
}

fn bug(url: &Url) -> Error {
    Error::new(codes::INTERNAL, format!("no request can be made for {}", shown::url(url)))
}

/// Whether any cause says `text`. Only for causes whose types the HTTP library keeps to itself.
fn mentions(error: &reqwest::Error, text: &str) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        if current.to_string().contains(text) {
            return true;
        }
        cause = current.source();
    }
    false
}
