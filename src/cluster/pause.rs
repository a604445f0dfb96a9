//! Time that passes between two looks at something that nobody tells of.

use std::time::Duration;

/// Lets time pass.
pub trait Pause: Sync {
    /// Waits so long.
    fn wait(&self, time: Duration);
}

/// The time of this machine.
pub struct RealTime;

impl Pause for RealTime {
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
