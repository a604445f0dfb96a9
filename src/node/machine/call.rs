//! A program to be run with its arguments, and how it ended.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, codes};
use crate::quote::{escape, quote};

/// How long a program may take if nobody says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// Lines of its output that an error repeats.
const TOLD: usize = 12;

/// A program to be run. Arguments are never secret: everybody on a machine can read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    deadline: Duration,
}

impl Call {
    /// The program of this name or path, without arguments.
    pub fn new(program: impl Into<String>) -> Call {
        let (arguments, variables) = (Vec::new(), Vec::new());
        Call { program: program.into(), arguments, variables, input: None, deadline: DEADLINE }
    }

    /// Adds arguments.
    pub fn with<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Call {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to its environment, which is otherwise that of a system service in the `C.UTF-8` locale.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Call {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// What it reads from its standard input, which is otherwise empty.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Call {
        self.input = Some(bytes.into());
        self
    }

    /// How long it may take; one minute otherwise.
    pub fn within(mut self, deadline: Duration) -> Call {
        self.deadline = deadline;
        self
    }

    /// Its name or path.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// What is added to its environment.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// What it reads.
    pub fn standard_input(&self) -> Option<&[u8]> {
        self.input.as_deref()
    }

    /// How long it may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// As a person would type it.
impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape(&self.program))?;
        for argument in &self.arguments {
            let plain =
                |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character);
            match !argument.is_empty() && argument.chars().all(plain) {
                true => write!(formatter, " {argument}")?,
                false => write!(formatter, " '{}'", escape(argument))?,
            }
        }
        Ok(())
    }
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// The end of what it wrote to standard output, at most 1 MiB.
    pub output: String,
    /// The end of what it wrote to standard error, at most 1 MiB.
    pub errors: String,
}

impl Finished {
    /// Whether it ended with status 0.
    pub fn is_well(&self) -> bool {
        self.status == Some(0)
    }

    /// The error to report where it should have ended well.
    pub fn into_error(self, call: &Call) -> Error {
        let ending = match self.status {
            Some(status) => format!("failed with status {status}"),
            None => "was ended by a signal".to_owned(),
        };
        let said = if self.errors.trim().is_empty() { &self.output } else { &self.errors };
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let told = &lines[lines.len().saturating_sub(TOLD)..];
        let error = Error::new(codes::NODE_PROGRAM, format!("`{}` {ending}", quote(&call.to_string())))
            .with_help("mend what it says, then run the same command again; it continues");
        told.iter().fold(error, |error, line| error.with_detail(escape(line).into_owned()))
    }
}
