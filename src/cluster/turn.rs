//! A command on a host that another command is changing: such as the installation that goes on by itself after a restart,
//! or what an operation has begun whose user has broken it off. It has its turn when that has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::hearsay::OnHost;
use super::pause::Pause;
use super::remote::{Answer, Remote};
use super::survey::look;
use crate::error::{Result, codes};
use crate::node::lock::Holder;
use crate::progress::Progress;
use crate::quote::escape;

/// How long to wait for another command on the host.
const BUSY: Duration = Duration::from_secs(60 * 60);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Who waits.
pub struct Turn<'a> {
    /// The host.
    pub host: &'a str,
    /// Lets time pass.
    pub pause: &'a dyn Pause,
    /// Set when nothing more should be begun.
    pub stop: &'a AtomicBool,
    /// Told for whom it waits.
    pub progress: &'a dyn Progress,
}

impl Turn<'_> {
    /// The answer to `order`, which is given again as long as the host is busy.
    ///
    /// # Errors
    /// Those of `order`, and of asking who is at work.
    pub fn run(&self, order: &dyn Fn(&dyn Remote) -> Result<Answer>, remote: &dyn Remote) -> Result<Answer> {
        let until = self.pause.now() + BUSY;
        let is_over = || self.pause.now() >= until || self.stop.load(Ordering::Relaxed);
        loop {
            let answer = order(remote)?;
            let is_busy = answer.status != 0 && answer.error().code() == codes::NODE_BUSY;
            if !is_busy || is_over() {
                return Ok(answer);
            }
            self.wait_for_the_other(remote, &is_over)?;
        }
    }

    /// Waits once at least: who was busy may have ended meanwhile, or be one that the status does not know of.
    fn wait_for_the_other(&self, remote: &dyn Remote, is_over: &dyn Fn() -> bool) -> Result<()> {
        let mut holder = look::status(remote)?.running;
        let mut told = None;
        loop {
            if let Some(holder) = &holder
                && told.replace(holder.pid) != Some(holder.pid)
            {
                OnHost { host: self.host, progress: self.progress }.begins("wait", &waiting(holder));
            }
            self.pause.wait(INTERVAL);
            if is_over() {
                return Ok(());
            }
            holder = look::status(remote)?.running;
            if holder.is_none() {
                return Ok(());
            }
        }
    }
}

fn waiting(holder: &Holder) -> String {
    format!("Wait for `airlock {}` (process {})", escape(&holder.command), holder.pid)
}
