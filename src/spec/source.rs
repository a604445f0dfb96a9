//! The text of a spec while it is read: turns byte ranges into places, snippets and errors.
//!
//! Everything shown of the file passes through [`quote`] or [`mask`], so that neither control characters nor
//! passwords in URLs reach a terminal or a log.

use std::ops::Range;

use crate::error::{Code, Error, Location, Snippet};
use crate::quote::mask;

#[cfg(doc)]
use crate::quote::quote;

/// Lines shown before and after the one that is meant.
const CONTEXT_LINES: usize = 2;
/// Longest piece of one line that is shown, in bytes.
const LINE_WINDOW: usize = 160;

/// The text of one file and the name the user knows it by.
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
    /// Whether it is YAML, in which a word without quotes may be no text.
    pub is_yaml: bool,
    /// Where each line begins, so that asking for many lines stays cheap.
    line_starts: Vec<usize>,
    /// Bytes that are never shown, in their order: private keys that somebody pasted, passwords.
    secrets: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Source { file, text, is_yaml: true, line_starts, secrets: private_keys(text) }
    }

    /// The text of a file that is not YAML.
    pub fn ini(file: &'a str, text: &'a str) -> Self {
        Source { is_yaml: false, ..Source::new(file, text) }
    }

    /// Never shows these bytes either.
    pub fn hiding(mut self, secrets: Vec<Range<usize>>) -> Self {
        self.secrets.extend(secrets);
        self.secrets.sort_by_key(|secret| secret.start);
        // One that begins within another continues it.
        self.secrets.dedup_by(|next, before| {
            let overlaps = next.start <= before.end;
            if overlaps {
                before.end = before.end.max(next.end);
            }
            overlaps
        });
        self
    }

    /// An error about the bytes in `span`, with a snippet whose underline carries `label`.
    pub fn error(&self, code: Code, message: impl Into<String>, span: &Range<usize>, label: &str) -> Error {
        Error::new(code, message).with_location(self.location(span, label))
    }

    /// The place of `span`. Ranges outside the text are moved into it.
    pub fn location(&self, span: &Range<usize>, label: &str) -> Location {
        let start = boundary(self.text, span.start);
        let line = self.line(start);
        let line_start = self.line_starts[line - 1];
        Location {
            file: self.file.to_owned(),
            line,
            column: self.text[line_start..start].chars().count() + 1,
            snippet: Some(self.snippet(start..boundary(self.text, span.end).max(start), line_start, label)),
        }
    }

    /// The 1-based line of a byte offset.
    pub fn line(&self, offset: usize) -> usize {
        // The first line begins at 0, so at least one line begins at or before any offset.
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The byte offset of a 1-based line and a 1-based column in characters.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let before = self.text[start..].chars().take(column.saturating_sub(1));
        start + before.map(char::len_utf8).sum::<usize>()
    }

    /// A 1-based line without its end, byte for byte as long as it is, with nothing in it that may not be shown.
    fn masked_line(&self, line: usize) -> String {
        let start = self.line_starts[line - 1];
        let masked = mask(self.text[start..].lines().next().unwrap_or_default());
        let within = |offset: usize| offset.clamp(start, start + masked.len()) - start;
        let mut shown = String::with_capacity(masked.len());
        for secret in &self.secrets {
            let secret = within(secret.start)..within(secret.end);
            if !secret.is_empty() {
                shown.push_str(&masked[shown.len()..secret.start]);
                shown.push_str(&"*".repeat(secret.len()));
            }
        }
        shown.push_str(&masked[shown.len()..]);
        shown
    }

    /// The lines around `line_start`; an underline never leaves the line it starts in.
    fn snippet(&self, span: Range<usize>, line_start: usize, label: &str) -> Snippet {
        let number = self.line(line_start);
        let first_line = number.saturating_sub(CONTEXT_LINES).max(1);

        let mut text: String =
            (first_line..number).map(|line| clipped(self.masked_line(line)) + "\n").collect();
        let line = self.masked_line(number);
        let (window, underline) = window(&line, span.start - line_start..span.end - line_start);
        let offset = text.len();
        text += &line[window];
        let last_line = self.text.lines().count().min(number + CONTEXT_LINES);
        for line in number + 1..=last_line {
            text.push('\n');
            text += &clipped(self.masked_line(line));
        }
        Snippet {
            text,
            first_line,
            span: offset + underline.start..offset + underline.end,
            label: label.to_owned(),
        }
    }
}

