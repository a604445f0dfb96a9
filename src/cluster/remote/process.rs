//! A process at the other end of three connections: what it says is heard line by line, for a bounded time.

mod input;
mod lines;

use std::io::{self, BufReader, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

pub(in crate::cluster) use self::input::Input;
use self::lines::Lines;
pub(in crate::cluster) use self::lines::{LastWords, shown};
use crate::node::agent::MAX_FRAME;
use crate::node::agent::lines::read_line;

/// How often it is looked whether we are to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last words may take when the output is closed already.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many lines and pieces wait to be heard. Together with [`MAX_FRAME`] the memory that somebody can take who says
/// much at once.
const WAITING: usize = 16;

/// A process that talks.
pub(in crate::cluster) struct Process {
    child: Child,
    ending: Ending,
    /// Our ends of its standard input and output.
    connections: [UnixStream; 2],
    /// Its standard input, until somebody takes it.
    pub(in crate::cluster) input: Option<Input>,
    heard: Receiver<Piece>,
    /// The last lines of its standard error.
    errors: Lines,
    /// The last lines of its output that were noise.
    noise: Lines,
}

/// How a process is ended that is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Ending {
    /// It is killed: it is nothing but a connection, and the other end sees that it is gone.
    Kill,
    /// It sees that nobody listens any more. It has started something that has to end in order, and may not be ours to
    /// kill, since it has become root.
    HangUp,
}

enum Piece {
    Line(Vec<u8>),
    Errors(Vec<u8>),
    OutputClosed,
    ErrorsClosed,
}

/// What is heard of a process.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Heard {
    /// A line of its output, without its line break.
    Line(Vec<u8>),
    /// A piece of its standard error.
    Errors(Vec<u8>),
    /// It says nothing any more.
    End,
}

/// Why nothing is heard.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Nothing {
    /// The time is over.
    Late,
    /// We are to stop.
    Stopped,
}

