//! How a blob gets into a repository (distribution-spec, "Pushing blobs").
//!
//! Usually by two requests: one that opens the upload, and one with all of the bytes, which every registry takes.
//! When the second breaks off, the registry is asked how far it got. If it knows, the rest follows; if not, the upload
//! begins again. A proxy that takes no large requests gets the blob in pieces.

mod requests;

use std::sync::Arc;

use reqwest::header::RANGE;

use self::requests::{chunk, empty, octets, received};
use super::body::{Rest, Sending};
use super::remote::Remote;
use crate::error::Result;
use crate::fetch::{Answer, Failure, Method, Payload, Place, Request, StatusCode, Verdict};

/// How much a proxy takes that has a limit, in bytes: nginx and its ingress take this much unless told otherwise.
const SMALL: usize = 1 << 20;
/// The largest piece that is held in memory because a registry wants no smaller ones.
const LARGEST: usize = 32 << 20;
/// Bytes after which earlier failures are forgotten.
const HEADWAY: u64 = 1 << 20;

/// A blob on its way into a repository.
pub(super) struct Upload<'a> {
    pub(super) remote: &'a Remote,
    pub(super) repository: &'a str,
    pub(super) sending: Sending,
}

/// How a blob got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another repository.
    Mounted,
}

/// What is kept from one attempt to the next.
#[derive(Default)]
struct State {
    /// The upload that was opened, at the point where it goes on.
    open: Option<Place>,
    /// Whether one was ever opened.
    was_open: bool,
    /// The most that may be sent at once, in bytes.
    piece: Option<usize>,
    /// The least that the registry takes at once, except at the end.
    least: usize,
    /// How many bytes the registry has acknowledged at the most.
    acknowledged: u64,
}

