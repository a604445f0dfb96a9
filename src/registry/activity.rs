//! Whether somebody is being served at the moment: work in the background waits until nobody is.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a server does at the moment.
#[derive(Default)]
pub(super) struct Activity {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: usize,
    stopping: bool,
}

/// A request that is being served, until it is dropped.
pub(super) struct Served(Arc<Activity>);

impl Activity {
    /// A request has begun.
    pub(super) fn request(self: &Arc<Self>) -> Served {
        self.state().requests += 1;
        Served(self.clone())
    }

    /// The server stops: from now on nobody waits here.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits until nobody is served. Breaks if the server stops.
    pub(super) fn wait_for_quiet(&self) -> ControlFlow<()> {
        let waiting = self.changed.wait_while(self.state(), |state| state.requests > 0 && !state.stopping);
        unless_stopping(&waiting.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a while. Breaks if the server stops.
    pub(super) fn pause(&self, duration: Duration) -> ControlFlow<()> {
        let waiting = self.changed.wait_timeout_while(self.state(), duration, |state| !state.stopping);
        unless_stopping(&waiting.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests = state.requests.saturating_sub(1);
        if state.requests == 0 {
            self.0.changed.notify_all();
        }
    }
}

fn unless_stopping(state: &State) -> ControlFlow<()> {
    if state.stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_waits_for_every_request_and_for_no_end() {
        let activity = Arc::new(Activity::default());
        assert!(activity.wait_for_quiet().is_continue());
        let (first, second) = (activity.request(), activity.request());
        let (sender, receiver) = mpsc::channel();
        let waiting = {
            let activity = activity.clone();
            std::thread::spawn(move || sender.send(activity.wait_for_quiet()))
        };
        drop(first);
        assert!(receiver.try_recv().is_err(), "one is still served");
        drop(second);
        assert!(receiver.recv().unwrap().is_continue());
        waiting.join().unwrap().unwrap();
        let _third = activity.request();
        activity.stop();
        assert!(activity.wait_for_quiet().is_break());
        assert!(activity.pause(Duration::from_secs(3600)).is_break(), "at once");
    }
}
