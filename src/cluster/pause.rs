//! Time that passes between two looks at something that nobody tells of.

use std::time::{Duration, Instant};

/// Lets time pass.
pub trait Pause: Sync {
    /// Waits so long.
    fn wait(&self, time: Duration);

    /// The time at this moment. What is waited for is measured by it: a look may take longer than the pause before it.
    fn now(&self) -> Instant;
}

/// The time of this machine.
pub struct RealTime;

impl Pause for RealTime {
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};

    use super::*;

    /// Time that passes at once, for every thread its own: who waits for an hour makes nobody beside it older.
    pub(crate) struct Hurry {
        begun: Instant,
        passed: Mutex<HashMap<ThreadId, Duration>>,
    }

    impl Hurry {
        pub(crate) fn new() -> Hurry {
            Hurry { begun: Instant::now(), passed: Mutex::default() }
        }

        /// How long the one has waited who has waited longest.
        pub(crate) fn longest(&self) -> Duration {
            self.passed.lock().unwrap().values().copied().max().unwrap_or_default()
        }
    }

    impl Pause for Hurry {
        fn wait(&self, time: Duration) {
            *self.passed.lock().unwrap().entry(thread::current().id()).or_default() += time;
        }

        fn now(&self) -> Instant {
            let passed = self.passed.lock().unwrap();
            self.begun + passed.get(&thread::current().id()).copied().unwrap_or_default()
        }
    }
}
