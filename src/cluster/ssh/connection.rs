//! A connection to one host: OpenSSH as a child of ours, which other children of ours share.
//!
//! The first `ssh` is the master. Its own session is the shell that has told what the host is; it lives as long as we
//! hold its standard input, so a killed provisioner leaves nothing behind.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::first_touch::FirstTouch;
use super::openssh::start;
use super::{Settings, failure, host_key, scripts, words};
use crate::cluster::inventory::{Host, Ssh};
use crate::cluster::remote::failure::{PROGRAM_GONE, with_words};
use crate::cluster::remote::process::{Heard, LastWords, Nothing, Process};
use crate::cluster::remote::{Failure, greet};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::secret::Secret;

/// How long to wait before a server that has turned us away is asked again.
const AGAIN: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// A host, and how OpenSSH is called for it.
pub(super) struct Caller<'a> {
    /// Which of the hosts.
    pub(super) number: u32,
    pub(super) host: &'a Host,
    pub(super) ssh: &'a Ssh,
    pub(super) settings: &'a Settings,
    /// Where the master listens.
    pub(super) control: PathBuf,
    /// A `known_hosts` of our own, if the inventory names keys.
    pub(super) known_hosts: PathBuf,
}

/// A connection that stands.
pub(super) struct Connection {
    master: Process,
    touched: FirstTouch,
    program: Digest,
    /// An agent that waits for its request already.
    prepared: Option<Process>,
}

