//! Passing a blob on without keeping it, where the store has no room. Every client has its own relay then, which
//! begins where the store has ended. It is hashed on its way as well, and its last piece waits for that.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::follow::broken_off;
use super::transfer::{MAX_BLOB, Wanted};
use super::trouble;
use crate::error::Result;
use crate::fetch::{self, Sink};
use crate::oci::digest::Hasher;
use crate::progress::Silent;
use crate::registry::pull::unknown_blob;
use crate::registry::refusal::{Reason, Refusal};
use crate::registry::service::Inner;
use crate::store::upload::UncheckedBytes;

/// Pieces that may wait for the client.
const WAITING: usize = 4;

/// Buffer for hashing what the store has, in bytes.
const BUFFER: usize = 256 * 1024;

/// What the upstream says before the first byte.
type Announcement = std::result::Result<Option<u64>, Refusal>;

/// The receiving end of a transfer that nobody keeps.
pub(super) struct Relay {
    /// Waits on a thread of its own, as the other end does: a [`Sink`] takes its time by blocking.
    pieces: Arc<Mutex<Receiver<Result<Bytes>>>>,
    length: Option<u64>,
}

impl Relay {
    /// Begins a transfer that passes on what follows the first `from` bytes. `there` is what the store had room
    /// for. Returns when the upstream has answered.
    pub(super) async fn start(
        inner: &Arc<Inner>,
        wanted: &Wanted,
        there: Option<Arc<UncheckedBytes>>,
        from: u64,
    ) -> std::result::Result<Relay, Refusal> {
        let turn = match &inner.upstream {
            Some(upstreams) => upstreams.transfers.turn().await,
            None => None,
        };
        let (sender, pieces) = sync_channel(WAITING);
        let (announce, announced) = oneshot::channel();
        let (inner, wanted, handle) = (inner.clone(), wanted.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let hasher = hash_start(there.as_deref(), from);
            let position = hasher.length();
            let announce = Some(announce);
            let passing = Passing { sender, announce, hasher, position, from, held: Bytes::new() };
            run(&inner, &wanted, &handle, passing);
            drop(turn);
        });
        let stopped = |_| Refusal::new(Reason::Unknown, "the transfer from the upstream stopped");
        let length = announced.await.map_err(stopped)??;
        Ok(Relay { pieces: Arc::new(Mutex::new(pieces)), length })
    }

    /// How many bytes the whole has, if the upstream says so.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes, `most` of them at most.
    pub(super) async fn next(&mut self, most: u64) -> Result<Bytes> {
        let pieces = self.pieces.clone();
        let receive = move || pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let received = tokio::task::spawn_blocking(receive).await.ok().and_then(std::result::Result::ok);
        let piece = received.ok_or_else(|| broken_off("it ended too early"))??;
        if piece.len() as u64 > most { Err(broken_off("more came than was announced")) } else { Ok(piece) }
    }
}

/// Hashes up to `most` bytes of what is there. What cannot be read is fetched again.
fn hash_start(there: Option<&UncheckedBytes>, most: u64) -> Hasher {
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; BUFFER]);
    while let Some(bytes) = there.filter(|_| hasher.length() < most) {
        let wanted = (most - hasher.length()).min(BUFFER as u64) as usize;
        match bytes.read_at(&mut buffer[..wanted], hasher.length()) {
            Ok(count) if count > 0 => hasher.update(&buffer[..count]),
            _ => break,
        }
    }
    hasher
}

fn run(inner: &Arc<Inner>, wanted: &Wanted, handle: &Handle, mut passing: Passing) {
    let Some(upstreams) = &inner.upstream else { return };
    let (host, path) = (wanted.name.host().unwrap_or_default(), wanted.name.path());
    let fetched = upstreams.registry.blob(host, path, wanted.digest).and_then(|location| {
        let client = &upstreams.client;
        handle.block_on(fetch::download(client, &location, None, MAX_BLOB, &mut passing, &Silent))
    });
    // Whoever does not listen any more need not know how it ended.
    match (fetched, passing.announce.take()) {
        (Err(error), Some(announce)) => {
            let refusal = trouble::refusal(&error, || unknown_blob(&wanted.digest.into()));
            let _ = announce.send(Err(refusal));
        }
        (Err(error), None) => drop(passing.sender.send(Err(error))),
        (Ok(_), _) if passing.hasher.finish() == wanted.digest => {
            drop(passing.sender.send(Ok(passing.held)));
        }
        (Ok(_), _) => {
            let error = broken_off("the upstream sends other bytes than the digest says");
            drop(passing.sender.send(Err(error)));
        }
    }
}

/// Hashes what comes and hands it on, except for the last piece.
struct Passing {
    sender: SyncSender<Result<Bytes>>,
    announce: Option<oneshot::Sender<Announcement>>,
    hasher: Hasher,
    /// How far this attempt is; behind the hasher if the upstream had to begin again.
    position: u64,
    /// The first byte that is handed on.
    from: u64,
    held: Bytes,
}

impl Sink for Passing {
    fn length(&self) -> u64 {
        self.position
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let repeated = (self.hasher.length() - self.position).min(bytes.len() as u64) as usize;
        let unwanted = self.from.saturating_sub(self.position).min(bytes.len() as u64) as usize;
        self.position += bytes.len() as u64;
        self.hasher.update(&bytes[repeated..]);
        let new = &bytes[repeated.max(unwanted)..];
        if new.is_empty() {
            return Ok(());
        }
        let held = std::mem::replace(&mut self.held, Bytes::copy_from_slice(new));
        if held.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(held)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.position = 0;
        Ok(())
    }

    fn announced(&mut self, length: Option<u64>) -> io::Result<()> {
        match self.announce.take().map(|announce| announce.send(Ok(length))) {
            Some(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }
}
