//! Texts of several lines in the lock: as literal blocks (YAML 1.2.2, 8.1.2), so that a change of one line is a
//! difference of one line.

use serde::{Serialize, Serializer};
use serde_saphyr::LitStr;

/// Writes a text as a literal block if that gives it back byte for byte, else as an ordinary scalar.
pub(super) fn as_block<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if fits_a_block(text) { LitStr(text).serialize(serializer) } else { serializer.serialize_str(text) }
}

/// Blocks know no escapes, tell indentation from text by the first line, and drop what comes after the last.
fn fits_a_block(text: &str) -> bool {
    let is_plain = |character: char| {
        character == '\t'
            || !(character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    let fits = |line: &str| line.chars().all(is_plain) && (line.is_empty() || !line.trim().is_empty());
    let Some(lines) = text.strip_suffix('\n') else { return false };
    !lines.starts_with(char::is_whitespace)
        && !lines.is_empty()
        && !lines.ends_with('\n')
        && lines.split('\n').all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Entry {
        #[serde(serialize_with = "as_block")]
        text: String,
        after: u8,
    }

    fn written(text: &str) -> String {
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let entries =
            vec![Entry { text: text.to_owned(), after: 1 }, Entry { text: text.to_owned(), after: 2 }];
        serde_saphyr::to_string_with_options(&entries, options).unwrap()
    }

    #[track_caller]
    fn assert_same(text: &str) {
        let yaml = written(text);
        let back: Vec<Entry> =
            serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(back.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), [text, text], "{yaml}");
    }

    #[test]
    fn a_stanza_stands_there_line_by_line() {
        insta::assert_snapshot!(written("Package: a\nDescription: x: y # z\n .\n  - \"more\"\n"), @r#"
        - text: |
            Package: a
            Description: x: y # z
             .
              - "more"
          after: 1
        - text: |
            Package: a
            Description: x: y # z
             .
              - "more"
          after: 2
        "#);
    }

    #[test]
    fn odd_texts_come_back_as_they_were() {
        let texts = [
            "",
            "\n",
            "a",
            "a\n\n",
            " a\n",
            "\ta\n",
            "a\r\nb\n",
            "a\n \nb\n",
            "a \nb\t\n",
            "a\n\n\nb\n",
            "\u{85}\n",
            "a\n--- b\n...\n",
            "# a\n",
            "a\u{2028}b\n",
            "\u{feff}a\n",
            "a\n\tb\n",
            "- a\n",
            "a: |\n  b\n",
            "%a\n",
            "null\n",
        ];
        texts.into_iter().for_each(assert_same);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "([a-z :#|>'\"\\\\\\-\\.\\t]|[\r\n\n\n]|\\PC|.)*") {
            assert_same(&text);
        }
    }
}
