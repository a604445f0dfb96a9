//! An installation on a host, brought to its end: after whatever is changing the host already, such as the installation
//! that goes on by itself after a restart, and through the restarts that it needs.

mod restart;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::inventory::{Connection, Host};
use super::pause::Pause;
use super::remote::{Answer, Remote};
use super::turn::Turn;
use crate::error::{Error, Result, codes};
use crate::progress::Progress;
use crate::quote::escape;

/// More restarts than steps that need one: a host that wants another one will never have enough.
const RESTARTS: usize = 3;

/// An installation on its way.
pub struct Installation<'a> {
    /// The host.
    pub host: &'a str,
    /// The way to it, anew after every restart.
    pub connect: &'a dyn Fn() -> Result<Arc<dyn Remote>>,
    /// Whether it may be restarted.
    pub restarts: Restarts<'a>,
    /// Lets time pass.
    pub pause: &'a dyn Pause,
    /// Set when nothing more should be begun.
    pub stop: &'a AtomicBool,
    /// Told as it goes on.
    pub progress: &'a dyn Progress,
}

/// Whether a host may be restarted that has to be.
#[derive(Clone, Copy)]
pub enum Restarts<'a> {
    /// It may not: a person does that.
    No,
    /// It may not: this command runs on it, and would end with it.
    Here,
    /// It may at any time.
    AtOnce,
    /// It may while no other one is: each is installed to its end before the next one goes down.
    InTurn(&'a Mutex<()>),
}

/// How an installation ended, as `airlock install --json` tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installed {
    /// Steps that have changed something.
    changed: Vec<String>,
    /// The step that needs a restart, if one does.
    reboot_for: Option<String>,
}

impl Restarts<'_> {
    /// The same for this host, if it is another machine than this one.
    #[must_use]
    pub fn of(self, host: &Host) -> Self {
        match host.connection {
            Connection::Local { .. } => Restarts::Here,
            Connection::Ssh(_) => self,
        }
    }
}

impl Installation<'_> {
    /// Lets `order` install until that has come to its end. Steps that have changed something are told to `changed`.
    ///
    /// # Errors
    /// What the host says; [`codes::HOST_RESTART`] if it has to be restarted and may not; [`codes::HOST_NOT_BACK`];
    /// [`codes::INTERRUPTED`].
    pub fn run(
        &self,
        order: &dyn Fn(&dyn Remote) -> Result<Answer>,
        changed: &mut dyn FnMut(Vec<String>),
    ) -> Result<()> {
        let (mut turn, mut restarts) = (None, 0);
        loop {
            let remote = (self.connect)()?;
            let own = Turn { host: self.host, pause: self.pause, stop: self.stop, progress: self.progress };
            let installed: Installed = own.run(order, &*remote)?.success()?.json()?;
            drop(turn.take());
            changed(installed.changed);
            let Some(step) = installed.reboot_for else { return Ok(()) };
            turn = match self.restarts {
                Restarts::No => return Err(restart_needed(self.host, &step, ELSEWHERE)),
                Restarts::Here => return Err(restart_needed(self.host, &step, HERE)),
                Restarts::AtOnce => None,
                Restarts::InTurn(turn) => Some(turn.lock().unwrap_or_else(PoisonError::into_inner)),
            };
            if restarts == RESTARTS {
                return Err(restarted_in_vain(self.host, &step));
            }
            restarts += 1;
            self.restart(&*remote)?;
        }
    }
}

/// What helps where a host has to be restarted.
const ELSEWHERE: &str = "restart it, `sudo reboot` there, drained before if need be, then run the same command again; with \
                         `--restart`, which `deploy`, `add` and `upgrade` have, that is done for you";
const HERE: &str = "it is this machine, which `--restart` does not restart, since the command would end with it: `sudo reboot`, \
                    then run the same command again";

fn restarted_in_vain(host: &str, step: &str) -> Error {
    let step = escape(step);
    let message = format!("{host} was restarted {RESTARTS} times, and wants to be again (step {step})");
    Error::new(codes::HOST_RESTART, message).with_help(format!(
        "see on {host} what the step says, `sudo airlock node status`, and at its console what keeps it"
    ))
}

fn restart_needed(host: &str, step: &str, help: &str) -> Error {
    let step = escape(step);
    let message =
        format!("{host} has to be restarted (step {step}); afterwards its installation goes on by itself");
    Error::new(codes::HOST_RESTART, message).with_help(help)
}

#[cfg(test)]
mod tests;