/// What lies between each `-----BEGIN … PRIVATE KEY…-----` and the next `-----END`, or the end of the text.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut keys = Vec::new();
    let mut position = 0;
    while let Some(begin) = text[position..].find("-----BEGIN ") {
        let label = position + begin + "-----BEGIN ".len();
        let Some(length) = text[label..].find("-----") else { break };
        position = label + length;
        if text[label..position].contains("PRIVATE KEY") {
            let start = position + "-----".len();
            position = text[start..].find("-----END").map_or(text.len(), |end| start + end);
            keys.push(start..position);
        }
    }
    keys
}

/// The last character boundary at or before `offset`.
fn boundary(text: &str, offset: usize) -> usize {
    // 0 is always a boundary.
    (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}

/// The part of a line that is shown, and the underline relative to it.
fn window(line: &str, span: Range<usize>) -> (Range<usize>, Range<usize>) {
    let start = boundary(line, span.start);
    let mut end = boundary(line, span.end).max(start);
    if start == end {
        end += line[start..].chars().next().map_or(0, char::len_utf8);
    }
    let from =
        if line.len() <= LINE_WINDOW { 0 } else { boundary(line, start.saturating_sub(LINE_WINDOW / 2)) };
    let to = boundary(line, from + LINE_WINDOW).max(start);
    (from..to, start - from..end.min(to) - from)
}

fn clipped(mut line: String) -> String {
    line.truncate(boundary(&line, LINE_WINDOW));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;
    use crate::quote::quote;
    use proptest::prelude::*;

    #[test]
    fn the_underline_covers_the_value_between_its_neighbours() {
        let text = "a: 1\r\nb: 2\r\nc: größe\r\nd: 4\r\ne: 5\r\nf: 6\r\n";
        let source = Source::new("bundle.yaml", text);
        let start = text.find("größe").unwrap();
        let location = source.location(&(start..start + "größe".len()), "here");
        assert_eq!((location.line, location.column), (3, 4));
        let snippet = location.snippet.unwrap();
        assert_eq!(snippet.text, "a: 1\nb: 2\nc: größe\nd: 4\ne: 5");
        assert_eq!((snippet.first_line, &snippet.text[snippet.span]), (1, "größe"));
    }

    #[test]
    fn passwords_and_escapes_are_not_shown() {
        let text = "x: https://user:hunter2@host/p\ny: \u{1b}[31m\u{202e}z";
        let source = Source::new("bundle.yaml", text);
        let error = source.error(codes::SPEC_VALUE, quote(text), &(0..1), "");
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
        assert!(shown.contains("https://************@host/p"));
    }

    #[test]
    fn nothing_of_a_private_key_is_shown() {
        let key =
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYsecret\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----";
        let public = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nmQINopen\n-----END PGP PUBLIC KEY BLOCK-----";
        for text in [format!("{public}\n{key}\nx: y\n"), key.replace("\n", "\\n"), key[..60].to_owned()] {
            let source = Source::new("f", &text);
            let shown: String = (0..text.len())
                .map(|at| source.location(&(at..at + 1), "").snippet.unwrap().text + "\n")
                .collect();
            assert!(
                !shown.contains("lQVY") && !shown.contains("secret") && !shown.contains("=abcd"),
                "{shown}"
            );
            assert_eq!(shown.contains("mQINopen"), text.contains("mQINopen"));
        }
    }

    #[test]
    fn a_file_of_one_long_line_is_not_shown_whole() {
        let text = format!("{}needle{}", "x".repeat(5000), "y".repeat(5000));
        let source = Source::new("bundle.yaml", &text);
        let location = source.location(&(5000..5006), "");
        let snippet = location.snippet.unwrap();
        assert_eq!(location.column, 5001);
        assert!(snippet.text.len() <= LINE_WINDOW);
        assert_eq!(&snippet.text[snippet.span], "needle");
    }

    proptest! {
        #[test]
        fn any_range_of_any_text_can_be_shown(text in "([a-zß@/\r\n\u{1b}🔑 ]|-----BEGIN PRIVATE KEY-----|-----END){0,200}", start in 0usize..500, length in 0usize..500) {
            let source = Source::new("f", &text);
            let snippet = source.location(&(start..start + length), "").snippet.unwrap();
            prop_assert!(snippet.text.get(snippet.span).is_some());
        }
    }
}
