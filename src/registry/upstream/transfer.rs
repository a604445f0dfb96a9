//! The transfer of a blob from an upstream into an upload of the store. It tells how far it is, so that others
//! can read what has come. It ends early when nobody wants the blob any more.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::trouble;
use crate::error::{Error, Result, codes};
use crate::fetch::{self, Sink};
use crate::oci::digest::{Algorithm, Digest};
use crate::progress::{Event, Silent};
use crate::registry::failure;
use crate::registry::pull::unknown_blob;
use crate::registry::refusal::Refusal;
use crate::registry::service::Inner;
use crate::store::upload::UncheckedBytes;
use crate::store::{RepositoryName, Store, Upload};

/// Most bytes that are taken for a blob, 1 TiB.
pub(super) const MAX_BLOB: u64 = 1 << 40;

/// Transfers at a time; further ones wait for their turn.
const AT_ONCE: usize = 64;

/// How far a transfer is.
#[derive(Clone, Default)]
pub(super) struct State {
    /// What has come; nobody has checked it before the end.
    pub(super) bytes: Option<Arc<UncheckedBytes>>,
    /// How many bytes of it there are.
    pub(super) received: u64,
    /// How many there will be, as far as the upstream says.
    pub(super) length: Option<u64>,
    /// How it ended, if it has.
    pub(super) end: Option<End>,
}

/// How a transfer ended.
#[derive(Clone)]
pub(super) enum End {
    /// All bytes are there, and are the right ones.
    Stored,
    /// The store has no room for them.
    NoRoom,
    /// There is nothing to be had.
    Refused(Refusal),
}

/// What is brought where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) name: RepositoryName,
    pub(super) digest: Digest,
}

/// The transfers that are running.
pub(super) struct Transfers {
    running: Mutex<HashMap<Wanted, Arc<watch::Sender<State>>>>,
    turns: Arc<Semaphore>,
}

