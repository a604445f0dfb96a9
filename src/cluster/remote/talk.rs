//! Our end of the connection to an agent: the greeting, with sudo in between, and one command.

use std::io::{self, Read, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::process::{Heard, LastWords, Nothing, Process};
use super::{Answer, Command, LAST_LINES};
use crate::node::agent::{Frame, Hello, VERSION};
use crate::secret::Secret;

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

/// Waits until the agent says hello. When `prompt` shows up on standard error, sudo gets the password, once.
pub(in crate::cluster) fn greet(
    mut process: Process,
    prompt: &str,
    password: Option<&Secret<String>>,
    patience: Patience,
    stop: &AtomicBool,
) -> Result<Process, Failure> {
    let until = Instant::now() + patience.silence;
    let mut prompts = Prompts::of(prompt);
    let mut has_answered = false;
    loop {
        match process.hear(until, stop) {
            Ok(Heard::Line(line)) => match serde_json::from_slice::<Hello>(&line) {
                Ok(Hello { version: VERSION }) => return Ok(process),
                Ok(Hello { version }) => return Err(Failure::Version(version)),
                // A banner, or what the shell of the user prints at its start.
                Err(_) => process.ignore(&line),
            },
            Ok(Heard::Errors(bytes)) if prompts.show_up_in(&bytes) => match password {
                Some(_) if has_answered => return Err(Failure::PasswordWrong),
                Some(password) => {
                    has_answered = true;
                    answer(process.input.as_mut(), password);
                }
                None => return Err(Failure::PasswordMissing),
            },
            Ok(Heard::Errors(_)) => {}
            Ok(Heard::End) => return Err(Failure::Ended(process.end())),
            Err(Nothing::Late) => return Err(Failure::Silent(process.end())),
            Err(Nothing::Stopped) => return Err(Failure::Stopped),
        }
    }
}

/// If sudo has gone meanwhile, its last words say why.
fn answer(input: Option<&mut ChildStdin>, password: &Secret<String>) {
    if let Some(input) = input {
        let line = Secret::new(format!("{}\n", password.reveal()));
        let _ = input.write_all(line.reveal().as_bytes());
    }
}

/// Finds a prompt in a stream, also one that comes in pieces.
struct Prompts<'a> {
    prompt: &'a [u8],
    seen: Vec<u8>,
}

impl<'a> Prompts<'a> {
    fn of(prompt: &'a str) -> Self {
        Prompts { prompt: prompt.as_bytes(), seen: Vec::new() }
    }

    fn show_up_in(&mut self, bytes: &[u8]) -> bool {
        self.seen.extend_from_slice(bytes);
        let found = memchr::memmem::find(&self.seen, self.prompt);
        let used = found.map_or_else(
            || (self.seen.len() + 1).saturating_sub(self.prompt.len()),
            |at| at + self.prompt.len(),
        );
        self.seen.drain(..used.min(self.seen.len()));
        found.is_some()
    }
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
    match poured {
        Ok(Err((error, _))) => Err(Failure::Input(error)),
        _ => told,
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
                if Instant::now() >= end {
                    return Err(Failure::Deadline(deadline));
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
    mut pipe: ChildStdin,
    broken: &AtomicBool,
) -> Result<(), (io::Error, ChildStdin)> {
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
mod tests {
    use std::process;

    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(20) };
    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn agent(script: &str) -> Process {
        let mut command = process::Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command).unwrap()
    }

    fn greeted(script: &str, password: Option<&str>) -> Result<Process, Failure> {
        let password = password.map(|password| Secret::new(password.to_owned()));
        greet(agent(script), "PROMPT:", password.as_ref(), PATIENCE, &GO_ON)
    }

    fn answered(frames: &str) -> Result<(Answer, Vec<String>), Failure> {
        let mut heard = Vec::new();
        let mut process = agent(&format!("cat <<'END'\n{frames}\nEND\ncat >/dev/null"));
        let command = Command::airlock(["x"]);
        let answer = talk(&mut process, command, &mut |line| heard.push(line.to_owned()), PATIENCE, &GO_ON);
        answer.map(|answer| (answer, heard))
    }

    const HELLO: &str = "echo '{\"airlockAgent\":1}'";

    #[test]
    fn noise_before_the_greeting_is_no_greeting() {
        assert!(greeted(&format!("echo '*** authorised use only ***'; echo '{{}}'; {HELLO}"), None).is_ok());
        assert!(matches!(greeted("echo '{\"airlockAgent\":2}'", None), Err(Failure::Version(2))));
        let Err(Failure::Ended(last)) = greeted("echo no >&2; exit 5", None) else { panic!("it ended") };
        assert_eq!((last.status, last.errors), (Some(5), vec!["no".to_owned()]));
    }

    #[test]
    fn the_password_is_said_once_and_only_when_it_is_asked_for() {
        let asks =
            format!("printf 'PRO' >&2; sleep 0.1; printf 'MPT:' >&2; read p; test \"$p\" = right && {HELLO}");
        assert!(greeted(&asks, Some("right")).is_ok());
        assert!(matches!(greeted(&asks, None), Err(Failure::PasswordMissing)));
        let asks_again =
            "printf 'PROMPT:' >&2; read p; printf 'Sorry\\nPROMPT:' >&2; read p; echo \"$p\" >&2";
        assert!(matches!(greeted(asks_again, Some("wrong")), Err(Failure::PasswordWrong)));
        // Nobody asks: the first line that is read is the request.
        let mut process = greeted(
            &format!(
                "{HELLO}; read line; printf '{{\"error\":\"%s\"}}\\n' \"${{#line}}\"; echo '{{\"exit\":0}}'"
            ),
            Some("canary"),
        )
        .unwrap();
        let answer = talk(&mut process, Command::airlock(["x"]), &mut |_| {}, PATIENCE, &GO_ON).unwrap();
        let request = serde_json::to_string(&Command::airlock(["x"]).request).unwrap();
        assert_eq!(answer.errors, [request.len().to_string()]);
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

    proptest! {
        #[test]
        fn a_prompt_is_found_however_it_is_cut(before in "[A-Z:]{0,9}", cuts in proptest::collection::vec(1usize..5, 0..20)) {
            let text = format!("{before}PROMPT:");
            let (mut prompts, mut rest, mut found) = (Prompts::of("PROMPT:"), text.as_bytes(), 0);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                found += usize::from(prompts.show_up_in(piece));
                rest = after;
            }
            found += usize::from(prompts.show_up_in(rest));
            prop_assert!(found >= 1);
        }
    }
}
