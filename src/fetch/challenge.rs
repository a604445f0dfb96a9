//! The `WWW-Authenticate` header (RFC 9110, 11.6.1): what a server wants before it answers.
//!
//! There may be several headers with several challenges each, and commas both between challenges and
//! between the parameters of one, so the text is read character by character.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// Longest header that is read; nobody needs more, and it is held in memory.
const LONGEST: usize = 16 << 10;

/// One way to get in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `bearer` or `basic`, in lower case.
    pub(super) scheme: String,
    /// Parameters by their names in lower case.
    pub(super) parameters: BTreeMap<String, String>,
}

/// All challenges of an answer, in order.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter(|value| value.len() <= LONGEST)
        .flat_map(|value| parse(&String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut rest = text.chars().peekable();
    let mut found: Vec<Challenge> = Vec::new();
    loop {
        skip(&mut rest, |character| character == ',' || character.is_whitespace());
        let word = take(&mut rest, is_token).to_ascii_lowercase();
        if word.is_empty() {
            // Neither a word nor the end: not a header we understand any further.
            return found;
        }
        let spaces = skip(&mut rest, |character| character == ' ');
        match (rest.peek(), found.last_mut()) {
            (Some('='), Some(challenge)) => {
                rest.next();
                skip(&mut rest, char::is_whitespace);
                let value = value(&mut rest);
                challenge.parameters.insert(word, value);
            }
            _ => {
                found.push(Challenge { scheme: word, ..Challenge::default() });
                if spaces > 0 {
                    skip_token68(&mut rest);
                }
            }
        }
    }
}

/// Some schemes carry one opaque word instead of parameters (`Negotiate YII=`).
fn skip_token68(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    let word = take(&mut ahead, |character| is_token(character) || character == '/');
    skip(&mut ahead, |character| character == '=');
    skip(&mut ahead, char::is_whitespace);
    if !word.is_empty() && matches!(ahead.peek(), None | Some(',')) {
        *rest = ahead;
    }
}

/// A quoted string with its backslashes resolved, or a bare word.
fn value(rest: &mut Peekable<Chars<'_>>) -> String {
    if rest.next_if_eq(&'"').is_none() {
        return take(rest, |character| character != ',' && !character.is_whitespace());
    }
    let mut value = String::new();
    while let Some(character) = rest.next() {
        match character {
            '"' => break,
            '\\' => value.extend(rest.next()),
            other => value.push(other),
        }
    }
    value
}

fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

fn take(rest: &mut Peekable<Chars<'_>>, wanted: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| rest.next_if(|&character| wanted(character))).collect()
}

fn skip(rest: &mut Peekable<Chars<'_>>, unwanted: impl Fn(char) -> bool) -> usize {
    std::iter::from_fn(|| rest.next_if(|&character| unwanted(character))).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Challenge { scheme: scheme.to_owned(), parameters }
    }

    #[test]
    fn challenges_of_registries_and_difficult_ones_are_read() {
        for (text, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![challenge(
                    "bearer",
                    &[
                        ("realm", "https://auth.docker.io/token"),
                        ("service", "registry.docker.io"),
                        ("scope", "repository:a/b:pull,push"),
                    ],
                )],
            ),
            ("Basic", vec![challenge("basic", &[])]),
            (
                r#"Negotiate YII=, BASIC realm="a \"b\", c" , Bearer realm=https://x/t,Service = y"#,
                vec![
                    challenge("negotiate", &[]),
                    challenge("basic", &[("realm", "a \"b\", c")]),
                    challenge("bearer", &[("realm", "https://x/t"), ("service", "y")]),
                ],
            ),
            (
                "Negotiate, Basic realm=x",
                vec![challenge("negotiate", &[]), challenge("basic", &[("realm", "x")])],
            ),
            (r#"Bearer realm="unclosed"#, vec![challenge("bearer", &[("realm", "unclosed")])]),
            ("", vec![]),
            ("=", vec![]),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_or_hangs(text in "[a-z=,\" \\\\/]{0,60}|\\PC*") {
            let _ = parse(&text);
        }
    }
}
