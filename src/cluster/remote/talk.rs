//! Our end of the connection to an agent that has said hello: one command.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::process::{Heard, Input, LastWords, Nothing, Process};
use super::{Answer, Command, LAST_LINES};
use crate::node::agent::Frame;

/// Longest standard output of a command, in bytes.
const MAX_OUTPUT: usize = 64 * 1024 * 1024;

/// How long somebody may say nothing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection is there.
    pub connect: Duration,
    /// Until the next sign of life of a host that has let us in.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { connect: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// Why an agent does not say hello, or says nothing any more.
#[derive(Debug)]
pub(in crate::cluster) enum Failure {
    /// It has ended, and this is what was said.
    Ended(LastWords),
    /// It does not say anything.
    Silent(LastWords),
    /// sudo wants a password, and there is none.
    PasswordMissing,
    /// sudo wants another password.
    PasswordWrong,
    /// The agent is of another version of the program.
    Version(u32),
    /// It says what an agent does not say.
    Garbage(Vec<u8>),
    /// The command has taken too long.
    Deadline(Duration),
    /// We are to stop.
    Stopped,
    /// What the command was to read cannot be read.
    Input(io::Error),
    /// The command says more than anybody wants to know.
    TooMuch,
}

/// Has the agent run a command and waits for its end.
pub(in crate::cluster) fn talk(
    process: &mut Process,
    command: Command<'_>,
    listen: &mut dyn FnMut(&str),
    patience: Patience,
    stop: &AtomicBool,
) -> Result<Answer, Failure> {
    let mut request = serde_json::to_vec(&command.request).map_err(|error| Failure::Input(error.into()))?;
    request.push(b'\n');
    let (pipe, broken) = (process.input.take(), AtomicBool::new(false));
    let Command { input, deadline, .. } = command;
    let (told, poured) = thread::scope(|scope| {
        let pump = scope.spawn(|| pipe.map_or(Ok(()), |pipe| pour(&request, input, pipe, &broken)));
        let told = hear_out(process, deadline, listen, patience, [stop, &broken]);
        // A command that has ended without reading all of its input leaves the pump at a full pipe.
        process.kill();
        (told, pump.join())
    });
    match (told, poured) {
        // A command that has ended before did not need the rest.
        (Err(_), Ok(Err((error, _)))) => Err(Failure::Input(error)),
        (told, _) => told,
    }
}

/// Listens until the command has ended.
fn hear_out(
    process: &mut Process,
    deadline: Duration,
    listen: &mut dyn FnMut(&str),
    patience: Patience,
    [stop, broken]: [&AtomicBool; 2],
) -> Result<Answer, Failure> {
    let end = Instant::now() + deadline;
    let mut answer = Answer { status: 0, output: String::new(), errors: Vec::new() };
    while !broken.load(Ordering::Relaxed) {
        let until = end.min(Instant::now() + patience.silence);
        match process.hear(until, stop) {
            Ok(Heard::Line(line)) => {
                if let Some(status) = answer.take(line, listen)? {
                    return Ok(Answer { status, ..answer });
                }
            }
            Ok(Heard::Errors(_)) => {}
            Ok(Heard::End) => return Err(Failure::Ended(process.end())),
            Err(Nothing::Late) if Instant::now() >= end => return Err(Failure::Deadline(deadline)),
            Err(Nothing::Late) => return Err(Failure::Silent(process.end())),
            Err(Nothing::Stopped) => return Err(Failure::Stopped),
        }
    }
    Err(Failure::Stopped)
}

impl Answer {
    /// Takes a line of the agent; the exit status, once it comes.
    fn take(&mut self, line: Vec<u8>, listen: &mut dyn FnMut(&str)) -> Result<Option<u8>, Failure> {
        match serde_json::from_slice(&line) {
            Ok(Frame::Exit(status)) => return Ok(Some(status)),
            Ok(Frame::Alive) => {}
            Ok(Frame::Output(text)) if self.output.len() + text.len() > MAX_OUTPUT => {
                return Err(Failure::TooMuch);
            }
            Ok(Frame::Output(text)) => self.output += &text,
            Ok(Frame::Error(line)) => {
                listen(&line);
                if self.errors.len() == LAST_LINES {
                    self.errors.remove(0);
                }
                self.errors.push(line);
            }
            Err(_) => return Err(Failure::Garbage(line)),
        }
        Ok(None)
    }
}

