//! Answers a request for known bytes: length, ETag, HEAD, ranges.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header, response};
use axum::response::Response;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::range::{self, Part};
use super::stats::Stats;
use super::transfer::{Pace, Transfer};

/// Bytes that are offered.
pub struct Content {
    /// The file that holds them.
    pub path: PathBuf,
    /// Value of `Content-Type`.
    pub media_type: String,
    /// Value of `ETag`, with its quotes.
    pub entity_tag: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// The parts of a request that decide how bytes are sent.
pub struct Asked {
    /// Send no body.
    pub head: bool,
    /// `Range` and `If-Range` are read.
    pub headers: HeaderMap,
    /// Path and query, under which traffic is counted.
    pub path: String,
    /// How fast, and how far.
    pub pace: Pace,
    /// Where traffic is counted.
    pub stats: Arc<Stats>,
}

impl Content {
    /// The whole answer.
    pub async fn respond(self, asked: Asked) -> io::Result<Response> {
        let mut file = tokio::fs::File::open(&self.path).await?;
        let size = file.metadata().await?.len();
        let mut answer = Response::builder()
            .header(header::CONTENT_TYPE, &self.media_type)
            .header(header::ETAG, &self.entity_tag)
            .header(header::ACCEPT_RANGES, "bytes");
        for (name, value) in &self.headers {
            answer = answer.header(*name, value);
        }
        let (start, length) = match self.part(&asked.headers, size) {
            Part::Unsatisfiable => return finish(unsatisfiable(answer, size), Body::empty()),
            Part::Whole => (0, size),
            Part::From { start, length } => {
                answer = partial(answer, start, length, size);
                (start, length)
            }
        };
        answer = answer.header(header::CONTENT_LENGTH, length);
        if asked.head {
            return finish(answer, Body::empty());
        }
        file.seek(SeekFrom::Start(start)).await?;
        let Asked { pace, stats, path, .. } = asked;
        let reader = file.take(length);
        finish(answer, Transfer { reader, left: length, sent: 0, pace, stats, path }.into_body())
    }

    fn part(&self, headers: &HeaderMap, size: u64) -> Part {
        let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        let changed = text(header::IF_RANGE).is_some_and(|entity_tag| entity_tag != self.entity_tag);
        match text(header::RANGE) {
            Some(value) if !changed => range::parse(value, size),
            _ => Part::Whole,
        }
    }
}

fn partial(answer: response::Builder, start: u64, length: u64, size: u64) -> response::Builder {
    let last = start + length - 1;
    answer
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {start}-{last}/{size}"))
}

fn unsatisfiable(answer: response::Builder, size: u64) -> response::Builder {
    answer
        .status(StatusCode::RANGE_NOT_SATISFIABLE)
        .header(header::CONTENT_RANGE, format!("bytes */{size}"))
        .header(header::CONTENT_LENGTH, 0)
}

fn finish(answer: response::Builder, body: Body) -> io::Result<Response> {
    answer.body(body).map_err(io::Error::other)
}
