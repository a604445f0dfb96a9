//! Restarts a host, and waits until it is back.

use std::time::Duration;

use super::Installation;
use crate::cluster::fleet;
use crate::cluster::hearsay::OnHost;
use crate::cluster::remote::{Command, Remote};
use crate::cluster::survey::look;
use crate::error::{Error, Result, codes};

/// Servers with much memory and many disks take their time.
const BACK: Duration = Duration::from_secs(20 * 60);
/// How often it is tried.
const INTERVAL: Duration = Duration::from_secs(5);

impl Installation<'_> {
    /// Restarts the host; comes back when it is in another boot.
    pub(super) fn restart(&self, remote: &dyn Remote) -> Result<()> {
        fleet::go_on(self.stop)?;
        OnHost { host: self.host, progress: self.progress }.begins("restart", "Restart the machine");
        let before = look::boot(remote)?;
        // The connection may end before the answer comes: whether it restarts shows.
        if let Ok(answer) = remote.run(Command::airlock(["node", "restart"]), &mut |_| {}) {
            answer.success()?;
        }
        let until = self.pause.now() + BACK;
        loop {
            fleet::go_on(self.stop)?;
            self.pause.wait(INTERVAL);
            // While it is down every way to fail is possible.
            let boot = (self.connect)().and_then(|remote| look::boot(&*remote));
            match boot {
                Ok(boot) if boot != before => return Ok(()),
                Ok(_) if self.pause.now() >= until => return Err(self.not_back()),
                Err(error) if self.pause.now() >= until => return Err(self.not_back().with_source(error)),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn not_back(&self) -> Error {
        let (host, minutes) = (self.host, BACK.as_secs() / 60);
        let message = format!("{host} has not come back {minutes} minutes after its restart");
        Error::new(codes::HOST_NOT_BACK, message)
            .with_help(format!("look at its console; when {host} is up, run the same command again"))
    }
}
