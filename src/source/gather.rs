//! Brings blobs into the cache: all artifacts at once, every blob once, within a limit of connections and
//! a budget of memory.
//!
//! Each blob is handled on a thread of its own that hashes and writes while the runtime receives, so a slow
//! disk never stalls other connections. Two builds that share a cache take turns per blob: the one that
//! holds the partial file fetches, the other one waits and finds the blob complete.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::{Error, Result, codes};
use crate::fetch::{self, Client, Location};
use crate::oci::digest::Digest;
use crate::progress::{Event, Progress, Silent, Stage};
use crate::store::cache::Cache;
use crate::store::partial::Partial;

/// Memory that one connection may hold between network and disk, in bytes.
const WINDOW: u64 = 2 << 20;

/// How much may go on at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Downloads at the same time, over all hosts.
    pub connections: usize,
    /// Bytes that all of them together may hold in memory.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 8, memory: 32 << 20 }
    }
}

/// A blob to be brought into the cache.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it must be.
    pub digest: Digest,
    /// Its number of bytes.
    pub size: u64,
    /// Where to get it.
    pub location: Location,
    /// What it belongs to, for progress and errors.
    pub name: String,
}

/// What gathering cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Blobs that were transferred, wholly or in part.
    pub transferred: u64,
    /// Blobs that were in the cache already.
    pub cached: u64,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Gatherer {
    client: Client,
    cache: Cache,
    connections: Arc<Semaphore>,
    /// In KiB, since a semaphore counts at most 2^32 permits.
    memory: Arc<Semaphore>,
    memory_total: u32,
    progress: Arc<dyn Progress>,
    /// Becomes true when a blob failed and the rest should stop where they are.
    stop: Arc<watch::Sender<bool>>,
}

impl Gatherer {
    /// A gatherer for one run.
    pub fn new(client: Client, cache: Cache, limits: Limits, progress: Arc<dyn Progress>) -> Gatherer {
        let memory_total = u32::try_from(limits.memory.max(WINDOW) >> 10).unwrap_or(u32::MAX);
        Gatherer {
            client,
            cache,
            connections: Arc::new(Semaphore::new(limits.connections.max(1))),
            memory: Arc::new(Semaphore::new(memory_total as usize)),
            memory_total,
            progress,
            stop: Arc::new(watch::channel(false).0),
        }
    }

    /// The cache that is filled.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The client that fetches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Brings all of `wanted`, which a lock pins, in that order as far as limits allow, and calls `ready` for each as soon as
    /// it is complete. The first failure stops the others; what they have so far stays in the cache.
    pub async fn all(
        &self,
        wanted: Vec<Wanted>,
        ready: impl Fn(&Digest) + Send + Sync + 'static,
    ) -> Result<Cost> {
        let ready = Arc::new(ready);
        let mut tasks = JoinSet::new();
        for blob in wanted {
            let (gatherer, ready) = (self.clone(), ready.clone());
            tasks.spawn(async move {
                let transferred = gatherer.one(&blob).await?;
                ready(&blob.digest);
                Ok(transferred)
            });
        }
        let mut cost = Cost::default();
        let mut failure: Option<Error> = None;
        while let Some(outcome) = tasks.join_next().await {
            match outcome.map_err(thread_failed).and_then(|outcome| outcome) {
                Ok(true) => cost.transferred += 1,
                Ok(false) => cost.cached += 1,
                Err(error) => {
                    let error = gone(error);
                    self.stop();
                    if failure.as_ref().is_none_or(|first| first.code() == codes::INTERRUPTED) {
                        failure = Some(error);
                    }
                }
            }
        }
        failure.map_or(Ok(cost), Err)
    }

    /// Makes everything that is under way stop where it is; for the side that failed.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Brings one blob; whether anything had to be transferred.
    pub async fn one(&self, wanted: &Wanted) -> Result<bool> {
        let _permits = self.permits(wanted.size).await?;
        let (gatherer, wanted) = (self.clone(), wanted.clone());
        on_thread(move |handle| gatherer.bring(&wanted, handle)).await
    }

    /// Downloads a URL whose digest nobody knows yet; its digest and size.
    pub async fn unpinned(&self, url: &str, limit: u64) -> Result<(Digest, u64)> {
        let _permits = self.permits(u64::MAX).await?;
        let (gatherer, url) = (self.clone(), url.to_owned());
        on_thread(move |handle| {
            let location = Location::url(&url)?;
            let mut partial = gatherer.cache.partial(&format!("url-{}", Digest::of(url.as_bytes()).hex()))?;
            // Nothing ties old bytes to what the URL gives today.
            partial.restart()?;
            gatherer.receive(&location, None, limit, &mut partial, &Silent, handle)?;
            partial.commit(None)
        })
        .await
    }

