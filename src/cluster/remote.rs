//! Somebody on a host who runs commands there for us.
//!
//! There are two kinds: over SSH and on this machine itself. Tests have a third, which keeps what it was asked.

pub(super) mod failure;
mod greet;
pub(super) mod process;
mod talk;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) use self::greet::greet;
pub use self::talk::Patience;
pub(super) use self::talk::{Failure, talk};
use super::inventory::Host;
use crate::error::{Code, Error, Result, codes};
use crate::node::agent::{Program, Request};
use crate::quote::{escape, shorten};

/// Runs commands on one host.
pub trait Remote: Send + Sync {
    /// Runs a command there and waits for its end. Every line of its standard error goes to `listen` as it comes.
    ///
    /// # Errors
    /// If the host cannot be reached, does not let us in, goes away or says nothing any more. A command that has
    /// failed is no error here: see [`Answer`].
    fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer>;
}

/// Knows the way to hosts.
pub trait Connect: Sync {
    /// Somebody on the host. What is said for a host stays valid until the connection breaks.
    ///
    /// # Errors
    /// If the host cannot be reached, is not the one that it should be, or does not let us in.
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>>;
}

/// A command for a host.
pub struct Command<'a> {
    /// What to run.
    pub request: Request,
    /// What it reads from standard input: a secret, or a bundle. Never kept in a file on the way.
    pub input: Option<&'a mut (dyn Read + Send)>,
    /// How long it may take in all.
    pub deadline: Duration,
}

/// What a command has said at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status.
    pub status: u8,
    /// Its standard output.
    pub output: String,
    /// The last lines of its standard error, at most [`LAST_LINES`].
    pub errors: Vec<String>,
}

/// How many lines of standard error are kept.
pub const LAST_LINES: usize = 200;

/// How long a command may take that only looks.
const LOOK: Duration = Duration::from_secs(120);

impl<'a> Command<'a> {
    /// An `airlock` command.
    pub fn airlock(arguments: impl IntoIterator<Item = impl Into<String>>) -> Command<'a> {
        Command::of(Program::Airlock, arguments)
    }

    /// A `k3s` command, such as `k3s kubectl`.
    pub fn k3s(arguments: impl IntoIterator<Item = impl Into<String>>) -> Command<'a> {
        Command::of(Program::K3s, arguments)
    }

    fn of(program: Program, arguments: impl IntoIterator<Item = impl Into<String>>) -> Command<'a> {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Command {
            request: Request { program, arguments, files: BTreeMap::new() },
            input: None,
            deadline: LOOK,
        }
    }

    /// The same with a file: `{NAME}` in an argument becomes its path. It holds no secret.
    #[must_use]
    pub fn with_file(mut self, name: &str, text: String) -> Command<'a> {
        self.request.files.insert(name.to_owned(), text);
        self
    }

    /// The same with a standard input.
    #[must_use]
    pub fn with_input(mut self, input: &'a mut (dyn Read + Send)) -> Command<'a> {
        self.input = Some(input);
        self
    }

    /// The same with another deadline.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Command<'a> {
        self.deadline = deadline;
        self
    }
}

/// Runs a command that prints one JSON value and returns that value.
///
/// # Errors
/// Those of [`Remote::run`]; the error that the command has printed, if it has failed; [`codes::REMOTE_ANSWER`] if what
/// it says cannot be understood.
pub fn ask<T: DeserializeOwned>(remote: &dyn Remote, command: Command<'_>) -> Result<T> {
    let answer = remote.run(command, &mut |_| {})?.success()?;
    answer.json()
}

impl Answer {
    /// The answer, if the command has succeeded.
    ///
    /// # Errors
    /// The error that the command has told, with its own code; [`codes::REMOTE_COMMAND`] with its last lines if it has
    /// told none.
    pub fn success(self) -> Result<Answer> {
        match self.status {
            0 => Ok(self),
            _ => Err(self.error()),
        }
    }

    /// What it has printed, as JSON.
    ///
    /// # Errors
    /// [`codes::REMOTE_ANSWER`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.output)
            .map_err(|error| not_understood().with_detail(shorten(&self.output, 200)).with_source(error))
    }

    /// The same for what holds a secret: nothing of it is repeated in errors.
    ///
    /// # Errors
    /// [`codes::REMOTE_ANSWER`].
    pub fn secret<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.output).map_err(|_| not_understood())
    }

    /// Why it has failed.
    pub fn error(&self) -> Error {
        let told = self.errors.iter().rev().find_map(|line| serde_json::from_str::<Told>(line).ok());
        told.map_or_else(|| self.untold(), Told::into_error)
    }

    fn untold(&self) -> Error {
        let message = format!("a command on the host ended with status {}", self.status);
        let last = self.errors.iter().rev().take(5).rev();
        let error = Error::new(codes::REMOTE_COMMAND, message).with_help(
            "the lines above are its own; put right what they say, then run the same command again",
        );
        last.fold(error, |error, line| error.with_detail(escape(line)))
    }
}

