//! Small things that are needed whole: checksum lists, image lists, channels.

use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, ETAG};

use super::client::Client;
use super::exchange::{Answer, Request};
use super::failure::Failure;
use super::location::{Location, Place};
use super::shown;
use super::tour::{Existence, Tour};
use crate::error::{Error, Result, codes};

/// What a document may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes it may have.
    pub max_size: u64,
}

/// A document with what the server says about it.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its bytes, as they were sent.
    pub bytes: Vec<u8>,
    /// The `Content-Type` without parameters, in lower case.
    pub content_type: Option<String>,
    /// Where it came from after all redirects.
    pub final_url: Url,
    /// The `ETag`, as it was sent.
    pub etag: Option<String>,
}

impl Client {
    /// Fetches the document at `url`, without credentials.
    ///
    /// # Errors
    /// Of kind `Upstream` if it cannot be had, is larger than `limits` allow, or a web page (a login, the
    /// portal of a hotel network) came in its place; [`codes::FETCH_URL`] for what is no URL.
    pub async fn document(&self, url: &str, limits: Limits) -> Result<Document> {
        let location = Location::url(url)?;
        let mut tour = Tour::new(self, location.name(), &location.places, Existence::Expected)?;
        loop {
            match self.document_once(tour.place(), limits).await {
                Ok(document) => return Ok(document),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn document_once(&self, place: &Place, limits: Limits) -> Result<Document, Failure> {
        let answer = self.exchange(&Request::get(place)).await?.successful().await?;
        let encoding = answer.header(CONTENT_ENCODING).unwrap_or("identity").to_owned();
        if !encoding.eq_ignore_ascii_case("identity") {
            let what = format!("it is sent as `{}`, which was not asked for", shown::printable(&encoding));
            return Err(Failure::senseless(&answer.url, what));
        }
        let (content_type, final_url) = (answer.content_type(), answer.url.clone());
        let etag = answer.header(ETAG).map(str::to_owned);
        let bytes =
            answer.bytes(limits.max_size).await?.ok_or_else(|| too_large(&final_url, limits.max_size))?;
        if content_type.as_deref() == Some("text/html") || looks_like_a_page(&bytes) {
            return Err(web_page(&final_url));
        }
        Ok(Document { bytes, content_type, final_url, etag })
    }

    /// Where `url` finally redirects to. What lies there is not read, and need not even exist: this is how
    /// channels of k3s are resolved, whose target is a page for humans.
    ///
    /// # Errors
    /// As for [`Client::document`]; also if `url` does not redirect at all.
    pub async fn redirect_target(&self, url: &str) -> Result<Url> {
        let location = Location::url(url)?;
        let mut tour = Tour::new(self, location.name(), &location.places, Existence::Expected)?;
        loop {
            match self.redirect_target_once(tour.place()).await {
                Ok(target) => return Ok(target),
                Err(failure) => tour.failed(failure).await?,
            }
        }
    }

    async fn redirect_target_once(&self, place: &Place) -> Result<Url, Failure> {
        let answer = self.exchange(&Request::get(place)).await?;
        if answer.url != place.url {
            return Ok(answer.url);
        }
        let answer = answer.successful().await?;
        Err(Failure::senseless(&answer.url, "it should redirect to a release, and does not"))
    }
}

/// Fails if `answer` is a web page although `url` does not name one.
pub(super) fn refuse_page(answer: &Answer, asked: &Url) -> Result<(), Failure> {
    let named = asked.path().to_ascii_lowercase();
    let page_wanted = named.ends_with(".html") || named.ends_with(".htm") || named.ends_with('/');
    if answer.content_type().as_deref() == Some("text/html") && !page_wanted {
        return Err(web_page(&answer.url));
    }
    Ok(())
}

/// Pages are also served under other types.
fn looks_like_a_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
}

pub(crate) fn web_page(url: &Url) -> Failure {
    let message = format!("{} is a web page, not the file that was asked for", shown::url(url));
    Failure::elsewhere(Error::new(codes::FETCH_WEB_PAGE, message).with_help(format!(
        "open it in a browser: it is probably the login of a network or proxy; else check the spelling of the URL \
         with `curl -v {}`",
        shown::url(url)
    )))
}

pub(super) fn too_large(url: &Url, most: u64) -> Failure {
    let message = format!("{} has more than the allowed {most} bytes", shown::url(url));
    Failure::elsewhere(
        Error::new(codes::FETCH_LENGTH, message).with_help("check that the URL names the file that is meant"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_recognised_by_their_start() {
        for page in ["<!DOCTYPE html><html>", "\n  <html lang=en>", "<HTML>"] {
            assert!(looks_like_a_page(page.as_bytes()), "{page}");
        }
        for other in ["", "<", "{}", "<?xml version='1.0'?>", "sha256  <html>"] {
            assert!(!looks_like_a_page(other.as_bytes()), "{other}");
        }
    }
}
