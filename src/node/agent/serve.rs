//! Serves one request: starts the command, passes on what goes in and out, and ends it when nobody listens any more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use serde::Serialize;

use super::files::Files;
use super::lines::read_line;
use super::running::Running;
use super::{ALIVE, Frame, Hello, MAX_REQUEST, Program, Request, VERSION};
use crate::error::{Error, Result, codes};

/// How long a command may take to end in order before it is killed.
const GRACE: Duration = Duration::from_secs(120);

/// How long the rest of the output may take when the command has ended: a daemon that it has started may keep it open.
const LINGER: Duration = Duration::from_secs(2);

/// How many frames wait while the connection is slow.
const WAITING: usize = 64;

/// What the agent hears.
pub(super) enum Event {
    /// Of the other end: what is to be run, nothing if it has gone without a wish.
    Asked(Option<Request>),
    /// Of the other end: something else than a request.
    Garbage(Error),
    /// The command has written something.
    Written(Frame),
    /// One of the two outputs of the command is closed.
    Closed,
    /// The command has ended.
    Ended,
    /// Nobody listens any more.
    Gone,
    /// We are to stop.
    Stop,
}

/// Where the agent finds what it needs.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The program that is [`Program::Airlock`].
    pub airlock: PathBuf,
    /// The program that is [`Program::K3s`].
    pub k3s: PathBuf,
    /// Where files of requests are kept while the command runs: `/run`.
    pub runtime: PathBuf,
}

/// The agent.
pub struct Agent {
    surroundings: Surroundings,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
}

/// Stops an agent, from any thread.
#[derive(Clone)]
pub struct Stopper(SyncSender<Event>);

impl Stopper {
    /// Asks it to end its command and itself.
    pub fn stop(&self) {
        let _ = self.0.send(Event::Stop);
    }
}

impl Agent {
    /// An agent that does not work yet.
    pub fn new(surroundings: Surroundings) -> Agent {
        let (sender, events) = mpsc::sync_channel(WAITING);
        Agent { surroundings, sender, events }
    }

    /// Whatever stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.sender.clone())
    }

    /// Says hello, waits for a request, and serves it to its end.
    ///
    /// # Errors
    /// [`codes::AGENT_REQUEST`] if what comes is no request, [`codes::NODE_PROGRAM_MISSING`] and
    /// [`codes::NODE_PROGRAM`] if its program cannot be started, [`codes::HOST_LOST`] if the other end has gone.
    pub fn serve(self, input: impl Read + Send + 'static, mut output: impl Write + AsFd) -> Result<()> {
        say(&mut output, &Hello { version: VERSION })?;
        watch(output.as_fd().try_clone_to_owned().map_err(gone)?, self.sender.clone());
        let feed = listen(input, self.sender.clone());
        let request = match self.events.recv() {
            Ok(Event::Asked(Some(request))) => request,
            Ok(Event::Garbage(error)) => return Err(error),
            _ => return Ok(()),
        };
        let files = Files::of(&request, &self.surroundings.runtime)?;
        let (program, arguments) = self.surroundings.command(request, &files);
        let (running, pipe) =
            Running::start(program, &arguments, &self.sender).map_err(|error| not_started(program, error))?;
        let _ = feed.send(pipe);
        self.accompany(running, &mut output)
    }

    /// Passes on what the command writes until it has ended, or ends it.
    fn accompany(&self, running: Running, output: &mut impl Write) -> Result<()> {
        let mut has_ended = false;
        let told = self.tell(output, &mut has_ended);
        if told.is_err() && !has_ended {
            self.end(&running);
        }
        let status = running.reap().map_err(gone)?;
        told?;
        say(output, &Frame::Exit(status))
    }

    /// Until the command has ended, and has nothing more to say.
    fn tell(&self, output: &mut impl Write, has_ended: &mut bool) -> Result<()> {
        let (mut open, mut patience) = (2, ALIVE);
        while open > 0 || !*has_ended {
            let asked = Instant::now();
            let event = self.events.recv_timeout(patience);
            if *has_ended {
                // A daemon that goes on writing is not waited for again and again. Slow connections do not count.
                patience = patience.saturating_sub(asked.elapsed());
            }
            match event {
                Ok(Event::Written(frame)) => say(output, &frame)?,
                Ok(Event::Closed) => open -= 1,
                Ok(Event::Ended) => (*has_ended, patience) = (true, LINGER),
                Ok(Event::Gone) => return Err(gone(io::ErrorKind::BrokenPipe.into())),
                Ok(Event::Stop) => return Err(Error::new(codes::INTERRUPTED, "the agent was stopped")),
                Ok(Event::Asked(_) | Event::Garbage(_)) => {}
                Err(RecvTimeoutError::Timeout) if *has_ended => return Ok(()),
                Err(_) => say(output, &Frame::Alive)?,
            }
        }
        Ok(())
    }

    /// Asks the command to end, and waits for it; in the end it is killed.
    fn end(&self, running: &Running) {
        running.signal(Signal::TERM);
        let deadline = Instant::now() + GRACE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended) => return,
                Ok(_) => {}
                Err(_) => return running.signal(Signal::KILL),
            }
        }
    }
}