impl Process {
    /// Starts it.
    pub(in crate::cluster) fn start(mut command: Command, ending: Ending) -> io::Result<Process> {
        // Unlike pipes they can be closed while somebody else reads or writes.
        let [(input, theirs), (output, their_output), (errors, their_errors)] =
            [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
        command.stdin(end(theirs)).stdout(end(their_output)).stderr(end(their_errors));
        let connections = [input.try_clone()?, output.try_clone()?];
        let child = command.spawn()?;
        // The command still holds the ends of the process, whose own ends would not be the last ones.
        drop(command);
        let (tell, heard) = mpsc::sync_channel(WAITING);
        tell_lines(output, tell.clone());
        tell_errors(errors, tell);
        let (errors, noise) = Default::default();
        Ok(Process { child, ending, connections, input: Some(Input::of(input)), heard, errors, noise })
    }

    /// The next that it says, if it says something before `until`.
    pub(in crate::cluster) fn hear(&mut self, until: Instant, stop: &AtomicBool) -> Result<Heard, Nothing> {
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            // Also while it says something all the time.
            if stop.load(Ordering::Relaxed) {
                return Err(Nothing::Stopped);
            }
            if rest.is_zero() {
                return Err(Nothing::Late);
            }
            match self.heard.recv_timeout(rest.min(LOOK)) {
                Ok(Piece::Line(line)) => return Ok(Heard::Line(line)),
                Ok(Piece::Errors(bytes)) => {
                    self.errors.extend(&bytes);
                    return Ok(Heard::Errors(bytes));
                }
                Ok(Piece::ErrorsClosed) => {}
                Ok(Piece::OutputClosed) | Err(RecvTimeoutError::Disconnected) => return Ok(Heard::End),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Keeps a line of output that nobody understands.
    pub(in crate::cluster) fn ignore(&mut self, line: &[u8]) {
        self.noise.extend(line);
        self.noise.extend(b"\n");
    }

    /// Whether it has not ended yet.
    pub(in crate::cluster) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Closes its input and waits a moment for its end. Returns its exit status, if it has ended, and what it has said.
    pub(in crate::cluster) fn end(&mut self) -> LastWords {
        self.input = None;
        let until = Instant::now() + LAST_WORDS;
        let unstopped = AtomicBool::new(false);
        // What it has said until now is wanted; what goes on for ever is not.
        while let Ok(heard) = self.hear(until, &unstopped) {
            match heard {
                Heard::Line(line) => self.ignore(&line),
                Heard::Errors(_) => {}
                Heard::End => break,
            }
        }
        self.hear_errors(until);
        self.wait(until);
        let status = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        LastWords { status, errors: self.errors.take(), noise: self.noise.take() }
    }

    /// Ends it. Whoever writes to it, or hears it, goes on at once.
    pub(in crate::cluster) fn kill(&mut self) {
        for connection in &self.connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
        match self.ending {
            Ending::Kill => {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            Ending::HangUp => self.wait(Instant::now() + LAST_WORDS),
        }
    }

    fn wait(&mut self, until: Instant) {
        while self.is_alive() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn hear_errors(&mut self, until: Instant) {
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            match self.heard.recv_timeout(rest) {
                Ok(Piece::Errors(bytes)) => self.errors.extend(&bytes),
                Ok(Piece::Line(_) | Piece::OutputClosed) => {}
                Ok(Piece::ErrorsClosed) | Err(_) => return,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of a process.
fn end(connection: UnixStream) -> Stdio {
    Stdio::from(OwnedFd::from(connection))
}

fn tell_lines(output: impl Read + Send + 'static, tell: SyncSender<Piece>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Ok(Some(mut line)) = read_line(&mut output, MAX_FRAME) {
            line.pop_if(|byte| *byte == b'\n');
            if tell.send(Piece::Line(line)).is_err() {
                return;
            }
        }
        let _ = tell.send(Piece::OutputClosed);
    });
}

fn tell_errors(mut errors: impl Read + Send + 'static, tell: SyncSender<Piece>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = errors.read(&mut buffer) {
            if tell.send(Piece::Errors(buffer[..count].to_vec())).is_err() {
                return;
            }
        }
        let _ = tell.send(Piece::ErrorsClosed);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command, Ending::Kill).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn what_it_says_is_heard_and_its_last_words_are_kept() {
        let mut process = shell("echo one; read x; echo 'no way' >&2; exit 3");
        let go_on = AtomicBool::new(false);
        assert_eq!(process.hear(soon(), &go_on), Ok(Heard::Line(b"one".to_vec())));
        assert_eq!(process.hear(Instant::now(), &go_on), Err(Nothing::Late));
        process.ignore(b"one");
        assert!(process.is_alive());
        let last = process.end();
        assert_eq!(
            (last.status, last.errors, last.noise),
            (Some(3), vec!["no way".to_owned()], vec!["one".to_owned()])
        );
    }

    #[test]
    fn who_never_ends_talking_is_not_listened_to_for_ever() {
        let go_on = AtomicBool::new(false);
        let mut process = shell("while :; do echo x; echo y >&2; done");
        let until = Instant::now() + Duration::from_millis(100);
        while process.hear(until, &go_on).is_ok() {}
        assert_eq!(process.hear(soon(), &AtomicBool::new(true)), Err(Nothing::Stopped));
        assert_eq!(process.end().status, None);
    }

    #[test]
    fn no_line_takes_more_memory_than_a_frame() {
        let mut process = shell("head -c 3000000 /dev/zero");
        let Ok(Heard::Line(line)) = process.hear(soon(), &AtomicBool::new(false)) else { panic!() };
        assert_eq!(line.len(), MAX_FRAME);
    }

    #[test]
    fn who_is_hung_up_on_ends_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (begun, ended) = (directory.path().join("begun"), directory.path().join("ended"));
        let script = format!("touch {}; read x; touch {}", begun.display(), ended.display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        let mut process = Process::start(command, Ending::HangUp).unwrap();
        while !begun.exists() {
            thread::yield_now();
        }
        process.kill();
        assert!(ended.exists(), "it was killed");
    }

    #[test]
    fn nobody_waits_once_we_are_to_stop() {
        let mut process = shell("sleep 1000");
        assert_eq!(process.hear(soon(), &AtomicBool::new(true)), Err(Nothing::Stopped));
    }
}