impl Upload<'_> {
    /// Brings it there; `from` is another repository that has it.
    pub(super) async fn run(&self, from: Option<&str>) -> Result<Arrival> {
        let beginning = self.remote.writing(self.repository, "blobs/uploads/");
        let mut tour = self.remote.tour(&beginning)?;
        let (mut state, mut counted) = (State::default(), 0);
        loop {
            let failure = match self.attempt(&mut state, from).await {
                Ok(arrival) => return Ok(arrival),
                Err(failure) => failure,
            };
            if let Some(fault) = self.sending.account.fault() {
                return Err(fault);
            }
            if state.acknowledged >= counted + HEADWAY {
                counted = state.acknowledged;
                tour.progressed();
            }
            tour.failed(failure).await.map_err(|error| self.remote.explain(error, self.repository))?;
        }
    }

    async fn attempt(&self, state: &mut State, from: Option<&str>) -> Result<Arrival, Failure> {
        let (place, start) = match self.resumed(state).await? {
            Some(found) => found,
            None if state.was_open && self.has_arrived().await? => return Ok(Arrival::Sent),
            None => match self.begin(state, from).await? {
                Some(place) => (place, 0),
                None => return Ok(Arrival::Mounted),
            },
        };
        (state.open, state.was_open) = (Some(place.clone()), true);
        state.acknowledged = state.acknowledged.max(start);
        match (state.piece, start) {
            (None, 0) => self.whole(state, place).await?,
            (None, _) => self.rest(state, place, start).await?,
            (Some(piece), _) => self.pieces(state, place, start, piece.max(state.least)).await?,
        }
        self.sending.account.reached(self.sending.blob.size);
        Ok(Arrival::Sent)
    }

    /// Where an upload goes on that was broken off, if the registry knows it still.
    async fn resumed(&self, state: &mut State) -> Result<Option<(Place, u64)>, Failure> {
        let Some(open) = &state.open else { return Ok(None) };
        let answer = self.remote.client.exchange(&Request::get(open)).await?;
        let received = answer.header(RANGE).and_then(received).filter(|_| answer.status().is_success());
        let next = self.next_place(&answer)?.unwrap_or_else(|| open.clone());
        let size = self.sending.blob.size;
        let found = received.filter(|received| *received <= size).map(|received| (next, received));
        if found.is_none() {
            state.open = None;
        }
        Ok(found)
    }

    /// The answer to the last request may be all that was lost.
    async fn has_arrived(&self) -> Result<bool, Failure> {
        self.remote.has_blob(self.repository, self.sending.blob).await.map_err(Failure::elsewhere)
    }

    /// Opens an upload; nothing if the registry had the blob elsewhere and needs none.
    async fn begin(&self, state: &mut State, from: Option<&str>) -> Result<Option<Place>, Failure> {
        let mut answer = None;
        if let Some(from) = from.filter(|_| !state.was_open) {
            match self.mount(from).await? {
                Some(mounted) if mounted.status() == StatusCode::CREATED => return Ok(None),
                other => answer = other,
            }
        }
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let place = self.remote.writing(self.repository, "blobs/uploads/");
                let answer = self.remote.client.ask(&empty(Method::POST, &place)).await?;
                self.remote.successful(answer, self.repository).await?
            }
        };
        let least = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        state.least = least.unwrap_or(0).min(LARGEST);
        let place = self.next_place(&answer)?;
        let senseless =
            || Failure::senseless(&answer.url, "it opens an upload without saying where it goes on");
        place.ok_or_else(senseless).map(Some)
    }

    /// Asks for the blob of another repository. Registries may refuse that for any reason; then it is sent.
    async fn mount(&self, from: &str) -> Result<Option<Answer>, Failure> {
        let mut place = self.remote.mounting(self.repository, "blobs/uploads/", Some(from));
        let digest = self.sending.blob.digest.to_string();
        place.url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
        match self.remote.client.exchange(&empty(Method::POST, &place)).await {
            Ok(answer) => Ok(Some(answer).filter(|answer| answer.status().is_success())),
            Err(failure) if failure.verdict == Verdict::Elsewhere => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Sends all of it at once.
    async fn whole(&self, state: &mut State, place: Place) -> Result<(), Failure> {
        let body = Rest { sending: self.sending.clone(), start: 0 };
        let request =
            Request::new(Method::PUT, &self.with_digest(place)).carrying(Payload::Long(Arc::new(body)));
        self.sent(state, &octets(request)).await.map(drop)
    }

    /// Sends what is left after a part has arrived.
    async fn rest(&self, state: &mut State, place: Place, start: u64) -> Result<(), Failure> {
        let size = self.sending.blob.size;
        if start == size {
            return self.finish(state, place).await;
        }
        let body = Rest { sending: self.sending.clone(), start };
        let request = chunk(&place, start, size - start).carrying(Payload::Long(Arc::new(body)));
        let place = self.acknowledged(state, &request, place, size).await?;
        self.finish(state, place).await
    }

    /// Sends what is left in pieces of so many bytes.
    async fn pieces(
        &self,
        state: &mut State,
        mut place: Place,
        start: u64,
        piece: usize,
    ) -> Result<(), Failure> {
        let mut bytes = self.sending.read_from(start);
        let (mut at, mut held) = (start, Vec::new());
        loop {
            while held.len() < piece
                && let Some(read) = bytes.recv().await
            {
                // The account of the blob says why, and is asked first.
                held.extend(read.map_err(|_| Failure::senseless(&place.url, "nothing is left to send"))?);
            }
            if held.is_empty() {
                return self.finish(state, place).await;
            }
            let later = held.split_off(held.len().min(piece));
            let length = held.len() as u64;
            let request = chunk(&place, at, length).carrying(Payload::Short(held.into()));
            at += length;
            place = self.acknowledged(state, &request, place, at).await?;
            self.sending.account.reached(at);
            held = later;
        }
    }

    /// Says that nothing follows any more.
    async fn finish(&self, state: &mut State, place: Place) -> Result<(), Failure> {
        let request = empty(Method::PUT, &self.with_digest(place));
        self.sent(state, &octets(request)).await.map(drop)
    }

    /// Sends a piece that ends at byte `end`; where the next one goes.
    async fn acknowledged(
        &self,
        state: &mut State,
        request: &Request,
        place: Place,
        end: u64,
    ) -> Result<Place, Failure> {
        let answer = self.sent(state, request).await?;
        let next = self.next_place(&answer)?.unwrap_or(place);
        state.open = Some(next.clone());
        state.acknowledged = end;
        Ok(next)
    }

    /// Sends a request of an upload. An upload that the registry does not go on with is begun again, and so is one
    /// whose bytes were changed on the way.
    async fn sent(&self, state: &mut State, request: &Request) -> Result<Answer, Failure> {
        let answer = self.remote.client.ask(request).await?;
        let status = answer.status();
        let is_lost = matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::BAD_REQUEST
        );
        let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE && state.piece.is_none();
        let refused = match self.remote.successful(answer, self.repository).await {
            Err(failure) if is_lost || is_too_large => failure.error,
            result => return result,
        };
        state.open = None;
        if is_too_large {
            state.piece = Some(SMALL);
        }
        Err(Failure::again(refused))
    }

    fn next_place(&self, answer: &Answer) -> Result<Option<Place>, Failure> {
        answer.next_place(self.remote.writing(self.repository, "").access.as_ref())
    }

    fn with_digest(&self, mut place: Place) -> Place {
        place.url.query_pairs_mut().append_pair("digest", &self.sending.blob.digest.to_string());
        place
    }
}
