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
    use std::sync::Mutex;

    use super::*;

    /// Time that passes at once.
    pub(crate) struct Hurry {
        begun: Instant,
        passed: Mutex<Duration>,
    }

    impl Hurry {
        pub(crate) fn new() -> Hurry {
            Hurry { begun: Instant::now(), passed: Mutex::default() }
        }
    }

    impl Pause for Hurry {
        fn wait(&self, time: Duration) {
            *self.passed.lock().unwrap() += time;
        }

        fn now(&self) -> Instant {
            self.begun + *self.passed.lock().unwrap()
        }
    }
}
