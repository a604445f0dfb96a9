//! The one error type of the library, and the rules for making one.
//!
//! 1. An error is a *code* (stable, listed in [`codes`]), a message, and, where they exist, a place in a
//!    file, a cause and help. The code decides the kind, the kind decides the exit status.
//! 2. The message says what happened and names the thing: a path, a URL, an image, a blob. It starts in
//!    lower case and has no full stop. It never contains a secret.
//! 3. `help` is the exact command or edit that gets the user further. An error without help is one where
//!    nobody can do anything (a bug of ours).
//! 4. Whoever calls the operating system or the network adds the context: what we were doing, to what.
//!    Callers add context only when they know more. Nobody swallows an error.
//! 5. Whether a failed request may be tried again is decided in `fetch`, before an `Error` is made; an
//!    `Error` is final for this run.
//! 6. The library only builds errors. `ui::report` prints them and is the only place that does.

pub mod codes;

use std::fmt;

/// Result of everything that can fail for a reason a user should read.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; decides the exit status of the process (design: errors and exit codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bug of ours.
    Internal,
    /// The command line does not make sense.
    Usage,
    /// A file the user gave cannot be used: spec, lock, inventory, or a foreign format.
    BadInput,
    /// Bytes are not what their digest or length says; also a volume that is missing or foreign.
    Corrupt,
    /// A signature is missing, wrong, or of a signer that is not trusted.
    Untrusted,
    /// Refused because it is older than what is already there.
    Rollback,
    /// The machine lacks something: space, rights, a file, a key.
    Precondition,
    /// A registry or server is unreachable or misbehaves.
    Upstream,
    /// Some parts succeeded, others failed.
    Partial,
    /// Somebody else holds the lock.
    Busy,
    /// An I/O error kept us from checking; says nothing about the data.
    CouldNotCheck,
    /// Stopped by a signal; running the same command again continues.
    Interrupted,
}

impl Kind {
    /// The exit status of a process that ends with this kind of error.
    pub fn exit_status(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::BadInput => 3,
            Kind::Corrupt => 4,
            Kind::Untrusted => 5,
            Kind::Rollback => 6,
            Kind::Precondition => 7,
            Kind::Upstream => 8,
            Kind::Partial => 9,
            Kind::Busy => 10,
            Kind::CouldNotCheck => 11,
            Kind::Interrupted => 130,
        }
    }
}

/// A stable error number with its kind. All of them are constants in [`codes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Printed as `E0412`.
    pub number: u16,
    /// Decides the exit status.
    pub kind: Kind,
    /// One line for the reference documentation.
    pub summary: &'static str,
}

impl Code {
    /// The code that prints as `name`, such as `E0412`.
    pub fn named(name: &str) -> Option<Code> {
        codes::ALL.iter().copied().find(|code| code.to_string() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "E{:04}", self.number)
    }
}

/// A place in a text file the user wrote, with the text needed to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file as the user named it.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// The lines around the place (a handful, never the whole file).
    pub snippet: Option<Snippet>,
}

/// A few lines of source with the part that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The lines, joined by `\n`.
    pub text: String,
    /// 1-based number of the first line of `text`.
    pub first_line: usize,
    /// Byte range within `text` to underline.
    pub span: std::ops::Range<usize>,
    /// Short remark beside the underline; may be empty.
    pub label: String,
}

/// An error to be shown to the user. Cheap to move: one pointer.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    location: Option<Location>,
    details: Vec<String>,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with its code and message; the rest is added by the `with_` methods.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            location: None,
            details: Vec::new(),
            help: None,
            source: None,
        }))
    }

    /// Adds the place in the user's file.
    pub fn with_location(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    /// Adds one further line of fact, such as one of several damaged blobs. Printed as `note:`.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.details.push(detail.into());
        self
    }

    /// Sets the exact command or edit that helps.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Sets the cause, printed as `caused by:` with its own causes below it.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The kind, from which the exit status follows.
    pub fn kind(&self) -> Kind {
        self.0.code.kind
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The place in the user's file, if there is one.
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// Further facts, in the order they were added.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The messages of all causes that have one, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Wrappers that print their inner error would say the same thing twice.
            if !text.is_empty() && causes.last().is_none_or(|last: &String| !last.ends_with(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_printed_with_four_digits() {
        let mut numbers: Vec<u16> = codes::ALL.iter().map(|code| code.number).collect();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "an error number is used twice");
        assert_eq!(codes::INTERNAL.to_string(), "E0001");
    }

    #[test]
    fn causes_are_listed_once_from_the_outside_in() {
        let inner = std::io::Error::other("no space left");
        let middle = Error::new(codes::INTERNAL, "writing volume 1").with_source(inner);
        let outer = Error::new(codes::INTERNAL, "building").with_source(middle);
        assert_eq!(outer.causes(), ["writing volume 1", "no space left"]);
    }
}
