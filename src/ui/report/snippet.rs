//! Shows the lines of a user's file that an error is about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer};

use crate::error::Snippet;
use crate::ui::text::escape;

/// The lines with their numbers and an underline, each ending in a line break.
///
/// `annotate-snippets` writes control characters of the source as pictures; those it leaves alone (C1
/// controls) are replaced here by characters of the same length, so that the span stays right.
pub(super) fn render(snippet: &Snippet, coloured: bool) -> String {
    let source = snippet.text.replace(is_c1, "\u{b7}");
    let label = escape(&snippet.label);
    let mut annotation = AnnotationKind::Primary.span(clamp(&source, &snippet.span));
    if !label.is_empty() {
        annotation = annotation.label(label.as_ref());
    }
    let lines = annotate_snippets::Snippet::source(source.as_str())
        .line_start(snippet.first_line)
        .fold(false)
        .annotation(annotation);
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[Group::with_level(Level::ERROR).element(lines)]) + "\n"
}

fn is_c1(character: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&character)
}

/// The span moved onto character boundaries inside the text: a span that is wrong must not hide the error.
fn clamp(text: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let boundary =
        |index: usize| (0..=index.min(text.len())).rev().find(|index| text.is_char_boundary(*index));
    let start = boundary(span.start).unwrap_or(0);
    start..boundary(span.end).unwrap_or(0).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_span_does_not_panic() {
        for span in [0..100, 50..60, 3..3, 2..3] {
            let snippet =
                Snippet { text: "größe: 1".to_owned(), first_line: 7, span, label: String::new() };
            assert!(render(&snippet, false).contains("größe"));
        }
    }
}
