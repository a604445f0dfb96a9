//! Restarts a host, and waits until it is back.

use std::time::Duration;

use super::Deployment;
use crate::cluster::remote::{self, Command, Remote};
use crate::cluster::survey::look;
use crate::error::{Error, Result, codes};
use crate::progress::Event;

/// Servers with much memory and many disks take their time.
const BACK: Duration = Duration::from_secs(20 * 60);
/// How often it is tried.
const INTERVAL: Duration = Duration::from_secs(5);

#[derive(serde::Deserialize)]
struct Restarting {
    boot: String,
}

impl Deployment<'_> {
    /// Restarts a host; comes back when it is in another boot.
    pub(super) fn restart(&self, host: &str, remote: &dyn Remote) -> Result<()> {
        let event = Event::StepStarted { step: "restart", title: "Restart the machine" };
        self.progress.event(Event::OnHost { host, event: &event });
        let before: Restarting = remote::ask(remote, Command::airlock(["node", "restart"]))?;
        let mut waited = Duration::ZERO;
        loop {
            self.stopped()?;
            self.pause.wait(INTERVAL);
            waited += INTERVAL;
            // While it is down every way to fail is possible.
            let boot = self.remote(host).and_then(|remote| look::boot(&*remote));
            match boot {
                Ok(boot) if boot != before.boot => return Ok(()),
                Ok(_) if waited >= BACK => return Err(not_back(host)),
                Err(error) if waited >= BACK => return Err(not_back(host).with_source(error)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn not_back(host: &str) -> Error {
    let minutes = BACK.as_secs() / 60;
    Error::new(codes::HOST_NOT_BACK, format!("{host} has not come back {minutes} minutes after its restart"))
        .with_help(format!("look at its console; when {host} is up, run the same command again"))
}
