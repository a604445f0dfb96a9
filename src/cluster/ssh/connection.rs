//! A connection to one host: OpenSSH as a child of ours, which other children of ours share.
//!
//! The first `ssh` is the master. Its own session is the shell that has told what the host is; it lives as long as we
//! hold its standard input, so a killed provisioner leaves nothing behind.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::first_touch::FirstTouch;
use super::host_key::{self, KINDS, Offered};
use super::program::Program;
use super::{Settings, failure, scripts, words};
use crate::cluster::inventory::{Host, Ssh};
use crate::cluster::remote::failure::{PROGRAM_GONE, with_words};
use crate::cluster::remote::process::{Heard, LastWords, Nothing, Process};
use crate::cluster::remote::{Failure, greet};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::progress::Event;
use crate::secret::Secret;

/// How long the program may take on its way to a host.
const TRANSFER: Duration = Duration::from_secs(30 * 60);

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

/// A host, and how OpenSSH is called for it.
pub(super) struct Caller<'a> {
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
        let pinned = self.pin()?;
        let (mut master, touched) = self.first_touch(pinned)?;
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

    /// Makes the `known_hosts` of our own if the inventory names keys of the host. False if it names none.
    fn pin(&self) -> Result<bool> {
        if self.ssh.host_keys.is_empty() {
            return Ok(false);
        }
        let mut seen = Vec::new();
        let mut failure = None;
        for (number, kind) in KINDS.iter().enumerate() {
            match self.offered(&number.to_string(), Some(kind)) {
                Ok(offered) => seen.extend(offered),
                // It may just have no key of this kind.
                Err(error) if error.code() == codes::SSH_FAILED => failure = Some(error),
                Err(error) => return Err(error),
            }
            if let Some(key) = seen.iter().find(|key| self.ssh.host_keys.contains(&key.fingerprint)) {
                write(&self.known_hosts, &format!("{}\n", key.line))?;
                return Ok(true);
            }
        }
        match failure {
            Some(error) if seen.is_empty() => Err(error),
            _ => Err(host_key::not_in_inventory(self.host, &self.ssh.host_keys, &seen)),
        }
    }

    /// The keys that the host shows to somebody who does not log in.
    fn offered(&self, name: &str, kind: Option<&str>) -> Result<Vec<Offered>> {
        let file = self.known_hosts.with_extension(name);
        let mut command = self.settings.openssh();
        let accepting =
            ["StrictHostKeyChecking=accept-new", "HashKnownHosts=no", "PreferredAuthentications=none"];
        options(
            &mut command,
            accepting.into_iter().chain([
                "ControlMaster=no",
                "ControlPath=none",
                "GlobalKnownHostsFile=/dev/null",
            ]),
        );
        command.arg("-o").arg(option("UserKnownHostsFile=", &file));
        if let Some(kind) = kind {
            command.args(["-o", &format!("HostKeyAlgorithms={kind}")]);
        }
        self.usual(&mut command);
        command.args(words::destination(self.ssh)?).arg("exit");
        let mut process = start(command)?;
        let last =
            self.end_of(&mut process, self.settings.patience.connect + self.settings.patience.silence)?;
        let known = fs_err::read_to_string(&file).unwrap_or_default();
        let _ = fs_err::remove_file(&file);
        let offered: Vec<Offered> = known.lines().filter_map(host_key::parse).collect();
        match offered.is_empty() {
            true => Err(failure::explain(&self.host.name, self.ssh, &last)),
            false => Ok(offered),
        }
    }

    fn check_can_receive(&self, touched: &FirstTouch) -> Result<()> {
        if touched.has_sha256sum {
            return Ok(());
        }
        Err(Error::new(
            codes::HOST_PROGRAM,
            format!("{} has no `sha256sum`, so nothing can be brought there safely", self.host.name),
        )
        .with_help("install the package `coreutils` on the host"))
    }

    /// Sends the program.
    fn send(&self, program: &Program) -> Result<()> {
        let name = &self.host.name;
        let note = format!("{name}: airlock is copied there, {}", mebibytes(program.size));
        self.settings.progress.event(Event::Note { text: &note });
        let mut file = fs_err::File::open(&program.path).map_err(|error| unreadable(program, error))?;
        let mut process = self.session(&scripts::receive(program))?;
        let mut pipe = process.input.take();
        let (last, copied) = thread::scope(|scope| {
            // When the pipe is closed, the other side has all of it. Whoever does not read it says why.
            let pump = scope.spawn(move || pipe.take().map_or(Ok(0), |mut pipe| copy(&mut file, &mut pipe)));
            let last = self.end_of(&mut process, TRANSFER);
            process.kill();
            (last, pump.join())
        });
        let last = last?;
        match (last.status, copied) {
            (_, Ok(Err(error))) => Err(unreadable(program, error)),
            (Some(0), _) => Ok(()),
            (Some(255) | None, _) => Err(self.failed(Failure::Ended(last), None)),
            (Some(scripts::NO_PLACE), _) => Err(with_words(Error::new(codes::HOST_PROGRAM, format!("{name} has no place for the program ({})", mebibytes(program.size))), &last)
                .with_help("the home of the user, `/var/tmp`, `/run/user` and `/tmp` are full, read-only or `noexec`: make room, or mount one of them with `exec`")),
            _ => Err(with_words(Error::new(codes::HOST_PROGRAM, format!("the program was damaged on its way to {name}")), &last)
                .with_help("see whether the disk of the host is full or broken (`df -h`, `dmesg`); then run the same command again")),
        }
    }

    /// Waits for the end of a process that has nothing to say.
    fn end_of(&self, process: &mut Process, deadline: Duration) -> Result<LastWords> {
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

    /// Another session of the connection.
    fn session(&self, script: &str) -> Result<Process> {
        let mut command = self.command(!self.ssh.host_keys.is_empty())?;
        command.args(["-o", "ControlMaster=no"]).args(words::destination(self.ssh)?).arg(script);
        start(command)
    }

    fn command(&self, pinned: bool) -> Result<process::Command> {
        let mut command = self.settings.openssh();
        command.arg("-o").arg(option("ControlPath=", &self.control));
        if pinned {
            command.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "VerifyHostKeyDNS=no"]);
            command.arg("-o").arg(option("UserKnownHostsFile=", &self.known_hosts));
        }
        self.usual(&mut command);
        Ok(command)
    }

    fn usual(&self, command: &mut process::Command) {
        let patience = self.settings.patience;
        let alive = (patience.silence.as_secs() / 3).max(1);
        options(command, OPTIONS);
        command.args(["-o", &format!("ServerAliveInterval={alive}")]);
        command.args(["-o", &format!("ConnectTimeout={}", patience.connect.as_secs().max(1))]);
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

fn options(command: &mut process::Command, options: impl IntoIterator<Item = &'static str>) {
    for option in options {
        command.args(["-o", option]);
    }
}

/// An option with the name of a file: `%` begins a token there, and blanks separate several files (ssh_config(5)).
fn option(name: &str, file: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push("\"");
    option.push(OsStr::new(&file.to_string_lossy().replace('%', "%%")));
    option.push("\"");
    option
}

fn start(command: process::Command) -> Result<Process> {
    Process::start(command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(codes::SSH_MISSING, "there is no `ssh` on this machine")
            .with_help("install it: `apt-get install openssh-client`, `dnf install openssh-clients`"),
        _ => Error::new(codes::SSH_FAILED, "`ssh` cannot be started on this machine")
            .with_help("see what keeps it: try it by hand, and `ulimit -a`")
            .with_source(error),
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs_err::write(path, text).map_err(|error| {
        Error::new(codes::SSH_FAILED, "the host key cannot be kept in a temporary file")
            .with_help("see whether the disk of this machine is full: `df -h`")
            .with_source(error)
    })
}

/// Copies until the end. Errors of reading are errors; those of writing show at the other side.
fn copy(file: &mut fs_err::File, pipe: &mut impl io::Write) -> io::Result<u64> {
    use std::io::Read as _;
    let (mut buffer, mut total) = (vec![0; 128 * 1024], 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 || pipe.write_all(&buffer[..count]).is_err() {
            return Ok(total);
        }
        total += count as u64;
    }
}

fn unreadable(program: &Program, error: io::Error) -> Error {
    Error::new(codes::HOST_PROGRAM, format!("the program `{}` cannot be read", program.path.display()))
        .with_help("name the file of an airlock program by `--program FILE`")
        .with_source(error)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// Whether everything is to stop.
pub(super) fn is_stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
