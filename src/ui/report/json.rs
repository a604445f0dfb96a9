//! Errors as one JSON object on one line, for `--json`.

use serde::Serialize;

use crate::error::{Error, Kind};
use crate::ui::text;

/// The fields of an error; those it does not have are `null` or empty, never missing.
#[derive(Serialize)]
struct Fields<'a> {
    code: String,
    kind: &'static str,
    exit: u8,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    details: &'a [String],
    causes: Vec<String>,
    help: Option<&'a str>,
}

/// One line with its line break.
pub(super) fn render(error: &Error, exit: u8) -> String {
    let location = error.location();
    let fields = Fields {
        code: error.code().to_string(),
        kind: kind_name(error.kind()),
        exit,
        message: error.message(),
        file: location.map(|location| location.file.as_str()),
        line: location.map(|location| location.line),
        column: location.map(|location| location.column),
        details: error.details(),
        causes: error.causes(),
        help: error.help(),
    };
    // Strings and numbers always serialise; an empty line is better than a panic should that ever change.
    text::json_line(&fields).unwrap_or_default() + "\n"
}

/// The stable name of a kind in JSON output and in `docs/errors.md`.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "internal",
        Kind::Usage => "usage",
        Kind::BadInput => "badInput",
        Kind::Corrupt => "corrupt",
        Kind::Untrusted => "untrusted",
        Kind::Rollback => "rollback",
        Kind::Precondition => "precondition",
        Kind::Upstream => "upstream",
        Kind::Partial => "partial",
        Kind::Busy => "busy",
        Kind::CouldNotCheck => "couldNotCheck",
        Kind::Interrupted => "interrupted",
    }
}
