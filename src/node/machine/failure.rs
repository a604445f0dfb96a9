//! How an error about a file of the machine is told.

use std::io::{self, ErrorKind};
use std::path::Path;

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

/// Nothing is there, nor can anything be: part of the path is a file.
pub(in crate::node) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
