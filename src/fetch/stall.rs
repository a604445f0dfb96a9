//! Reads a body as long as it makes headway: a server that sends a byte per second keeps a connection alive
//! for ever without being of any use.

use std::time::{Duration, Instant};

use reqwest::{Response, Url};

use super::failure::Failure;
use super::settings::Timeouts;

/// The body of an answer, with a watch on its speed.
pub(super) struct Body {
    response: Response,
    url: Url,
    window: Duration,
    enough: u64,
    /// What is left of the current window. Only time spent waiting for the server is taken off.
    remaining: Duration,
    /// Bytes that came in the current window.
    received: u64,
}

impl Body {
    pub(super) fn new(response: Response, url: Url, timeouts: Timeouts) -> Self {
        let window = timeouts.stall;
        Body { response, url, window, enough: timeouts.stall_bytes, remaining: window, received: 0 }
    }

    /// The next bytes, none at the end. Fails if the connection breaks or the server is too slow.
    pub(super) async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let asked = Instant::now();
        let Ok(chunk) = tokio::time::timeout(self.remaining, self.response.chunk()).await else {
            return Err(Failure::stalled(&self.url, self.received, self.window));
        };
        let chunk = chunk.map_err(|error| Failure::of_transport(error, &self.url))?;
        self.received += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        if self.received >= self.enough {
            (self.received, self.remaining) = (0, self.window);
        } else {
            self.remaining = self.remaining.saturating_sub(asked.elapsed());
        }
        Ok(chunk)
    }

    /// The whole body, unless it is longer than `most` bytes: then none.
    pub(super) async fn whole(mut self, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let chunk = chunk.as_ref();
            if (bytes.len() + chunk.len()) as u64 > most {
                return Ok(None);
            }
            bytes.extend_from_slice(chunk);
        }
        Ok(Some(bytes))
    }
}