    async fn permits(
        &self,
        size: u64,
    ) -> Result<(tokio::sync::OwnedSemaphorePermit, tokio::sync::OwnedSemaphorePermit)> {
        let kibibytes =
            u32::try_from(size.min(WINDOW).div_ceil(1024)).unwrap_or(u32::MAX).min(self.memory_total);
        let closed = |_| Error::new(codes::INTERNAL, "the download scheduler was closed");
        let connection = self.connections.clone().acquire_owned().await.map_err(closed)?;
        let memory = self.memory.clone().acquire_many_owned(kibibytes).await.map_err(closed)?;
        if *self.stop.borrow() {
            return Err(stopped());
        }
        Ok((connection, memory))
    }

    fn bring(&self, wanted: &Wanted, handle: &Handle) -> Result<bool> {
        self.progress.event(Event::ItemStarted { stage: Stage::Fetch, name: &wanted.name });
        let outcome = self.bring_quietly(wanted, handle);
        self.progress.event(Event::ItemFinished { stage: Stage::Fetch, name: &wanted.name });
        outcome.map_err(|error| {
            error.with_detail(format!("while fetching {} for {}", wanted.digest, wanted.name))
        })
    }

    fn bring_quietly(&self, wanted: &Wanted, handle: &Handle) -> Result<bool> {
        let advance = |bytes| self.progress.event(Event::Advanced { stage: Stage::Fetch, bytes });
        if self.cache.check(&wanted.digest, wanted.size)? {
            advance(wanted.size);
            return Ok(false);
        }
        let mut partial = self.cache.partial(&wanted.digest.hex())?;
        if self.cache.check(&wanted.digest, wanted.size)? {
            advance(wanted.size);
            partial.discard()?;
            return Ok(false);
        }
        if partial.length() > wanted.size {
            partial.restart()?;
        }
        let resumed = partial.length();
        advance(resumed);
        let receive = |partial: &mut Partial, progress: &dyn Progress| {
            self.receive(&wanted.location, Some(wanted.size), wanted.size, partial, progress, handle)
        };
        receive(&mut partial, self.progress.as_ref())?;
        if resumed > 0 && partial.digest() != wanted.digest {
            // The bytes of the earlier run may be the wrong ones; these are worth one fresh start.
            partial.restart()?;
            receive(&mut partial, &Silent)?;
        }
        partial.commit(Some(wanted.digest))?;
        Ok(true)
    }

    fn receive(
        &self,
        location: &Location,
        size: Option<u64>,
        limit: u64,
        partial: &mut Partial,
        progress: &dyn Progress,
        handle: &Handle,
    ) -> Result<()> {
        let mut stop = self.stop.subscribe();
        handle.block_on(async {
            tokio::select! {
                outcome = fetch::download(&self.client, location, size, limit, partial, progress) => outcome.map(drop),
                _ = stop.wait_for(|stop| *stop) => Err(stopped()),
            }
        })
    }
}

/// Runs blocking work on a thread from which it may wait for the network through the handle.
async fn on_thread<T: Send + 'static>(work: impl FnOnce(&Handle) -> Result<T> + Send + 'static) -> Result<T> {
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || work(&handle)).await.map_err(thread_failed)?
}

fn thread_failed(error: tokio::task::JoinError) -> Error {
    Error::new(codes::INTERNAL, "a download thread ended unexpectedly").with_source(error)
}

/// Archives of distributions delete a package as soon as a newer one is there.
fn gone(error: Error) -> Error {
    if error.code() != codes::FETCH_NOT_FOUND {
        return error;
    }
    error.with_help(
        "bundle.lock pins what was there when it was made: `airlock bundle lock --update` pins what is there now, \
         and with a name after it only this image, file or target of `apt`",
    )
}

fn stopped() -> Error {
    Error::new(codes::INTERRUPTED, "stopped because another download failed")
        .with_help("run the same command again; what was fetched is kept")
}

impl fetch::Sink for Partial {
    fn length(&self) -> u64 {
        Partial::length(self)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        Partial::write(self, bytes)
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.truncate()
    }
}
