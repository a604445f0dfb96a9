//! The words of a line of hosts, cut as a shell would (POSIX shell, 2.2 and 2.3): blanks separate, quotes and
//! backslashes protect, and an unprotected `#` begins a comment.

use std::ops::Range;

/// A word without its quotes, and the bytes of the text that it was written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub value: String,
    pub span: Range<usize>,
}

/// The words of `line`, which begins at byte `start` of the text.
///
/// # Errors
/// The byte at which a quote begins that has no end.
pub(super) fn split(line: &str, start: usize) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        let offset = start + at;
        match character {
            '#' => break,
            character if character.is_whitespace() => words.extend(word.take()),
            character => {
                let word = word.get_or_insert_with(|| Word { value: String::new(), span: offset..offset });
                match character {
                    '\'' | '"' => quoted(character, &mut characters, &mut word.value).ok_or(offset)?,
                    '\\' => word.value.extend(characters.next().map(|(_, next)| next)),
                    character => word.value.push(character),
                }
                word.span.end = start + line.len() - characters.as_str().len();
            }
        }
    }
    words.extend(word);
    Ok(words)
}

/// What stands before the next `quote`; `None` if there is none.
fn quoted(quote: char, characters: &mut std::str::CharIndices<'_>, value: &mut String) -> Option<()> {
    loop {
        match characters.next()?.1 {
            character if character == quote => return Some(()),
            // Within double quotes a backslash protects only what would end them, and itself.
            '\\' if quote == '"' => match characters.next()?.1 {
                next @ ('"' | '\\') => value.push(next),
                next => value.extend(['\\', next]),
            },
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(line: &str) -> Vec<String> {
        split(line, 0).unwrap().into_iter().map(|word| word.value).collect()
    }

    #[test]
    fn quotes_and_comments_are_those_of_a_shell() {
        for (line, words) in [
            ("a b=c", vec!["a", "b=c"]),
            ("a  b='c d' # e", vec!["a", "b=c d"]),
            (r#"a b="c \"d\" \n""#, vec!["a", r#"b=c "d" \n"#]),
            (r"a b=c\ d", vec!["a", "b=c d"]),
            ("a b=c#d", vec!["a", "b=c"]),
            ("a b=''", vec!["a", "b="]),
            ("# a", vec![]),
            ("a b='~/.ssh/id_rsa'", vec!["a", "b=~/.ssh/id_rsa"]),
        ] {
            assert_eq!(values(line), words, "{line}");
        }
        assert_eq!(split("a b='c", 10), Err(14));
        let words = split("a b='c d'  x", 100).unwrap();
        assert_eq!(words[1].span, 102..109);
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text in "[a-z #'\\\\\"=ß]{0,20}") {
            let quoted = format!("'{}'", text.replace('\'', r"'\''"));
            prop_assert_eq!(values(&quoted), [text]);
        }

        #[test]
        fn spans_lie_in_the_line(line in "[a-z #'\\\\\"=ß]{0,40}") {
            if let Ok(words) = split(&line, 0) {
                for word in words {
                    prop_assert!(line.get(word.span).is_some_and(|text| !text.is_empty()));
                }
            }
        }
    }
}
