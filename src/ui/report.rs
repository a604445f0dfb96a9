//! Prints errors: the one place that does (design: errors and exit codes).

mod json;
mod snippet;

use std::io::Write;

pub use self::json::kind_name;

use super::text::{escape, escape_block};
use crate::error::{Error, Location};

/// How errors and warnings look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text without colour.
    Plain,
    /// Text with colour.
    Coloured,
    /// One JSON object per line.
    Json,
}

/// Writes `error` to `out`. `exit` is the status the process will end with.
///
/// That this fails cannot be reported anywhere, so failing is ignored.
pub fn print(out: &mut dyn Write, error: &Error, exit: u8, style: Style) {
    let text = match style {
        Style::Json => json::render(error, exit),
        Style::Plain => render(error, Palette::PLAIN),
        Style::Coloured => render(error, Palette::COLOURED),
    };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Escape sequences around the parts of a message; all empty without colour.
#[derive(Clone, Copy)]
struct Palette {
    error: &'static str,
    note: &'static str,
    help: &'static str,
    bold: &'static str,
    reset: &'static str,
}

impl Palette {
    const PLAIN: Palette = Palette { error: "", note: "", help: "", bold: "", reset: "" };
    const COLOURED: Palette = Palette {
        error: "\u{1b}[1;31m",
        note: "\u{1b}[1;34m",
        help: "\u{1b}[1;36m",
        bold: "\u{1b}[1m",
        reset: "\u{1b}[0m",
    };
}

fn render(error: &Error, palette: Palette) -> String {
    let Palette { error: red, bold, reset, .. } = palette;
    let place = error.location().map(|location| format!(" ({})", place(location))).unwrap_or_default();
    let message = escape(error.message());
    let mut text = format!("{red}error[{}]{reset}{bold}: {message}{place}{reset}\n", error.code());
    if let Some(snippet) = error.location().and_then(|location| location.snippet.as_ref()) {
        text.push_str(&snippet::render(snippet, !reset.is_empty()));
    }
    for detail in error.details() {
        text.push_str(&labelled("note", palette.note, reset, detail));
    }
    for cause in error.causes() {
        text.push_str(&labelled("caused by", palette.note, reset, &cause));
    }
    if let Some(help) = error.help() {
        text.push_str(&labelled("help", palette.help, reset, help));
    }
    text
}

fn labelled(label: &str, colour: &str, reset: &str, text: &str) -> String {
    let indent = label.len() + ": ".len();
    format!("{colour}{label}{reset}: {}\n", escape_block(text, indent))
}

fn place(location: &Location) -> String {
    format!("{}:{}:{}", escape(&location.file), location.line, location.column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Snippet, codes};

    fn printed(error: &Error, style: Style) -> String {
        let mut out = Vec::new();
        print(&mut out, error, error.kind().exit_status(), style);
        String::from_utf8(out).unwrap()
    }

    fn spec_error() -> Error {
        let text = "images:\n  - nginx\n  - redis:7".to_owned();
        let span = text.find("nginx").map(|start| start..start + 5).unwrap();
        let snippet = Snippet { text, first_line: 13, span, label: "no tag".to_owned() };
        let location =
            Location { file: "bundle.yaml".to_owned(), line: 14, column: 5, snippet: Some(snippet) };
        Error::new(codes::IMAGE_REFERENCE, "`nginx` has neither tag nor digest")
            .with_location(location)
            .with_detail("a moving tag is pinned by bundle.lock")
            .with_help("name the version:\nnginx:1.29")
    }

    #[test]
    fn every_part_of_an_error_has_its_place() {
        insta::assert_snapshot!(printed(&spec_error(), Style::Plain), @r"
        error[E0110]: `nginx` has neither tag nor digest (bundle.yaml:14:5)
           |
        13 | images:
        14 |   - nginx
           |     ^^^^^ no tag
        15 |   - redis:7
           |
        note: a moving tag is pinned by bundle.lock
        help: name the version:
              nginx:1.29
        ");
    }

    #[test]
    fn causes_follow_from_the_outside_in() {
        let error = Error::new(codes::OUTPUT, "writing `a.tar` failed").with_source(
            Error::new(codes::INTERNAL, "flushing").with_source(std::io::Error::other("disk\nfull")),
        );
        insta::assert_snapshot!(printed(&error, Style::Plain), @r"
        error[E0004]: writing `a.tar` failed
        caused by: flushing
        caused by: disk
                   full
        ");
    }

    #[test]
    fn colour_adds_sequences_and_changes_no_word() {
        let coloured = printed(&spec_error(), Style::Coloured);
        assert!(coloured.starts_with("\u{1b}[1;31merror[E0110]\u{1b}[0m"));
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            bare.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        bare.push_str(rest);
        assert_eq!(bare, printed(&spec_error(), Style::Plain));
    }

    #[test]
    fn foreign_strings_cannot_steer_the_terminal() {
        let text = "files:\n  - \u{1b}]0;owned\u{7}\u{9b}31m\u{202e}".to_owned();
        let snippet =
            Snippet { span: 11..text.len(), text, first_line: 1, label: "\u{1b}[1mlabel".to_owned() };
        let location =
            Location { file: "\u{1b}[31m.yaml".to_owned(), line: 2, column: 5, snippet: Some(snippet) };
        let error = Error::new(codes::SPEC_VALUE, "no file `\u{1b}[2J`\nerror[E0001]: forged")
            .with_location(location)
            .with_detail("\u{1b}[8m")
            .with_source(std::io::Error::other("\u{1b}[8m\u{9b}"))
            .with_help("rm '\u{1b}[8m'");
        for style in [Style::Plain, Style::Json] {
            let text = printed(&error, style);
            let unsafe_character =
                |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
            assert!(!text.contains(unsafe_character), "{text:?}");
            assert!(!text.contains("\nerror["), "{text}");
        }
    }

    #[test]
    fn json_carries_the_same_as_fields() {
        let line = printed(&spec_error(), Style::Json);
        assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "code": "E0110", "kind": "badInput", "exit": 3,
                "message": "`nginx` has neither tag nor digest",
                "file": "bundle.yaml", "line": 14, "column": 5,
                "details": ["a moving tag is pinned by bundle.lock"],
                "causes": [], "help": "name the version:\nnginx:1.29",
            })
        );
    }
}
