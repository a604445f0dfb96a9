//! How text that others wrote is repeated in messages: on one line, without control characters, without
//! passwords, and never at length.
//!
//! A file name, an image tag or the answer of a server may hold escape sequences that recolour, retitle or
//! rewrite a terminal, line breaks that forge a line of a log, or a password somebody typed into a URL.

use std::borrow::Cow;
use std::ops::Range;

/// Longest piece of a value that a message quotes, in characters.
const LONGEST_QUOTE: usize = 80;

/// A value as a message may quote it: escaped, user information replaced by `*`, cut at 80 characters.
pub fn quote(text: &str) -> String {
    shorten(&hide_credentials(text), LONGEST_QUOTE)
}

/// The same text with control characters and bidirectional overrides written out: `\n`, `\t`, `\u{1b}`.
///
/// Everything else, including other scripts and backslashes, is left alone, so a text that is harmless
/// already comes back unchanged and unallocated.
pub fn escape(text: &str) -> Cow<'_, str> {
    match text.contains(is_unprintable) {
        true => Cow::Owned(escaped_characters(text).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Escapes like [`escape`], and cuts what is longer than `limit` characters.
pub fn shorten(text: &str, limit: usize) -> String {
    let mut characters = escaped_characters(text);
    let mut shown: String = characters.by_ref().take(limit).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn escaped_characters(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(|character| {
        let escape = is_unprintable(character).then(|| character.escape_default());
        let plain = escape.is_none().then_some(character);
        plain.into_iter().chain(escape.into_iter().flatten())
    })
}

/// Control characters, line separators, and the invisible characters that join or reorder others (UAX #9).
pub fn is_unprintable(character: char) -> bool {
    let joins_or_reorders = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let breaks_the_line = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || joins_or_reorders || breaks_the_line
}

/// `text` with unprintable characters and user information replaced byte for byte, so that offsets into it
/// still fit. Tabs stay.
pub(crate) fn mask(text: &str) -> String {
    let printable = |character: char| !is_unprintable(character) || character == '\t';
    let mask = |character: char| match printable(character) {
        true => character.to_string(),
        false => "?".repeat(character.len_utf8()),
    };
    hide_credentials(text).chars().map(mask).collect()
}

/// Whether `text` holds what looks like a user name and password before an `@`.
pub(crate) fn has_credentials(text: &str) -> bool {
    !credentials(text).is_empty()
}

/// `text` with every byte of user information replaced by `*`.
fn hide_credentials(text: &str) -> Cow<'_, str> {
    let secrets = credentials(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    for secret in secrets {
        hidden.push_str(&text[hidden.len()..secret.start]);
        hidden.push_str(&"*".repeat(secret.len()));
    }
    hidden.push_str(&text[hidden.len()..]);
    Cow::Owned(hidden)
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
    let end = word.rmatch_indices('@').map(|(at, _)| at).find(|at| !is_digest(&word[at + 1..]))?;
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

/// Whether what follows an `@` pins an image (OCI image-spec, "Digests": the registered algorithms).
fn is_digest(text: &str) -> bool {
    ["sha256:", "sha384:", "sha512:"].iter().any(|algorithm| text.starts_with(algorithm))
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
            assert_eq!(quote(foreign), shown);
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(quote(&"é".repeat(300)).chars().count(), LONGEST_QUOTE + 1);
        assert_eq!(quote(&"\u{7}".repeat(300)).chars().count(), LONGEST_QUOTE + 1);
        assert_eq!(shorten("four", 4), "four");
        assert_eq!(shorten("three", 4), "thre…");
    }

    #[test]
    fn user_information_is_found_in_every_form() {
        for text in [
            "https://user:hunter2@host/p",
            "https://user:hun/ter2@host/p",
            "[user:hunter2@mirror.lab:5000]",
            "one:hunter2@a two:hunter2@b",
            &format!("https://user:{}hunter2@host", "x".repeat(300)),
        ] {
            assert!(!quote(text).contains("ter2"), "{text}");
            assert!(!mask(text).contains("ter2"), "{text}");
            assert_eq!(mask(text).len(), text.len());
        }
        for text in [
            "quay.io/a/b:1@sha256:00",
            "quay.io/a/b:1@sha512:00",
            "https://host:80/@scope/x",
            "https://host/a@b",
            "me@host",
            "a:1",
        ] {
            assert_eq!(quote(text), text);
        }
    }

    proptest! {
        #[test]
        fn escaped_text_steers_nothing_and_stays_the_same_when_escaped_again(text in any::<String>()) {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.contains(is_unprintable));
            prop_assert_eq!(escape(&escaped), escaped.as_str());
        }

        #[test]
        fn a_masked_text_keeps_its_offsets(text in "[a-z:@/ \u{1b}\u{202e}ß\"]{0,60}") {
            let masked = mask(&text);
            prop_assert_eq!(masked.len(), text.len());
            prop_assert!(!masked.contains(is_unprintable));
        }
    }
}
