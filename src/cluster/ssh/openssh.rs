//! How OpenSSH is called.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process;

use super::connection::Caller;
use super::words;
use crate::cluster::remote::process::{Ending, Process};
use crate::error::{Error, Result, codes};

/// What OpenSSH is told besides what the user has configured. The first value of an option counts, so these do.
const OPTIONS: [&str; 16] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ConnectionAttempts=1",
    "ServerAliveCountMax=3",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "Tunnel=no",
    "ControlPersist=no",
    "VisualHostKey=no",
    "LogLevel=INFO",
    "EscapeChar=none",
];

impl Caller<'_> {
    /// Another session of the connection.
    pub(super) fn session(&self, script: &str) -> Result<Process> {
        let mut command = self.command(!self.ssh.host_keys.is_empty())?;
        command.args(["-o", "ControlMaster=no"]).args(words::destination(self.ssh)?).arg(script);
        start(command)
    }

    /// OpenSSH for this host, over the connection that there is, or as its master.
    pub(super) fn command(&self, pinned: bool) -> Result<process::Command> {
        let mut command = self.settings.openssh();
        command.arg("-o").arg(option("ControlPath=", &self.control));
        if pinned {
            command.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "VerifyHostKeyDNS=no"]);
            command.arg("-o").arg(option("UserKnownHostsFile=", &self.known_hosts));
        }
        self.usual(&mut command);
        Ok(command)
    }

    /// What it is told for every host.
    pub(super) fn usual(&self, command: &mut process::Command) {
        let patience = self.settings.patience;
        let alive = (patience.silence.as_secs() / 3).max(1);
        options(command, OPTIONS);
        command.args(["-o", &format!("ServerAliveInterval={alive}")]);
        command.args(["-o", &format!("ConnectTimeout={}", patience.connect.as_secs().max(1))]);
    }
}

/// Adds options (`-o`).
pub(super) fn options(command: &mut process::Command, options: impl IntoIterator<Item = &'static str>) {
    for option in options {
        command.args(["-o", option]);
    }
}

/// An option with the name of a file: `%` begins a token there, and blanks separate several files (ssh_config(5)).
pub(super) fn option(name: &str, file: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push("\"");
    option.push(OsStr::new(&file.to_string_lossy().replace('%', "%%")));
    option.push("\"");
    option
}

/// Starts OpenSSH.
pub(super) fn start(command: process::Command) -> Result<Process> {
    Process::start(command, Ending::Kill).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(codes::SSH_MISSING, "there is no `setsid` on this machine")
            .with_help("install it, for `ssh` without a terminal: `apt-get install util-linux`, `dnf install util-linux`"),
        _ => Error::new(codes::SSH_FAILED, "`ssh` cannot be started on this machine")
            .with_help("see what keeps it: try it by hand, and `ulimit -a`")
            .with_source(error),
    })
}