/// Writes the request, and then what the command reads. An input that breaks off keeps the pipe open: its end would
/// look as if that was all.
fn pour(
    request: &[u8],
    input: Option<&mut (dyn Read + Send)>,
    mut pipe: Input,
    broken: &AtomicBool,
) -> Result<(), (io::Error, Input)> {
    // Whoever does not read any more says why on its other pipes.
    if pipe.write_all(request).is_err() {
        return Ok(());
    }
    let Some(input) = input else { return Ok(()) };
    let mut buffer = Zeroizing::new(vec![0; 128 * 1024]);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if pipe.write_all(&buffer[..count]).is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                broken.store(true, Ordering::Relaxed);
                return Err((error, pipe));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process;

    use super::super::process::Ending;
    use super::*;

    pub(crate) const PATIENCE: Patience =
        Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(20) };
    pub(crate) static GO_ON: AtomicBool = AtomicBool::new(false);

    /// A process that may say what an agent says.
    pub(crate) fn agent(script: &str) -> Process {
        let mut command = process::Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command, Ending::Kill).unwrap()
    }

    fn answered(frames: &str) -> Result<(Answer, Vec<String>), Failure> {
        let mut heard = Vec::new();
        let mut process = agent(&format!("cat <<'END'\n{frames}\nEND\ncat >/dev/null"));
        let command = Command::airlock(["x"]);
        let answer = talk(&mut process, command, &mut |line| heard.push(line.to_owned()), PATIENCE, &GO_ON);
        answer.map(|answer| (answer, heard))
    }

    #[test]
    fn an_answer_is_put_together_from_frames() {
        let frames =
            "{\"output\":\"{\\n\"}\n\"alive\"\n{\"error\":\"note\"}\n{\"output\":\"}\"}\n{\"exit\":9}";
        let (answer, heard) = answered(frames).unwrap();
        assert_eq!((answer.status, answer.output.as_str()), (9, "{\n}"));
        assert_eq!((answer.errors, heard), (vec!["note".to_owned()], vec!["note".to_owned()]));
        assert!(matches!(answered("{\"shell\":\"x\"}"), Err(Failure::Garbage(_))));
    }

    #[test]
    fn who_does_not_end_or_does_not_live_is_not_waited_for() {
        let command = Command::airlock(["x"]).within(Duration::from_millis(50));
        let late = talk(&mut agent("sleep 1000"), command, &mut |_| {}, PATIENCE, &GO_ON);
        assert!(matches!(late, Err(Failure::Deadline(_))), "{late:?}");
        let impatient = Patience { silence: Duration::from_millis(50), ..PATIENCE };
        let silent = talk(&mut agent("sleep 1000"), Command::airlock(["x"]), &mut |_| {}, impatient, &GO_ON);
        assert!(matches!(silent, Err(Failure::Silent(_))), "{silent:?}");
        let stopped = talk(
            &mut agent("sleep 1000"),
            Command::airlock(["x"]),
            &mut |_| {},
            PATIENCE,
            &AtomicBool::new(true),
        );
        assert!(matches!(stopped, Err(Failure::Stopped)), "{stopped:?}");
    }

    #[test]
    fn an_input_that_nobody_reads_or_that_breaks_off_holds_nobody() {
        let mut endless = io::repeat(b'x');
        let command = Command::airlock(["x"]).with_input(&mut endless);
        let answer =
            talk(&mut agent("echo '{\"exit\":4}'; exec sleep 1000"), command, &mut |_| {}, PATIENCE, &GO_ON);
        assert_eq!(answer.unwrap().status, 4);
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the medium is gone"))
            }
        }
        let mut broken_medium = Broken;
        let command = Command::airlock(["x"]).with_input(&mut broken_medium);
        let heart = "while sleep 0.05; do echo '\"alive\"'; done";
        let broken = talk(&mut agent(heart), command, &mut |_| {}, PATIENCE, &GO_ON);
        assert!(matches!(broken, Err(Failure::Input(_))), "{broken:?}");
    }
}
