//! Large things, continued where they were cut off (RFC 9110, 14: Range Requests).

use std::io;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};

use super::client::Client;
use super::document::{refuse_page, too_large};
use super::exchange::{Answer, Request};
use super::failure::Failure;
use super::location::{Location, Place};
use super::range::ContentRange;
use super::shown;
use super::tour::{Existence, Tour};
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress, Stage};

/// Bytes beyond the furthest point so far after which earlier failures are forgotten.
const PROGRESS: u64 = 64 << 10;

/// Takes the bytes of a download, in order.
pub trait Sink {
    /// How many bytes it has. What it had before the download began is continued.
    fn length(&self) -> u64;
    /// Takes the next bytes, all of them. May block.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Forgets everything, to begin again with the first byte.
    fn restart(&mut self) -> io::Result<()>;
    /// Hears before the first byte how many there will be in all, if the server says so.
    fn announced(&mut self, _length: Option<u64>) -> io::Result<()> {
        Ok(())
    }
}

/// Brings what lies at `location` into `sink`, and says how many bytes it has then. Whether they are the
/// right ones is for the sink's owner to check by their digest.
///
/// What the sink has already is continued if `expected_size` is known or the location is a blob, since then
/// a mixture of two versions is found out; else it starts again. Never takes more than `max_size` bytes.
/// Reports every byte beyond the furthest point once, as progress of [`Stage::Fetch`]; bytes that the sink
/// had at the start are not reported. May be dropped at any await point, and called again later.
///
/// # Errors
/// Of kind `Upstream` when all places have failed for good; [`codes::NO_SPACE`] or [`codes::CACHE_IO`] with
/// its cause at once when the sink fails.
pub async fn download(
    client: &Client,
    location: &Location,
    expected_size: Option<u64>,
    max_size: u64,
    sink: &mut dyn Sink,
    progress: &dyn Progress,
) -> Result<u64> {
    let mut tour = Tour::new(client, &location.name, &location.places, Existence::Expected)?;
    let furthest = sink.length();
    let mut transfer =
        Transfer { client, location, expected_size, max_size, sink, progress, furthest, validator: None };
    transfer.prepare().map_err(|failure| failure.error)?;
    loop {
        let before = transfer.furthest;
        let result = transfer.attempt(tour.place()).await;
        if transfer.furthest - before >= PROGRESS {
            tour.progressed();
        }
        match result {
            Ok(()) => return Ok(transfer.sink.length()),
            Err(failure) => tour.failed(failure).await?,
        }
    }
}

struct Transfer<'a> {
    client: &'a Client,
    location: &'a Location,
    expected_size: Option<u64>,
    max_size: u64,
    sink: &'a mut dyn Sink,
    progress: &'a dyn Progress,
    /// The furthest length the sink has had.
    furthest: u64,
    /// The strong ETag of what the sink has a part of. Only for what may change.
    validator: Option<HeaderValue>,
}

