//! How an error about a file of the machine is told.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use crate::disk;
use crate::error::{Error, codes};
use crate::quote::quote;

/// The error for a file of the machine, `action` being `read`, `write` or `remove`.
pub(in crate::node) fn failed(action: &str, path: &str, error: io::Error) -> Error {
    // What was to be written comes from a reader of ours that has found damage: that is what has happened.
    let error = match error.downcast::<Error>() {
        Ok(own) => return own.with_detail(format!("`{}` is as it was", quote(path))),
        Err(error) => error,
    };
    let what = format!("`{}` cannot be {}", quote(path), past(action));
    disk::blamed(&what, Path::new(path), error).unwrap_or_else(|error| {
        Error::new(codes::NODE_FILE, what)
            .with_help("see the cause above; then run the same command again, it continues")
            .with_source(error)
    })
}

fn past(action: &str) -> &str {
    match action {
        "write" => "written",
        "remove" => "removed",
        _ => "read",
    }
}

/// Nothing is there, nor can anything be: part of the path is a file, or the process that it is about has ended (proc(5)).
pub(in crate::node) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) || disk::is(error, Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn files_of_a_process_that_ends_while_they_are_read_are_missing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut stat = fs_err::File::open(format!("/proc/{}/stat", child.id())).unwrap();
        child.wait().unwrap();
        let error = stat.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(is_missing(&error), "{error}");
    }
}
