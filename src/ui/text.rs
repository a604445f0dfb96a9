//! Makes foreign strings harmless before they are printed.
//!
//! A file name, an image tag or the answer of a server may hold escape sequences that recolour, retitle or
//! rewrite a terminal, or line breaks that forge a line of a log.

use std::borrow::Cow;

use serde::Serialize;

/// The same text with control characters and bidirectional overrides written out: `\n`, `\t`, `\u{1b}`.
///
/// Everything else, including other scripts and backslashes, is left alone, so a text that is harmless
/// already comes back unchanged and unallocated.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Escapes like [`escape`] but keeps line breaks, and indents every line after the first by `indent`
/// spaces: no foreign line can begin where one of ours would.
pub fn escape_block(text: &str, indent: usize) -> String {
    let separator = format!("\n{:indent$}", "");
    text.trim_end().split('\n').map(escape).collect::<Vec<_>>().join(&separator)
}

/// `value` as JSON on one line. Characters that could steer a terminal are written as `\uXXXX`, which
/// changes nothing for a JSON reader.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escape_json(&serde_json::to_string(value)?))
}

/// `value` as indented JSON with a final line break; otherwise like [`json_line`].
pub fn json_document(value: &impl Serialize) -> serde_json::Result<String> {
    let mut document = String::new();
    for line in serde_json::to_string_pretty(value)?.lines() {
        document.push_str(&escape_json(line));
        document.push('\n');
    }
    Ok(document)
}

fn escape_json(json: &str) -> String {
    // Unsafe characters can only stand inside string literals, and all of them are below U+10000.
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, character| {
        if is_unsafe(character) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

fn is_unsafe(character: char) -> bool {
    let reorders = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks_the_line = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || reorders || breaks_the_line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_written_out() {
        for (foreign, shown) in [
            ("plain name", "plain name"),
            ("größe-箱", "größe-箱"),
            ("a\nerror: forged", "a\\nerror: forged"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("exe\u{202e}gpj", "exe\\u{202e}gpj"),
            ("C:\\x", "C:\\x"),
        ] {
            assert_eq!(escape(foreign), shown);
        }
    }

    #[test]
    fn further_lines_are_indented() {
        assert_eq!(escape_block("first\nhelp: forged\r\n", 4), "first\n    help: forged");
        assert_eq!(escape_block("first\nsecond\u{1b}[0m", 2), "first\n  second\\u{1b}[0m");
    }

    proptest! {
        #[test]
        fn escaped_text_steers_nothing_and_stays_the_same_when_escaped_again(text in any::<String>()) {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.contains(is_unsafe));
            prop_assert_eq!(escape(&escaped), escaped.as_str());
        }

        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let line = json_line(&text).unwrap();
            prop_assert!(!line.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
