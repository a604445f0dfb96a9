//! Blobs that are hashed because somebody wants a part of them.
//!
//! Whether a part is right can only be told from the whole. So the part goes out at once, except for its end,
//! and the whole is read beside it, once for everybody who waits. Who goes away does not end that: whoever
//! comes back finds it done.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::service::Inner;
use crate::error::{Error, Result};
use crate::store::Blob;

/// How many blobs are read at once for this; more would need more memory and not be faster.
const AT_ONCE: usize = 4;

/// The checks that go on.
pub(super) struct Checks {
    /// By the marks of their blobs.
    running: Mutex<HashMap<u64, watch::Sender<Option<Outcome>>>>,
    places: Semaphore,
}

type Outcome = std::result::Result<(), Arc<Error>>;

/// A check that somebody waits for.
pub(super) struct Check(watch::Receiver<Option<Outcome>>);

impl Default for Checks {
    fn default() -> Self {
        Checks { running: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }
}

impl Checks {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<Option<Outcome>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// The check of this blob: the one that goes on, or else a new one.
    pub(super) fn of(inner: &Arc<Inner>, blob: &Blob) -> Check {
        let mut running = inner.checks.running();
        if let Some(sender) = running.get(&blob.mark()) {
            return Check(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(blob.mark(), sender.clone());
        tokio::spawn(run(inner.clone(), blob.clone(), sender));
        Check(receiver)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Those of [`Blob::verify`].
    pub(super) async fn passed(mut self) -> Result<()> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(repeated(error)),
            // If it broke off nothing is known, and the stream itself reads the blob.
            _ => Ok(()),
        }
    }
}

async fn run(inner: Arc<Inner>, blob: Blob, sender: watch::Sender<Option<Outcome>>) {
    let place = inner.checks.places.acquire().await;
    let (mark, of, asked) = (blob.mark(), inner.clone(), sender.clone());
    let verified = tokio::task::spawn_blocking(move || {
        let needless = || blob.is_verified() || (of.activity.is_stopping() && asked.is_closed());
        blob.verify_in_steps(|_| if needless() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let verified = verified.await;
    drop(place);
    inner.checks.running().remove(&mark);
    match verified {
        Ok(Ok(complete)) => {
            if complete {
                inner.metrics.verified_blob();
            }
            sender.send_replace(Some(Ok(())));
        }
        Ok(Err(error)) => drop(sender.send_replace(Some(Err(Arc::new(error))))),
        // Nobody hears of it: the sender is dropped.
        Err(_) => {}
    }
}

/// Everybody who waited gets the error.
fn repeated(error: &Error) -> Error {
    let again = Error::new(error.code(), error.message());
    match error.help() {
        Some(help) => again.with_help(help),
        None => again,
    }
}

#[cfg(test)]
mod tests;