impl Transfer<'_> {
    /// Throws away what cannot be continued.
    fn prepare(&mut self) -> Result<(), Failure> {
        let length = self.sink.length();
        let known = self.location.immutable || self.expected_size.is_some();
        let too_long = length > self.expected_size.unwrap_or(self.max_size);
        if length > 0 && (!known || too_long) { self.restart() } else { Ok(()) }
    }

    async fn attempt(&mut self, place: &Place) -> Result<(), Failure> {
        if let Some(expected) = self.expected_size {
            if expected > self.max_size {
                return Err(Failure::never(too_large(&place.url, self.max_size).error));
            }
            if self.sink.length() == expected {
                return Ok(());
            }
        }
        let answer = self.client.exchange(&self.request(place)).await?;
        let announced = match (answer.status(), self.sink.length()) {
            (StatusCode::PARTIAL_CONTENT, start) if start > 0 => self.continued(&answer, start)?,
            (StatusCode::OK, start) => {
                if start > 0 {
                    self.restart()?;
                }
                answer.content_length()
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, start) if start > 0 => {
                return self.beyond_end(&answer, start);
            }
            (status, _) if status.is_success() => {
                return Err(Failure::senseless(
                    &answer.url,
                    format_args!("it answers {status} to a plain GET"),
                ));
            }
            _ => return Err(answer.refusal().await),
        };
        refuse_page(&answer, &place.url)?;
        self.check_size(&answer, announced)?;
        self.remember_validator(&answer);
        self.sink.announced(announced).map_err(|error| self.sink_failed(error))?;
        self.receive(answer, announced).await
    }

    fn request(&self, place: &Place) -> Request {
        let request = Request::get(place);
        let start = self.sink.length();
        // Digits and ASCII letters always make a header.
        let Ok(range) = HeaderValue::from_str(&format!("bytes={start}-")) else { return request };
        match (&self.validator, start) {
            (_, 0) => request,
            (Some(validator), _) => request.with(RANGE, range).with(IF_RANGE, validator.clone()),
            (None, _) => request.with(RANGE, range),
        }
    }

    /// Checks that a part is the one that was asked for; gives the length of the whole, if it is said.
    fn continued(&mut self, answer: &Answer, start: u64) -> Result<Option<u64>, Failure> {
        if self
            .validator
            .as_ref()
            .is_some_and(|known| answer.header(ETAG).map(str::as_bytes) != Some(known.as_bytes()))
        {
            self.restart()?;
            let message = format!("{} changed while it was fetched", shown::printable(&self.location.name));
            return Err(Failure::again(
                Error::new(codes::FETCH_ANSWER, message).with_help("run the same command again"),
            ));
        }
        let text = answer.header(CONTENT_RANGE).unwrap_or_default();
        match ContentRange::parse(text) {
            Some(range) if range.part.is_some_and(|(first, _)| first == start) => Ok(range.whole),
            _ => {
                let what = format!("it was asked for bytes {start}-, and sends `{}`", shown::printable(text));
                Err(Failure::senseless(&answer.url, what))
            }
        }
    }

    /// There is nothing at the point to continue from: it is complete, or another file than before.
    fn beyond_end(&mut self, answer: &Answer, start: u64) -> Result<(), Failure> {
        let whole = answer.header(CONTENT_RANGE).and_then(ContentRange::parse).and_then(|range| range.whole);
        if whole == Some(start) && self.expected_size.is_none() {
            return Ok(());
        }
        self.restart()?;
        let message = format!("{} has no bytes after the first {start}", shown::url(&answer.url));
        Err(Failure::again(Error::new(codes::FETCH_LENGTH, message).with_help("run the same command again")))
    }

    fn check_size(&self, answer: &Answer, announced: Option<u64>) -> Result<(), Failure> {
        match (announced, self.expected_size) {
            (Some(announced), Some(expected)) if announced != expected => {
                Err(self.wrong_length(answer, format_args!("has {announced} bytes"), expected))
            }
            (Some(announced), _) if announced > self.max_size => Err(too_large(&answer.url, self.max_size)),
            _ => Ok(()),
        }
    }

    fn wrong_length(&self, answer: &Answer, what: std::fmt::Arguments<'_>, expected: u64) -> Failure {
        let message =
            format!("{} {what} at {}, not {expected}", self.location.name, shown::authority(&answer.url));
        Failure::elsewhere(Error::new(codes::FETCH_LENGTH, message).with_help(
            "the server or a proxy before it has another file than the one that is pinned; see what with `curl -I`",
        ))
    }

    fn remember_validator(&mut self, answer: &Answer) {
        let strong = answer.header(ETAG).filter(|etag| !self.location.immutable && etag.starts_with('"'));
        self.validator = strong.and_then(|etag| HeaderValue::from_str(etag).ok());
    }

    /// Takes the body. `announced` is the length of the whole, as far as the server says.
    async fn receive(&mut self, answer: Answer, announced: Option<u64>) -> Result<(), Failure> {
        let url = answer.url.clone();
        let most = self.expected_size.unwrap_or(self.max_size);
        let mut body = answer.body();
        while let Some(chunk) = body.chunk().await? {
            let chunk = chunk.as_ref();
            if chunk.len() as u64 > most - self.sink.length() {
                return Err(too_large(&url, most));
            }
            self.sink.write(chunk).map_err(|error| self.sink_failed(error))?;
            self.account();
        }
        let (length, whole) = (self.sink.length(), self.expected_size.or(announced));
        if whole.is_some_and(|whole| length < whole) {
            let message = format!("{} ended after {length} bytes, too early", shown::url(&url));
            return Err(Failure::again(
                Error::new(codes::FETCH_LENGTH, message)
                    .with_help("run the same command again; it will continue"),
            ));
        }
        Ok(())
    }

    /// Reports what is beyond the furthest point, once.
    fn account(&mut self) {
        let length = self.sink.length();
        if length > self.furthest {
            self.progress.event(Event::Advanced { stage: Stage::Fetch, bytes: length - self.furthest });
            self.furthest = length;
        }
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.validator = None;
        self.sink.restart().map_err(|error| self.sink_failed(error))
    }

    /// Neither another attempt nor another server helps against a full disk.
    fn sink_failed(&self, error: io::Error) -> Failure {
        let name = shown::printable(&self.location.name);
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let (code, message, help) = if full {
            (
                codes::NO_SPACE,
                format!("there is no space left to store {name}"),
                "make room, then run the same command again",
            )
        } else {
            (
                codes::CACHE_IO,
                format!("{name} cannot be stored"),
                "check the disk of the cache, then run the same command again",
            )
        };
        Failure::never(Error::new(code, message).with_help(help).with_source(error))
    }
}
