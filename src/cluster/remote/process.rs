//! A process at the other end of three pipes: what it says is heard line by line, for a bounded time.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use crate::node::agent::MAX_LINE;
use crate::node::agent::lines::read_line;
use crate::quote::shorten;

/// How often it is looked whether we are to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last words may take when the output is closed already.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many lines of standard error, and of output that nobody understands, are kept.
const KEPT: usize = 40;

/// A process that talks.
pub(in crate::cluster) struct Process {
    child: Child,
    /// Its standard input, until somebody takes it.
    pub(in crate::cluster) input: Option<ChildStdin>,
    heard: Receiver<Piece>,
    /// The last lines of its standard error.
    errors: Lines,
    /// The last lines of its output that were noise.
    noise: Lines,
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
    pub(in crate::cluster) fn start(mut command: Command) -> io::Result<Process> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (tell, heard) = mpsc::sync_channel(64);
        if let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) {
            tell_lines(output, tell.clone());
            tell_errors(errors, tell);
        }
        let input = child.stdin.take();
        Ok(Process { child, input, heard, errors: Lines::default(), noise: Lines::default() })
    }

    /// The next that it says, if it says something before `until`.
    pub(in crate::cluster) fn hear(&mut self, until: Instant, stop: &AtomicBool) -> Result<Heard, Nothing> {
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(rest.min(LOOK)) {
                Ok(Piece::Line(line)) => return Ok(Heard::Line(line)),
                Ok(Piece::Errors(bytes)) => {
                    self.errors.extend(&bytes);
                    return Ok(Heard::Errors(bytes));
                }
                Ok(Piece::ErrorsClosed) => {}
                Ok(Piece::OutputClosed) | Err(RecvTimeoutError::Disconnected) => return Ok(Heard::End),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                    return Err(Nothing::Stopped);
                }
                Err(RecvTimeoutError::Timeout) if rest.is_zero() => return Err(Nothing::Late),
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

    /// Ends it, if it has not ended by itself. Returns its exit status, if it was its own, and what it has said.
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
        while self.is_alive() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let status = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        LastWords { status, errors: self.errors.take(), noise: self.noise.take() }
    }

    /// Ends it at once.
    pub(in crate::cluster) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn hear_errors(&mut self, until: Instant) {
        while let Ok(piece) = self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match piece {
                Piece::Errors(bytes) => self.errors.extend(&bytes),
                Piece::ErrorsClosed => return,
                Piece::Line(_) | Piece::OutputClosed => {}
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a process has said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct LastWords {
    /// Its exit status; nothing if it had to be killed.
    pub(in crate::cluster) status: Option<i32>,
    /// The last lines of its standard error.
    pub(in crate::cluster) errors: Vec<String>,
    /// The last lines of its output that were noise.
    pub(in crate::cluster) noise: Vec<String>,
}

/// The last lines of something.
#[derive(Default)]
struct Lines {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl Lines {
    fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.finish(),
                b'\r' => {}
                // Nobody reads longer lines than this.
                byte if self.unfinished.len() < 64 * 1024 => self.unfinished.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)).into_owned();
        if !line.trim().is_empty() {
            self.lines.push_back(line);
        }
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    fn take(&mut self) -> Vec<String> {
        self.finish();
        std::mem::take(&mut self.lines).into()
    }
}

fn tell_lines(output: impl Read + Send + 'static, tell: SyncSender<Piece>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Ok(Some(mut line)) = read_line(&mut output, MAX_LINE) {
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

/// The lines of somebody else as details of an error may repeat them.
pub(in crate::cluster) fn shown(lines: &[String]) -> impl Iterator<Item = String> + '_ {
    lines.iter().rev().take(8).rev().map(|line| shorten(line, 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command).unwrap()
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
    fn nobody_waits_once_we_are_to_stop() {
        let mut process = shell("sleep 1000");
        assert_eq!(process.hear(soon(), &AtomicBool::new(true)), Err(Nothing::Stopped));
    }
}