impl Surroundings {
    fn command(&self, request: Request, files: &Files) -> (&Path, Vec<String>) {
        let mut arguments: Vec<String> =
            request.arguments.into_iter().map(|word| files.resolve(word)).collect();
        match request.program {
            Program::K3s => (&self.k3s, arguments),
            Program::Airlock => {
                if !arguments.iter().any(|word| word == "--json") {
                    arguments.insert(0, "--json".to_owned());
                }
                (&self.airlock, arguments)
            }
        }
    }
}

/// Reads the request, then passes the rest on to the pipe that comes through the channel.
fn listen(input: impl Read + Send + 'static, events: SyncSender<Event>) -> mpsc::Sender<ChildStdin> {
    let (feed, pipe) = mpsc::channel::<ChildStdin>();
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        let event = request(&mut input).map_or_else(Event::Garbage, Event::Asked);
        let _ = events.send(event);
        if let Ok(mut pipe) = pipe.recv() {
            // A command that does not read what it is given shows in its status.
            let _ = pour(&mut input, &mut pipe);
        }
    });
    feed
}

/// As `io::copy` does it, but never by splice(2): that holds the pipe while it waits for input, and then a command that
/// ends without having read its own cannot end.
fn pour(input: &mut impl BufRead, pipe: &mut impl Write) -> io::Result<()> {
    loop {
        let bytes = match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        pipe.write_all(bytes)?;
        let count = bytes.len();
        input.consume(count);
    }
}

fn request(input: &mut impl BufRead) -> Result<Option<Request>> {
    let Some(line) = read_line(input, MAX_REQUEST).map_err(gone)? else { return Ok(None) };
    if !line.ends_with(b"\n") {
        return Err(not_a_request("it does not end with a line break".to_owned()));
    }
    let request = serde_json::from_slice(&line);
    request.map(Some).map_err(|error| not_a_request("it cannot be read".to_owned()).with_source(error))
}

/// Tells when nobody reads the output any more: then both ends of a pipe or socket know it at once.
fn watch(output: OwnedFd, events: SyncSender<Event>) {
    thread::spawn(move || {
        while poll(&mut [PollFd::new(&output, PollFlags::empty())], None) == Err(Errno::INTR) {}
        let _ = events.send(Event::Gone);
    });
}

fn say(output: &mut impl Write, line: &impl Serialize) -> Result<()> {
    let mut write = || -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()
    };
    write().map_err(gone)
}

fn gone(error: io::Error) -> Error {
    Error::new(codes::HOST_LOST, "the connection to `airlock cluster` is gone")
        .with_help("run the same command of `airlock cluster` again; it continues where this one stopped")
        .with_source(error)
}

pub(super) fn not_a_request(why: String) -> Error {
    Error::new(codes::AGENT_REQUEST, "what the agent reads is no request").with_detail(why).with_help(
        "`airlock node agent` is started by `airlock cluster`, not by hand; both must be of the same version",
    )
}

fn not_started(program: &Path, error: io::Error) -> Error {
    let program = program.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(codes::NODE_PROGRAM_MISSING, format!("there is no `{program}` on this host"))
                .with_help("the host is no node yet, or was reset: `airlock cluster deploy` makes it one")
        }
        _ => Error::new(codes::NODE_PROGRAM, format!("`{program}` could not be run"))
            .with_help(
                "see what keeps it: run it by hand, and look at `dmesg`; then run the same command again",
            )
            .with_source(error),
    }
}

#[cfg(test)]
mod tests;
