//! Writes results to stdout.
//!
//! A reader that closes the pipe early (`airlock … | head -1`) has what it wanted: the rest is dropped
//! silently and the command ends as it would have. `println!` would panic there.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::text;
use crate::error::{Error, Result, codes};

/// Prints results, as text or as JSON.
pub struct Printer {
    out: BufWriter<Box<dyn Write + Send>>,
    json: bool,
    closed: bool,
}

impl Printer {
    /// A printer to the process's stdout.
    pub fn stdout(json: bool) -> Self {
        Self::new(Box::new(io::stdout()), json)
    }

    /// A printer to any writer.
    pub fn new(out: Box<dyn Write + Send>, json: bool) -> Self {
        Printer { out: BufWriter::new(out), json, closed: false }
    }

    /// Prints the result of a command: `value` when JSON was asked for, else what `human` makes of it
    /// (complete lines; foreign strings in it escaped already).
    pub fn result<T: Serialize>(&mut self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        let text = if self.json {
            text::json_document(value).map_err(|error| {
                Error::new(codes::INTERNAL, "the result cannot be written as JSON").with_source(error)
            })?
        } else {
            human(value)
        };
        self.text(&text)
    }

    /// Prints `text` as it is and flushes, so that nothing is lost however the process ends.
    pub fn text(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Error::new(codes::OUTPUT, "writing the result to standard output failed")
                .with_help("make room or choose another target for the output, then run the command again")
                .with_source(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_silent_and_a_full_disk_is_an_error() {
        let mut closed = Printer::new(Box::new(Failing(io::ErrorKind::BrokenPipe)), false);
        assert!(closed.text("one\n").is_ok());
        assert!(closed.text("two\n").is_ok());
        let mut full = Printer::new(Box::new(Failing(io::ErrorKind::StorageFull)), false);
        let error = full.text("one\n").expect_err("the disk is full");
        assert_eq!(error.code(), codes::OUTPUT);
    }
}
