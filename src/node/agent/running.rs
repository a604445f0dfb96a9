//! A command that the agent has started: what it writes becomes frames, and it ends with everything that it has started.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Frame;
use super::lines::Pieces;
use super::serve::Event;
use crate::node::machine::ENVIRONMENT;

/// A command that runs, in a process group of its own.
pub(super) struct Running {
    child: Child,
    group: Pid,
}

impl Running {
    /// Starts it. What happens to it is told to `events`: frames, twice [`Event::Closed`], and [`Event::Ended`].
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        events: &SyncSender<Event>,
    ) -> io::Result<(Running, ChildStdin)> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/");
        // Whatever the login has set, or sudo has let through, is none of its business.
        command.env_clear().envs(ENVIRONMENT);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (Some(group), Some(input), Some(output), Some(errors)) =
            (pid, child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("a process was started without its pipes"));
        };
        tell(Pieces::of(output), Frame::Output, events.clone());
        tell(Pieces::of(errors), |piece| Frame::Error(without_line_break(piece)), events.clone());
        tell_the_end(group, events.clone());
        Ok((Running { child, group }, input))
    }

    /// Sends a signal to the command and to what it has started. Only before [`Running::reap`]: until then nobody else
    /// can have its number.
    pub(super) fn signal(&self, signal: Signal) {
        // All of them may have ended just now.
        let _ = kill_process_group(self.group, signal);
    }

    /// How it has ended, as a shell tells it.
    pub(super) fn reap(mut self) -> io::Result<u8> {
        self.child.wait().map(status)
    }
}

fn status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

fn tell<R: Read + Send + 'static>(
    mut pieces: Pieces<R>,
    frame: impl Fn(String) -> Frame + Send + 'static,
    events: SyncSender<Event>,
) {
    thread::spawn(move || {
        while let Ok(Some(piece)) = pieces.next() {
            if events.send(Event::Written(frame(piece))).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Closed);
    });
}

/// Not by pidfd_open(2), which kernels before 5.3 do not have (RHEL 8).
fn tell_the_end(pid: Pid, events: SyncSender<Event>) {
    thread::spawn(move || {
        // It stays to be reaped: nobody else gets its number before.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
        let _ = events.send(Event::Ended);
    });
}

fn without_line_break(mut line: String) -> String {
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    line
}
