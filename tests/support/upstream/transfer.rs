//! Sends a body in chunks: counted, at most so fast, and cut off where the options say so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::stats::Stats;

const CHUNK: u64 = 64 * 1024;

/// How bodies are sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Upper bound for each answer, in bytes per second.
    pub bytes_per_second: Option<u64>,
    /// Drop the connection once an answer has sent so many bytes.
    pub fail_after: Option<u64>,
}

/// One body on its way.
pub struct Transfer<R> {
    /// Positioned at the first byte to send.
    pub reader: R,
    /// Bytes still to send.
    pub left: u64,
    /// Bytes sent already.
    pub sent: u64,
    /// How to send them.
    pub pace: Pace,
    /// Where to count them.
    pub stats: Arc<Stats>,
    /// Under which path to count them.
    pub path: String,
}

impl<R: AsyncRead + Send + Unpin + 'static> Transfer<R> {
    /// The body to give to the web framework.
    pub fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, Transfer::next_chunk))
    }

    async fn next_chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let allowed = self.pace.fail_after.map_or(u64::MAX, |limit| limit.saturating_sub(self.sent));
        if self.left == 0 {
            return Ok(None);
        }
        if allowed == 0 {
            // A pending body makes the web server send what it holds back; the failure would drop it.
            tokio::task::yield_now().await;
            return Err(io::Error::other("cut off as asked by --fail-after"));
        }
        let length = self.left.min(allowed).min(self.chunk());
        let mut bytes = Vec::with_capacity(length as usize);
        (&mut self.reader).take(length).read_to_end(&mut bytes).await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.account(bytes.len() as u64).await;
        Ok(Some((bytes.into(), self)))
    }

    // A tenth of a second's worth, so that slow transfers flow instead of coming in bursts.
    fn chunk(&self) -> u64 {
        self.pace.bytes_per_second.map_or(CHUNK, |rate| (rate / 10).clamp(1, CHUNK))
    }

    async fn account(&mut self, bytes: u64) {
        if let Some(rate) = self.pace.bytes_per_second {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
        }
        self.left -= bytes;
        self.sent += bytes;
        self.stats.sent(&self.path, bytes);
    }
}
