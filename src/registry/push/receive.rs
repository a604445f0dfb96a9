//! Bodies of requests. The network is awaited on one side, the disk on another thread; between them wait no
//! more than a few pieces.

use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::codes;
use crate::registry::answer::Result;
use crate::registry::failure;
use crate::registry::refusal::{Reason, Refusal};
use crate::registry::service::Inner;
use crate::store::Upload;

/// Pieces that may wait for the disk.
const WAITING: usize = 2;

/// Appends a body to an upload. What has arrived stays, even if the client goes away, so that it can go on;
/// only where the disk is full is the upload given up, to make room.
pub(super) async fn into(inner: &Arc<Inner>, mut upload: Upload, body: Incoming) -> Result<Upload> {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING);
    let writer = inner.blocking(move |inner| {
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(error) = upload.append(&piece) {
                if [codes::NO_SPACE, codes::UPLOAD_LIMIT].contains(&error.code()) {
                    upload.cancel().map_err(|error| failure::refusal(inner, error))?;
                }
                return Err(failure::refusal(inner, error));
            }
        }
        Ok(upload)
    });
    let network = async move {
        let mut reader = Reader::new(inner, body);
        while let Some(piece) = reader.next().await? {
            // Nobody takes it when the disk has failed; the writer tells why.
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let (network, written) = tokio::join!(network, writer);
    let upload = written?;
    network.map(|()| upload)
}

/// The whole of a small body.
pub(super) async fn whole(inner: &Inner, body: Incoming, limit: usize) -> Result<Vec<u8>> {
    let too_large = || {
        let message = format!("a manifest may have {limit} bytes at most");
        Refusal::new(Reason::SizeInvalid, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut reader = Reader::new(inner, body);
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads a body within its deadlines.
struct Reader<'a> {
    inner: &'a Inner,
    body: Incoming,
    start: Instant,
    bytes: u64,
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Inner, body: Incoming) -> Self {
        Reader { inner, body, start: Instant::now(), bytes: 0 }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let deadline = self.inner.settings.deadlines.next_bytes(self.start, self.bytes, Instant::now());
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let frame = tokio::time::timeout_at(deadline, frame).await;
            let frame = frame.map_err(|_| {
                Refusal::new(Reason::BlobUploadInvalid, "the body of the request came too slowly")
                    .with_status(StatusCode::REQUEST_TIMEOUT)
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let broken = |_| Refusal::new(Reason::BlobUploadInvalid, "the body of the request broke off");
            // Trailers mean nothing here.
            if let Ok(bytes) = frame.map_err(broken)?.into_data() {
                self.bytes += bytes.len() as u64;
                self.inner.metrics.received(bytes.len() as u64);
                return Ok(Some(bytes));
            }
        }
    }
}
