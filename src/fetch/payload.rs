//! What requests carry: forms, documents, and streams that are too long to be held in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder, Response};

use super::settings::Timeouts;
use crate::secret::Secret;

/// Bytes a second at which a server has to digest what it was sent, at the least.
const SLOWEST_SERVER: u64 = 10 << 20;

/// The body of a request. It can be sent several times.
#[derive(Clone)]
pub(crate) enum Payload {
    /// A form; it may hold an identity token.
    Form(Secret<String>),
    /// A few bytes.
    Short(Arc<[u8]>),
    /// As many as there are.
    Long(Arc<dyn Long>),
}

/// Bytes that are made while they are sent.
pub(crate) trait Long: Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// All of them, from the first. Every byte that is taken is added to `taken`.
    fn open(&self, taken: Arc<AtomicU64>) -> Body;
}

/// Why there is no answer.
pub(super) enum Unsent {
    /// Everything was sent, and no answer came in this time.
    NoAnswer(Duration),
    /// The server took so many bytes, and then no more.
    Stalled(u64),
    /// The connection failed.
    Broken(reqwest::Error),
}

impl Payload {
    /// Sends it with `request`, as long as the server takes it.
    pub(super) async fn send(&self, request: RequestBuilder, timeouts: Timeouts) -> Result<Response, Unsent> {
        match self {
            Payload::Form(text) => sent(request.body(text.reveal().clone()), None, timeouts).await,
            Payload::Short(bytes) => sent(request.body(bytes.to_vec()), None, timeouts).await,
            Payload::Long(long) => {
                let (taken, length) = (Arc::new(AtomicU64::new(0)), long.length());
                let request = request.header(CONTENT_LENGTH, length).body(long.open(taken.clone()));
                sent(request, Some((&taken, length)), timeouts).await
            }
        }
    }
}

/// Sends a request. With a body whose bytes are counted as they are taken, the answer is waited for as long as
/// some are taken, and then for as long as the server may need to digest them.
pub(super) async fn sent(
    request: RequestBuilder,
    counted: Option<(&AtomicU64, u64)>,
    timeouts: Timeouts,
) -> Result<Response, Unsent> {
    let sending = request.send();
    tokio::pin!(sending);
    let mut before = 0;
    loop {
        let taken = counted.map(|(taken, _)| taken.load(Ordering::Relaxed));
        let is_sent = counted.is_none_or(|(_, length)| taken == Some(length));
        let digesting = Duration::from_secs(counted.map_or(0, |(_, length)| length / SLOWEST_SERVER));
        let patience = if is_sent { timeouts.answer + digesting } else { timeouts.stall };
        match tokio::time::timeout(patience, &mut sending).await {
            Ok(result) => return result.map_err(Unsent::Broken),
            Err(_) if is_sent => return Err(Unsent::NoAnswer(patience)),
            Err(_) => {
                let now = counted.map_or(0, |(taken, _)| taken.load(Ordering::Relaxed));
                if now == before {
                    return Err(Unsent::Stalled(now));
                }
                before = now;
            }
        }
    }
}
