//! Bodies of answers. A blob goes out in pieces of [`PIECE`] bytes; while one is sent, the next is read.
//!
//! So go blobs that are hashed on their way, and all over TLS. Pieces as large as this make it fast enough: four
//! clients on a loaded machine of two cores got 2.0 GiB/s over TLS, where Debian's docker-registry gave 0.7; and 64
//! clients at once needed 32 MiB of memory. Verified blobs go out over plain TCP by [`direct`](super::direct), which
//! took four clients from 1.8 to 3.0 GiB/s (docker-registry: 1.6).

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::check::Check;
use super::direct::DirectBody;
use super::upstream::follow::GrowingBody;
use crate::error::{Error, Result, codes};
use crate::store::blob::BlobStream;

/// How much of a blob is read at once, in bytes.
pub const PIECE: usize = 256 * 1024;

/// Unused buffers that are kept.
const MOST_SPARE: usize = 64;

/// The body of an answer.
pub enum Body {
    /// Nothing.
    Empty,
    /// Everything at once; taken when it is sent.
    Whole(Option<Bytes>),
    /// Piece after piece.
    Blob(BlobBody),
    /// The same while it comes from an upstream.
    Growing(GrowingBody),
    /// Without copying it.
    Direct(DirectBody),
}

/// Buffers that were used and can be used again: fresh memory costs more time than reading into it.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Sends a blob.
pub struct BlobBody {
    left: u64,
    buffers: Buffers,
    /// Awaited before the last piece.
    check: Option<Check>,
    reading: Option<JoinHandle<Result<(BlobStream, Bytes)>>>,
}

/// A buffer that goes back when its bytes are sent.
struct Lent {
    buffer: Vec<u8>,
    length: usize,
    buffers: Buffers,
}

impl Buffers {
    fn lend(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| vec![0; PIECE])
    }

    /// The bytes that `read` puts at the beginning of a buffer.
    pub(super) fn fill<E>(&self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Bytes, E> {
        let mut buffer = self.lend();
        let length = read(&mut buffer)?;
        Ok(Bytes::from_owner(Lent { buffer, length, buffers: self.clone() }))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = self.buffers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl BlobBody {
    /// Sends what `stream` reads; the end of it only after `check`.
    pub(super) fn new(stream: BlobStream, check: Option<Check>, buffers: &Buffers) -> Self {
        let mut body = BlobBody { left: 0, buffers: buffers.clone(), check, reading: None };
        body.go_on(stream);
        body
    }

    /// Begins to read the next piece, if there is one.
    fn go_on(&mut self, stream: BlobStream) {
        self.left = stream.left();
        let buffers = self.buffers.clone();
        let check = if self.left <= PIECE as u64 { self.check.take() } else { None };
        self.reading = match (self.left, check) {
            (0, _) => None,
            (_, None) => Some(tokio::task::spawn_blocking(move || read(stream, buffers))),
            (_, Some(check)) => Some(tokio::spawn(async move {
                check.passed().await?;
                let reading = tokio::task::spawn_blocking(move || read(stream, buffers));
                reading.await.map_err(stopped).flatten()
            })),
        };
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read_piece = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let piece = read_piece.map_err(stopped).flatten().map(|(stream, bytes)| {
            self.go_on(stream);
            bytes
        });
        Poll::Ready(Some(piece))
    }
}

impl Drop for BlobBody {
    fn drop(&mut self) {
        // Who has gone away waits for no check.
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

fn read(mut stream: BlobStream, buffers: Buffers) -> Result<(BlobStream, Bytes)> {
    let bytes = buffers.fill(|buffer| stream.next_bytes(buffer))?;
    Ok((stream, bytes))
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::new(codes::INTERNAL, "reading a blob stopped").with_source(error)
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Blob(blob) => blob.poll_piece(context).map_ok(Frame::data),
            Body::Growing(blob) => blob.poll_piece(context).map_ok(Frame::data),
            Body::Direct(direct) => Poll::Ready(direct.next().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Body::Blob(blob) => blob.reading.is_none(),
            Body::Growing(blob) => blob.left() == 0,
            Body::Direct(direct) => direct.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Body::Empty => 0,
            Body::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Body::Blob(blob) => blob.left,
            Body::Growing(blob) => blob.left(),
            Body::Direct(direct) => direct.left(),
        })
    }
}

/// Tells when the body was sent, or given up: how many bytes went out and what went wrong.
pub struct Observed<F: FnMut(u64, Option<&Error>) + Unpin> {
    body: Body,
    sent: u64,
    tell: F,
    told: bool,
}

impl<F: FnMut(u64, Option<&Error>) + Unpin> Observed<F> {
    /// Observes `body`; `tell` is called once.
    pub fn new(body: Body, tell: F) -> Self {
        Observed { body, sent: 0, tell, told: false }
    }

    fn tell_once(&mut self, error: Option<&Error>) {
        if !std::mem::replace(&mut self.told, true) {
            (self.tell)(self.sent, error);
        }
    }
}

impl<F: FnMut(u64, Option<&Error>) + Unpin> hyper::body::Body for Observed<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
            Some(Err(error)) => self.tell_once(Some(error)),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnMut(u64, Option<&Error>) + Unpin> Drop for Observed<F> {
    fn drop(&mut self) {
        self.tell_once(None);
    }
}
