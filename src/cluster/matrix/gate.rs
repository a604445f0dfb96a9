//! A standard input that says nothing of meaning and ends when it is told to.

use std::io::{self, Read};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often something is said all the same: whoever writes it to a command that has ended finds that out, and does not
/// wait for the gate, which may wait for him.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Open until [`Gate::close`].
#[derive(Default)]
pub(super) struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// Ends every input that waits here.
    pub(super) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

/// The input of one command.
pub(super) struct Silence<'a>(pub(super) &'a Gate);

impl Read for Silence<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(first) = buffer.first_mut() else { return Ok(0) };
        let closed = self.0.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(closed, HEARTBEAT, |closed| !*closed);
        let (closed, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Ok(0);
        }
        *first = b'\n';
        Ok(1)
    }
}

/// Counts those that are still to come, and lets one wait for all.
pub(super) struct Awaited {
    left: Mutex<usize>,
    changed: Condvar,
}

impl Awaited {
    pub(super) fn new(count: usize) -> Awaited {
        Awaited { left: Mutex::new(count), changed: Condvar::new() }
    }

    /// One more is there, or will never be.
    pub(super) fn arrive(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(1);
        self.changed.notify_all();
    }

    /// Waits until all are there.
    pub(super) fn wait(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left > 0 {
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
