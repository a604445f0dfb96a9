//! The text of a spec while it is read: turns byte ranges into places, snippets and errors.
//!
//! Everything quoted from the file passes through [`printable`] or [`masked`] here, so that neither control
//! characters nor passwords in URLs reach a terminal or a log.

use std::ops::Range;

use crate::error::{Code, Error, Location, Snippet};

/// Lines shown before and after the one that is meant.
const CONTEXT_LINES: usize = 2;
/// Longest piece of one line that is shown, in bytes.
const LINE_WINDOW: usize = 160;
/// Longest piece of a value that a message quotes, in characters.
const QUOTE_LIMIT: usize = 80;

/// The text of one file and the name the user knows it by.
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
    /// Where each line begins, so that asking for many lines stays cheap.
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Source { file, text, line_starts: std::iter::once(0).chain(after_newlines).collect() }
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

    /// The lines around `line_start`; an underline never leaves the line it starts in.
    fn snippet(&self, span: Range<usize>, line_start: usize, label: &str) -> Snippet {
        let before: Vec<&str> = self.text[..line_start].lines().rev().take(CONTEXT_LINES).collect();
        let mut rest = self.text[line_start..].lines();
        let line = rest.next().unwrap_or_default();

        let mut text: String = before.iter().rev().map(|line| clipped(line) + "\n").collect();
        let (window, underline) = window(line, span.start - line_start..span.end - line_start);
        let offset = text.len();
        text += &masked(line)[window];
        for line in rest.take(CONTEXT_LINES) {
            text.push('\n');
            text += &clipped(line);
        }
        Snippet {
            text,
            first_line: self.line(line_start) - before.len(),
            span: offset + underline.start..offset + underline.end,
            label: label.to_owned(),
        }
    }
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

fn clipped(line: &str) -> String {
    let mut line = masked(line);
    line.truncate(boundary(&line, LINE_WINDOW));
    line
}

/// A value as a message may quote it: one short line without control characters and passwords.
pub(super) fn printable(value: &str) -> String {
    let masked = masked(value).replace('\t', "?");
    let mut shown: String = masked.chars().take(QUOTE_LIMIT).collect();
    if shown.len() < masked.len() {
        shown.push('…');
    }
    shown
}

/// `text` with control characters and user information replaced, byte for byte, so that offsets still fit.
fn masked(text: &str) -> String {
    let mut secrets = credentials(text).into_iter().peekable();
    let mask = |(offset, character): (usize, char)| {
        while secrets.next_if(|secret| secret.end <= offset).is_some() {}
        if secrets.peek().is_some_and(|secret| secret.contains(&offset)) {
            "*".repeat(character.len_utf8())
        } else if is_unprintable(character) && character != '\t' {
            "?".repeat(character.len_utf8())
        } else {
            character.to_string()
        }
    };
    text.char_indices().map(mask).collect()
}

/// Whether `text` holds what looks like a user name and password before an `@`.
pub(super) fn has_credentials(text: &str) -> bool {
    !credentials(text).is_empty()
}

/// Where words of `text` hold user information: `//user:password@host` or `user:password@host`.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    words
        .filter_map(|word| {
            let secret = credentials_of_word(word)?;
            // Both are parts of the same text.
            let offset = word.as_ptr().addr() - text.as_ptr().addr();
            Some(offset + secret.start..offset + secret.end)
        })
        .collect()
}

fn credentials_of_word(word: &str) -> Option<Range<usize>> {
    let end = word.rmatch_indices('@').map(|(at, _)| at).find(|at| !word[at + 1..].starts_with("sha256:"))?;
    let Some(start) = word.find("//").map(|slashes| slashes + 2).filter(|start| *start <= end) else {
        // Without a scheme only `a:b@c` is suspicious.
        return word[..end].contains(':').then_some(0..end);
    };
    let authority = word[start..].split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    // A password with a `/` in it ends the authority early; what looks like a port then is none.
    let torn = !port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rfind('@') {
        Some(at) => Some(start..start + at),
        None => torn.then_some(start..end),
    }
}

/// Control characters, and the invisible ones that reorder text on a terminal (UAX #9).
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;
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
        let error = source.error(codes::SPEC_VALUE, printable(text), &(0..1), "");
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
        assert!(shown.contains("https://************@host/p"));
    }

    #[test]
    fn user_information_is_found_in_every_form() {
        for text in [
            "https://user:hunter2@host/p",
            "https://user:hun/ter2@host/p",
            "[user:hunter2@mirror.lab:5000]",
            &format!("https://user:{}hunter2@host", "x".repeat(300)),
        ] {
            assert!(!printable(text).contains("ter2"), "{text}");
            assert_eq!(masked(text).len(), text.len());
        }
        for text in
            ["quay.io/a/b:1@sha256:00", "https://host:80/@scope/x", "https://host/a@b", "me@host", "a:1"]
        {
            assert_eq!(printable(text), text);
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
        fn any_range_of_any_text_can_be_shown(text in "[a-zß@/\r\n\u{1b}🔑 ]{0,400}", start in 0usize..500, length in 0usize..500) {
            let source = Source::new("f", &text);
            let snippet = source.location(&(start..start + length), "").snippet.unwrap();
            prop_assert!(snippet.text.get(snippet.span).is_some());
        }
    }
}