impl Caller<'_> {
    /// Connects, brings the program there if it is missing, and starts the first agent.
    pub(super) fn connect(&self, password: Option<&Secret<String>>) -> Result<Connection> {
        let (mut master, touched) = self.reach()?;
        let program = self.settings.programs.of(&touched.machine, &self.host.name)?;
        if touched.program != Some(program.digest) {
            self.check_can_receive(&touched)?;
            self.send(program).inspect_err(|_| master.kill())?;
        }
        let mut connection = Connection { master, touched, program: program.digest, prepared: None };
        connection.prepared = Some(self.agent(&mut connection, password)?);
        Ok(connection)
    }

    /// An agent on the host, which has said hello.
    pub(super) fn agent(
        &self,
        connection: &mut Connection,
        password: Option<&Secret<String>>,
    ) -> Result<Process> {
        if let Some(mut prepared) = connection.prepared.take()
            && prepared.is_alive()
        {
            return Ok(prepared);
        }
        let prompt = format!("airlock-sudo-{}:", self.settings.mark()?);
        let sudo = (!connection.touched.is_root).then_some(prompt.as_str());
        if sudo.is_some() && !connection.touched.has_sudo {
            return Err(Error::new(
                codes::SUDO_REFUSED,
                format!("{} has no `sudo`, and the user is not root", self.host.name),
            )
            .with_help("install `sudo` on the host, or log in as root: `user: root` in the inventory"));
        }
        let process = self.session(&scripts::agent(&connection.program, sudo))?;
        let greeted = greet(process, &prompt, password, self.settings.patience, &self.settings.stop);
        greeted.map_err(|failure| self.failed(failure, Some(&mut connection.master)))
    }

    /// What has gone wrong with an agent: OpenSSH, if that was it; the master knows more than those who share it.
    pub(super) fn failed(&self, failure: Failure, master: Option<&mut Process>) -> Error {
        let Failure::Ended(mut last) = failure else { return failure.into_error(&self.host.name) };
        if last.status == Some(PROGRAM_GONE) || !matches!(last.status, Some(255) | None) {
            return Failure::Ended(last).into_error(&self.host.name);
        }
        if let Some(master) = master
            && !master.is_alive()
        {
            last.errors.extend(master.end().errors);
        }
        let error = failure::explain(&self.host.name, self.ssh, &last);
        if error.code() != codes::SSH_FAILED {
            return error;
        }
        with_words(
            Error::new(codes::HOST_LOST, format!("the connection to {} was cut", self.host.name)),
            &last,
        )
        .with_help("run the same command again; it continues where this one stopped")
    }

    /// The master, and what the host has told. A server to which many connect at the same time, such as a jump host, turns
    /// some of them away (sshd_config(5), `MaxStartups`): they come again.
    fn reach(&self) -> Result<(Process, FirstTouch)> {
        let is_turned_away =
            |error: &Error| error.details().iter().any(|line| line.contains("kex_exchange_identification"));
        for pause in AGAIN {
            match self.pin().and_then(|pinned| self.first_touch(pinned)) {
                Err(error) if is_turned_away(&error) && !is_stopped(&self.settings.stop) => {
                    // Not all of them at once.
                    thread::sleep(pause + pause * (self.number % 10) / 10);
                }
                reached => return reached,
            }
        }
        self.pin().and_then(|pinned| self.first_touch(pinned))
    }

    /// Starts the master and lets the host tell what it is.
    fn first_touch(&self, pinned: bool) -> Result<(Process, FirstTouch)> {
        let mark = format!("airlock-{}", self.settings.mark()?);
        let digests: Vec<Digest> = self.settings.programs.iter().map(|program| program.digest).collect();
        let mut command = self.command(pinned)?;
        command.args(["-o", "ControlMaster=yes"]).args(words::destination(self.ssh)?).arg(scripts::SHELL);
        let mut master = start(command)?;
        // If nobody reads it, what is heard says why.
        if let Some(input) = master.input.as_mut() {
            let _ = input.write_all(scripts::first_touch(&mark, &digests).as_bytes());
        }
        let until = Instant::now() + self.settings.patience.connect + self.settings.patience.silence;
        let mut touched = FirstTouch::default();
        loop {
            match master.hear(until, &self.settings.stop) {
                Ok(Heard::Line(line)) => match touched.take(&mark, &String::from_utf8_lossy(&line)) {
                    Some(true) => return Ok((master, touched)),
                    Some(false) => {}
                    None => master.ignore(&line),
                },
                Ok(Heard::Errors(_)) => {}
                Ok(Heard::End) => return Err(self.refused(&master.end())),
                Err(Nothing::Late) => return Err(self.hangs(&master.end())),
                Err(Nothing::Stopped) => return Err(Failure::Stopped.into_error(&self.host.name)),
            }
        }
    }

    fn refused(&self, last: &LastWords) -> Error {
        // A jump host says the same about its own key.
        if failure::is_of_jump(&last.errors) {
            return failure::explain(&self.host.name, self.ssh, last);
        }
        if host_key::is_changed(last) {
            return host_key::changed(self.host, last);
        }
        if host_key::is_unknown(last) {
            return match self.offered("default", None) {
                Ok(offered) => host_key::unknown(self.host, &offered),
                Err(error) => error,
            };
        }
        failure::explain(&self.host.name, self.ssh, last)
    }

    fn hangs(&self, last: &LastWords) -> Error {
        let message = format!(
            "{} ({}) accepts the connection and then says nothing",
            self.host.name,
            words::shown(self.ssh)
        );
        let help = "the host hangs, its disk or network file system does, or the start-up files of the user's shell wait for something: try `ssh` by hand";
        with_words(Error::new(codes::HOST_LOST, message).with_help(help), last)
    }

    /// Waits for the end of a process that has nothing to say.
    pub(super) fn end_of(&self, process: &mut Process, deadline: Duration) -> Result<LastWords> {
        let until = Instant::now() + deadline;
        loop {
            match process.hear(until, &self.settings.stop) {
                Ok(Heard::Line(line)) => process.ignore(&line),
                Ok(Heard::Errors(_)) => {}
                Ok(Heard::End) => return Ok(process.end()),
                Err(Nothing::Late) => return Err(self.hangs(&process.end())),
                Err(Nothing::Stopped) => return Err(Failure::Stopped.into_error(&self.host.name)),
            }
        }
    }
}

impl Connection {
    /// Whether it still stands.
    pub(super) fn is_alive(&mut self) -> bool {
        self.master.is_alive()
    }

    /// The master, which knows why a connection has ended.
    pub(super) fn master(&mut self) -> &mut Process {
        &mut self.master
    }
}

/// Whether everything is to stop.
pub(super) fn is_stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
