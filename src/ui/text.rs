//! Foreign text in what is printed: blocks of several lines, and JSON. Single values go through [`escape`].

use serde::Serialize;

pub use crate::quote::escape;
use crate::quote::is_unprintable;

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
        if is_unprintable(character) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn further_lines_are_indented() {
        assert_eq!(escape_block("first\nhelp: forged\r\n", 4), "first\n    help: forged");
        assert_eq!(escape_block("first\nsecond\u{1b}[0m", 2), "first\n  second\\u{1b}[0m");
    }

    proptest! {
        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let line = json_line(&text).unwrap();
            prop_assert!(!line.contains(is_unprintable));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
