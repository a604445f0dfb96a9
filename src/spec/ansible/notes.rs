//! What a user should know about an inventory, each thing once, however many hosts it is said of.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::spec::cluster::Warning;
use crate::spec::source::Source;

/// Collects warnings.
pub(super) struct Notes<'a> {
    source: &'a Source<'a>,
    /// By what they are about.
    found: BTreeMap<String, Note>,
}

struct Note {
    message: String,
    help: String,
    /// Where it is said, in the order of the file.
    lines: BTreeMap<usize, Range<usize>>,
}

impl<'a> Notes<'a> {
    pub fn new(source: &'a Source<'a>) -> Notes<'a> {
        Notes { source, found: BTreeMap::new() }
    }

    /// Adds a place to the warning about `what`, which is made if there is none.
    pub fn add(
        &mut self,
        what: &str,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let note = self.found.entry(what.to_owned()).or_insert_with(|| Note {
            message: message.into(),
            help: help.into(),
            lines: BTreeMap::new(),
        });
        note.lines.entry(self.source.line(span.start)).or_insert_with(|| span.clone());
    }

    /// All of them, in the order of the file.
    pub fn into_warnings(self) -> Vec<Warning> {
        let source = self.source;
        let mut warnings: Vec<Warning> =
            self.found.into_values().filter_map(|note| note.into_warning(source)).collect();
        warnings.sort_by_key(|warning| (warning.location.line, warning.location.column));
        warnings
    }
}

impl Note {
    fn into_warning(self, source: &Source<'_>) -> Option<Warning> {
        let first = self.lines.values().next()?;
        let message = match self.lines.len() - 1 {
            0 => self.message,
            1 => format!("{} (and on 1 more line)", self.message),
            more => format!("{} (and on {more} more lines)", self.message),
        };
        Some(Warning { message, help: self.help, location: source.location(first, "") })
    }
}
