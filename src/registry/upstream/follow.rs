//! Reading a blob while it comes. The last piece waits until all of it was found to be right, so that nobody
//! ever has the whole of something wrong.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::sync::watch;

use super::relay::Relay;
use super::transfer::{End, State, Wanted};
use crate::error::{Error, Result, codes};
use crate::registry::body::Buffers;
use crate::registry::refusal::{Reason, Refusal};
use crate::registry::service::Inner;
use crate::store::upload::UncheckedBytes;

/// Somebody who wants the bytes of a blob that is being brought.
pub(in crate::registry) struct Follower {
    inner: Arc<Inner>,
    wanted: Wanted,
    state: watch::Receiver<State>,
    position: u64,
    /// Once the store had no room: the rest comes past it.
    relay: Option<Relay>,
}

/// What can be done next.
enum Next {
    Read(Arc<UncheckedBytes>, u64),
    Relay,
    Fail(Refusal),
    Wait,
}

impl Follower {
    pub(super) fn new(inner: &Arc<Inner>, wanted: Wanted, state: watch::Receiver<State>) -> Follower {
        Follower { inner: inner.clone(), wanted, state, position: 0, relay: None }
    }

    /// How many bytes the blob has, as soon as that is known; nothing if the store has it by then.
    pub(super) async fn length(&mut self) -> Result<Option<u64>, Refusal> {
        let known = |state: &State| state.length.is_some() || state.end.is_some();
        let state = self.state.wait_for(known).await.map_err(|_| broken())?.clone();
        match (state.end, state.length) {
            (Some(End::Stored), _) => Ok(None),
            (Some(End::Refused(refusal)), _) => Err(refusal),
            (Some(End::NoRoom), None) => self.relay().await?.length().map(Some).ok_or_else(no_length),
            (_, length) => Ok(length),
        }
    }

    /// Waits until the store has all of it.
    pub(super) async fn stored(&mut self) -> Result<(), Refusal> {
        let state = self.state.wait_for(|state| state.end.is_some()).await.map_err(|_| broken())?;
        match &state.end {
            Some(End::Refused(refusal)) => Err(refusal.clone()),
            Some(End::NoRoom) => Err(Refusal::new(Reason::Unavailable, "there is no room for this blob")),
            _ => Ok(()),
        }
    }

    /// Begins with this byte.
    pub(super) fn skip_to(&mut self, position: u64) {
        // A relay that told the length begins elsewhere.
        self.relay = self.relay.take().filter(|_| position == self.position);
        self.position = position;
    }

    /// The next bytes before `end`, which is the length of the blob.
    async fn next(mut self, end: u64, buffers: Buffers) -> Result<(Follower, Bytes)> {
        loop {
            if self.relay.is_some() {
                return self.relayed(end).await;
            }
            match self.look(end) {
                Next::Read(bytes, available) => {
                    let position = self.position;
                    let piece = read(bytes, position, available, buffers).await?;
                    self.position += piece.len() as u64;
                    return Ok((self, piece));
                }
                Next::Fail(refusal) => return Err(broken_off(&refusal.message)),
                Next::Relay => drop(self.relay().await.map_err(|refusal| broken_off(&refusal.message))?),
                Next::Wait => self.state.changed().await.map_err(|_| broken_off(&broken().message))?,
            }
        }
    }

    fn look(&mut self, end: u64) -> Next {
        let state = self.state.borrow_and_update();
        let available = match &state.end {
            Some(End::Stored) => end,
            Some(End::Refused(refusal)) => return Next::Fail(refusal.clone()),
            // The last byte waits for all others to be checked.
            _ => state.received.min(end.saturating_sub(1)),
        };
        match (&state.bytes, &state.end) {
            (Some(bytes), _) if available > self.position => Next::Read(bytes.clone(), available),
            (_, Some(End::NoRoom)) => Next::Relay,
            _ => Next::Wait,
        }
    }

    /// Goes on past the store.
    async fn relay(&mut self) -> Result<&Relay, Refusal> {
        let relay = match self.relay.take() {
            Some(relay) => relay,
            None => {
                let bytes = self.state.borrow().bytes.clone();
                Relay::start(&self.inner, &self.wanted, bytes, self.position).await?
            }
        };
        Ok(self.relay.insert(relay))
    }

    async fn relayed(mut self, end: u64) -> Result<(Follower, Bytes)> {
        let last = end - self.position;
        let Some(relay) = &mut self.relay else { return Err(broken_off("there is no relay")) };
        let piece = relay.next(last).await?;
        self.position += piece.len() as u64;
        Ok((self, piece))
    }
}

async fn read(bytes: Arc<UncheckedBytes>, position: u64, end: u64, buffers: Buffers) -> Result<Bytes> {
    let failed = |error: std::io::Error| broken_off(&format!("it cannot be read: {error}"));
    let read = move || {
        buffers.fill(|buffer| {
            let most = (end - position).min(buffer.len() as u64) as usize;
            bytes.read_at(&mut buffer[..most], position)
        })
    };
    let piece = tokio::task::spawn_blocking(read).await;
    let piece = piece.map_err(std::io::Error::other).flatten().map_err(failed)?;
    if piece.is_empty() { Err(broken_off("it is shorter than announced")) } else { Ok(piece) }
}

fn broken() -> Refusal {
    Refusal::new(Reason::Unknown, "the transfer from the upstream stopped")
}

fn no_length() -> Refusal {
    Refusal::new(
        Reason::Unavailable,
        "there is no room for this blob, and the upstream does not tell its length",
    )
}

pub(super) fn broken_off(why: &str) -> Error {
    Error::new(codes::UPSTREAM_TRANSFER, format!("a transfer was broken off: {why}"))
        .with_help("look at what the upstream says; clients try again by themselves")
}

/// The follower on its way to the next piece.
type Step = Pin<Box<dyn Future<Output = Result<(Follower, Bytes)>> + Send>>;

/// The body of an answer that is sent while it comes.
pub struct GrowingBody {
    left: u64,
    end: u64,
    buffers: Buffers,
    next: Option<Step>,
}

impl GrowingBody {
    /// Sends all that `follower` has not skipped of a blob of `length` bytes.
    pub(super) fn new(follower: Follower, length: u64, buffers: &Buffers) -> GrowingBody {
        let left = length.saturating_sub(follower.position);
        let next = (left > 0).then(|| Box::pin(follower.next(length, buffers.clone())) as Step);
        GrowingBody { left, end: length, buffers: buffers.clone(), next }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, as a body of hyper is polled.
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let piece = ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(Some(piece.map(|(follower, piece)| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            if self.left > 0 {
                self.next = Some(Box::pin(follower.next(self.end, self.buffers.clone())));
            }
            piece
        })))
    }
}
