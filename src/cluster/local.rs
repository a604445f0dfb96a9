//! The machine on which the command runs, as one of the hosts: the same agent, without a connection in between.

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::remote::process::{Ending, Process};
use super::remote::{Answer, Command, Failure, Patience, Remote, greet, talk};
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// What `sudo` asks; nobody else writes it.
const PROMPT: &str = "airlock-asks-for-the-sudo-password:";

/// This machine.
pub struct Local {
    /// The name of the host in the inventory.
    pub name: String,
    /// This program.
    pub program: PathBuf,
    /// For `sudo`, if it asks. Root needs none.
    pub sudo_password: Option<Secret<String>>,
    /// How long it may say nothing.
    pub patience: Patience,
    /// Whether everything is to stop.
    pub stop: Arc<AtomicBool>,
}

impl Local {
    fn agent(&self) -> process::Command {
        const ARGUMENTS: [&str; 3] = ["--json", "node", "agent"];
        if rustix::process::geteuid().is_root() {
            let mut agent = process::Command::new(&self.program);
            agent.args(ARGUMENTS);
            return agent;
        }
        let mut sudo = process::Command::new("sudo");
        sudo.args(["-S", "-p", PROMPT, "--"]).arg(&self.program).args(ARGUMENTS).env("LC_ALL", "C");
        sudo
    }
}

impl Remote for Local {
    fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
        let process = Process::start(self.agent(), Ending::HangUp).map_err(|error| {
            Error::new(
                codes::SUDO_REFUSED,
                "this machine cannot work as one of the hosts: `sudo` cannot be started",
            )
            .with_help("install `sudo`, or run the command as root")
            .with_source(error)
        })?;
        let work = |process| -> Result<Answer, Failure> {
            let mut process = greet(process, PROMPT, self.sudo_password.as_ref(), self.patience, &self.stop)?;
            talk(&mut process, command, listen, self.patience, &self.stop)
        };
        work(process).map_err(|failure| failure.into_error(&self.name))
    }
}
