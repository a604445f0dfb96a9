//! Lines of trust files and the places in them that errors point at.

use crate::error::{Code, Error, Location, Snippet};

/// One line that says something: neither blank nor a comment.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The file as the user named it.
    pub(super) file: &'a str,
    /// 1-based.
    pub(super) number: usize,
    /// Without white space at its ends.
    pub(super) text: &'a str,
}

/// The lines of `text` that are neither blank nor comments.
pub(super) fn lines<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = Line<'a>> {
    text.lines()
        .enumerate()
        .map(move |(index, text)| Line { file, number: index + 1, text: text.trim() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
}

impl Line<'_> {
    /// An error about `part` of this line, or about the line if `part` is not a slice of it.
    pub(super) fn error(&self, code: Code, part: &str, message: impl Into<String>) -> Error {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let inside = start.checked_add(part.len()).is_some_and(|end| end <= self.text.len());
        let span = if inside { start..start + part.len() } else { 0..self.text.len() };
        let column = self.text.get(..span.start).map_or(1, |before| before.chars().count() + 1);
        let snippet =
            Snippet { text: self.text.to_owned(), first_line: self.number, span, label: String::new() };
        Error::new(code, message).with_location(Location {
            file: self.file.to_owned(),
            line: self.number,
            column,
            snippet: Some(snippet),
        })
    }
}
