//! Where the fetching side tells the writing side which blobs are complete.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::oci::digest::Digest;

/// Shared by the download tasks and the writing thread.
#[derive(Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: HashSet<Digest>,
    abandoned: bool,
}

impl Board {
    /// A blob is complete.
    pub fn ready(&self, digest: &Digest) {
        self.change(|state| {
            state.ready.insert(*digest);
        });
    }

    /// No further blob will come.
    pub fn abandon(&self) {
        self.change(|state| state.abandoned = true);
    }

    /// Waits for a blob; false when it will never come.
    pub fn wait_for(&self, digest: &Digest) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = |state: &mut State| !state.ready.contains(digest) && !state.abandoned;
        let state = self.changed.wait_while(state, pending).unwrap_or_else(PoisonError::into_inner);
        state.ready.contains(digest)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn waiting_ends_when_the_blob_comes_or_never_will() {
        let board = Arc::new(Board::default());
        let (first, second) = (Digest::of(b"1"), Digest::of(b"2"));
        let waiting = {
            let board = board.clone();
            std::thread::spawn(move || (board.wait_for(&first), board.wait_for(&second)))
        };
        board.ready(&first);
        board.abandon();
        assert_eq!(waiting.join().unwrap(), (true, false));
    }
}