impl Default for Transfers {
    fn default() -> Self {
        Transfers { running: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Transfers {
    /// Follows the transfer of a blob, which is begun unless it is running.
    pub(super) fn join(self: &Arc<Self>, inner: &Arc<Inner>, wanted: &Wanted) -> watch::Receiver<State> {
        let mut running = self.running();
        if let Some(sender) = running.get(wanted) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(State::default());
        let sender = Arc::new(sender);
        running.insert(wanted.clone(), sender.clone());
        let run = Run { inner: inner.clone(), transfers: self.clone(), wanted: wanted.clone(), sender };
        tokio::spawn(run.take_turn());
        receiver
    }

    /// Waits until another transfer may run, whose thread holds the result.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Wanted, Arc<watch::Sender<State>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One transfer. It is off the list when this is dropped.
struct Run {
    inner: Arc<Inner>,
    transfers: Arc<Transfers>,
    wanted: Wanted,
    sender: Arc<watch::Sender<State>>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut running = self.transfers.running();
        if running.get(&self.wanted).is_some_and(|sender| Arc::ptr_eq(sender, &self.sender)) {
            running.remove(&self.wanted);
        }
    }
}

impl Run {
    async fn take_turn(self) {
        let Some(_turn) = self.transfers.turn().await else { return };
        // Writing and hashing take as long as they take; on a thread of its own that holds nobody up.
        let handle = Handle::current();
        let _ = tokio::task::spawn_blocking(move || self.run(&handle)).await;
    }

    fn run(self, handle: &Handle) {
        let end = match self.bring(handle) {
            Ok(end) => end,
            Err(error) => End::Refused(self.refusal(error)),
        };
        let sender = self.sender.clone();
        // Who comes from now on looks into the store first.
        drop(self);
        sender.send_modify(|state| state.end = Some(end));
    }

    fn bring(&self, handle: &Handle) -> Result<End> {
        let Wanted { name, digest } = &self.wanted;
        // Somebody else may have brought it since it was looked for.
        if self.inner.settings.content.blob_of(name, &(*digest).into())?.is_some() {
            return Ok(End::Stored);
        }
        let (Some(upstreams), Some(store)) = (&self.inner.upstream, &self.inner.settings.store) else {
            return Ok(End::NoRoom);
        };
        let Some(mut growing) = self.begin(store)? else { return Ok(End::NoRoom) };
        let location = upstreams.registry.blob(name.host().unwrap_or_default(), name.path(), *digest)?;
        let fetched = handle.block_on(async {
            let client = &upstreams.client;
            let download = fetch::download(client, &location, None, MAX_BLOB, &mut growing, &Silent);
            tokio::select! {
                fetched = download => Some(fetched),
                () = self.abandoned() => None,
            }
        });
        self.conclude(growing, fetched)
    }

    /// Nothing if there is no room for anything.
    fn begin(&self, store: &Store) -> Result<Option<Growing<'_>>> {
        let begin = || -> Result<Growing<'_>> {
            let upload = store.start_upload(&self.wanted.name, Algorithm::Sha256)?;
            let bytes = Arc::new(upload.unchecked_bytes()?);
            self.sender.send_modify(|state| state.bytes = Some(bytes.clone()));
            Ok(Growing { upload, bytes, position: 0, sender: &self.sender, fault: None })
        };
        match begin() {
            Err(error) if is_full(&error) => {
                failure::report(&self.inner, &error);
                Ok(None)
            }
            begun => begun.map(Some),
        }
    }

    fn conclude(&self, growing: Growing<'_>, fetched: Option<Result<u64>>) -> Result<End> {
        let Growing { upload, fault, .. } = growing;
        let announced = self.sender.borrow().length;
        let error = match (fetched, fault) {
            (None, _) => {
                return upload.cancel().map(|()| End::Refused(unknown_blob(&self.wanted.digest.into())));
            }
            (_, Some(fault)) => fault,
            (Some(Err(error)), None) => error,
            (Some(Ok(length)), None) if announced.is_none_or(|announced| announced == length) => {
                return upload.finish(&self.wanted.digest.into()).map(|()| End::Stored);
            }
            (Some(Ok(length)), None) => {
                let message = format!("{length} bytes came where another number was announced");
                Error::new(codes::UPSTREAM_BLOB, message).with_help(ASK_OPERATORS)
            }
        };
        upload.cancel()?;
        if !is_full(&error) {
            return Err(error);
        }
        let text = format!(
            "blob {} of {} is passed on, but not kept: {error}",
            self.wanted.digest, self.wanted.name
        );
        self.inner.settings.progress.event(Event::Warning { text: &text });
        Ok(End::NoRoom)
    }

    /// Waits until nobody follows any more; from then on nobody can.
    async fn abandoned(&self) {
        loop {
            self.sender.closed().await;
            let mut running = self.transfers.running();
            if self.sender.is_closed() {
                running.remove(&self.wanted);
                return;
            }
        }
    }

    fn refusal(&self, error: Error) -> Refusal {
        if [codes::STORE_IO, codes::INTERNAL].contains(&error.code()) {
            return failure::refusal(&self.inner, error);
        }
        if error.code() == codes::WRONG_DIGEST {
            let Wanted { name, digest } = &self.wanted;
            let message = format!("an upstream sends other bytes for blob {digest} of {name}");
            let error = Error::new(codes::UPSTREAM_BLOB, message).with_help(ASK_OPERATORS);
            failure::report(&self.inner, &error);
            return trouble::refusal(&error, || unknown_blob(&(*digest).into()));
        }
        trouble::refusal(&error, || unknown_blob(&self.wanted.digest.into()))
    }
}

/// What to do about an upstream that sends nonsense.
const ASK_OPERATORS: &str = "the upstream or a proxy before it changes what it sends; ask its operators, or name another mirror of it";

fn is_full(error: &Error) -> bool {
    [codes::NO_SPACE, codes::UPLOAD_LIMIT].contains(&error.code())
}

/// Takes the bytes. Others read them already, so nothing is taken back: if the upstream has to begin again,
/// what comes is compared with what is there.
struct Growing<'a> {
    upload: Upload,
    bytes: Arc<UncheckedBytes>,
    /// How far this attempt is.
    position: u64,
    sender: &'a watch::Sender<State>,
    /// Why the store did not take more.
    fault: Option<Error>,
}

impl Growing<'_> {
    fn failed(&mut self, error: Error) -> io::Error {
        let told = io::Error::other(error.message().to_owned());
        self.fault = Some(error);
        told
    }

    fn compare(&self, bytes: &[u8]) -> io::Result<bool> {
        let (mut there, mut count) = (vec![0; bytes.len()], 0);
        while count < there.len() {
            match self.bytes.read_at(&mut there[count..], self.position + count as u64)? {
                0 => return Ok(false),
                read => count += read,
            }
        }
        Ok(there == bytes)
    }
}

impl Sink for Growing<'_> {
    fn length(&self) -> u64 {
        self.position
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let repeated = (self.upload.length() - self.position).min(bytes.len() as u64) as usize;
        let (repeated, new) = bytes.split_at(repeated);
        if !repeated.is_empty() && !self.compare(repeated)? {
            let message = "the upstream sends other bytes than before under the same digest";
            return Err(self.failed(Error::new(codes::UPSTREAM_BLOB, message).with_help(ASK_OPERATORS)));
        }
        if !new.is_empty() {
            self.upload.append(new).map_err(|error| self.failed(error))?;
        }
        self.position += bytes.len() as u64;
        let received = self.upload.length();
        self.sender.send_modify(|state| state.received = received);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.position = 0;
        Ok(())
    }

    fn announced(&mut self, length: Option<u64>) -> io::Result<()> {
        let known = self.sender.borrow().length;
        if known.is_some() && length.is_some() && known != length {
            let message = "the upstream announces another number of bytes than before";
            return Err(self.failed(Error::new(codes::UPSTREAM_BLOB, message).with_help(ASK_OPERATORS)));
        }
        self.sender.send_modify(|state| state.length = state.length.or(length));
        Ok(())
    }
}