fn not_understood() -> Error {
    Error::new(codes::REMOTE_ANSWER, "what a command on the host says cannot be understood")
        .with_help("the host has another version of the program: run the same command again")
}

/// An error as `--json` prints it.
#[derive(Deserialize)]
pub(super) struct Told {
    code: String,
    message: String,
    details: Vec<String>,
    causes: Vec<String>,
    help: Option<String>,
}

impl Told {
    pub(super) fn into_error(self) -> Error {
        let code = Code::named(&self.code).unwrap_or(codes::REMOTE_COMMAND);
        let mut error = Error::new(code, escape(&self.message));
        for detail in self.details.iter().chain(&self.causes) {
            error = error.with_detail(escape(detail));
        }
        match self.help {
            Some(help) => error.with_help(escape(&help)),
            None => error,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A host that gives answers from a list, and keeps what it was asked.
    #[derive(Default)]
    pub(crate) struct Scripted {
        answers: Vec<(String, Answer)>,
        asked: Mutex<Vec<String>>,
    }

    impl Scripted {
        /// The same host, which prints `output` when asked for a command that begins with `words`; the answer that
        /// was added last counts.
        pub(crate) fn with(mut self, words: &str, output: &str) -> Scripted {
            let answer = Answer { status: 0, output: output.to_owned(), errors: Vec::new() };
            self.answers.push((words.to_owned(), answer));
            self
        }

        /// The same host, which fails so.
        pub(crate) fn failing(mut self, words: &str, status: u8, error: &str) -> Scripted {
            let answer = Answer { status, output: String::new(), errors: vec![error.to_owned()] };
            self.answers.push((words.to_owned(), answer));
            self
        }

        /// The same host, which prints `output` and `error`, and ends with `status`.
        pub(crate) fn answering(mut self, words: &str, status: u8, output: &str, error: &str) -> Scripted {
            let answer = Answer { status, output: output.to_owned(), errors: vec![error.to_owned()] };
            self.answers.push((words.to_owned(), answer));
            self
        }

        /// What it was asked, program and arguments, in order.
        pub(crate) fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    impl Remote for Scripted {
        fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
            let program = match command.request.program {
                Program::Airlock => "airlock",
                Program::K3s => "k3s",
            };
            let words = [&[program.to_owned()], &command.request.arguments[..]].concat().join(" ");
            self.asked.lock().unwrap().push(words.clone());
            let answer = self.answers.iter().rev().find(|(beginning, _)| words.starts_with(beginning));
            let (_, answer) = answer.unwrap_or_else(|| panic!("nobody has said what `{words}` answers"));
            answer.errors.iter().for_each(|line| listen(line));
            Ok(answer.clone())
        }
    }

    #[test]
    fn an_error_keeps_its_code_and_help() {
        let told = r#"{"code":"E1055","kind":"precondition","exit":7,"message":"the command needs root","file":null,
            "line":null,"column":null,"details":["a"],"causes":["b"],"help":"use sudo"}"#;
        let remote = Scripted::default().failing("airlock node facts", 7, &told.replace('\n', " "));
        let error = ask::<u8>(&remote, Command::airlock(["node", "facts"])).unwrap_err();
        assert_eq!((error.code(), error.help()), (codes::NOT_ROOT, Some("use sudo")));
        assert_eq!(error.details(), ["a", "b"]);
        assert_eq!(remote.asked(), ["airlock node facts"]);
    }

    #[test]
    fn a_secret_that_is_not_understood_is_not_repeated() {
        for output in ["\"canary\"", "canary", "{\"token\": \"canary\", \"registry\": \"canary\"}"] {
            let answer = Answer { status: 0, output: output.to_owned(), errors: Vec::new() };
            let error = answer.secret::<crate::node::invitation::Invitation>().err().unwrap();
            let told = format!("{error:?} {:?}", error.causes());
            assert!(!told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn lines_that_are_no_error_are_told_as_they_are() {
        let remote = Scripted::default().failing("k3s kubectl", 1, "no\u{1b}[31m such node");
        let error = ask::<u8>(&remote, Command::k3s(["kubectl", "get"])).unwrap_err();
        assert_eq!(error.code(), codes::REMOTE_COMMAND);
        assert_eq!(error.details(), ["no\\u{1b}[31m such node"]);
        let remote = Scripted::default().with("k3s", "}");
        assert_eq!(ask::<u8>(&remote, Command::k3s(["-v"])).unwrap_err().code(), codes::REMOTE_ANSWER);
    }
}
