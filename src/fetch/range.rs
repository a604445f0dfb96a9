//! The `Content-Range` header (RFC 9110, 14.4).

/// What a server says about the part it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// First and last byte sent; none if the range asked for does not exist.
    pub(super) part: Option<(u64, u64)>,
    /// Length of the whole, where the server knows it.
    pub(super) whole: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 0-4/10`, `bytes 0-4/*` or `bytes */10`.
    pub(super) fn parse(text: &str) -> Option<ContentRange> {
        let (part, whole) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
        let whole = if whole == "*" { None } else { Some(number(whole)?) };
        if part == "*" {
            return whole.map(|_| ContentRange { part: None, whole });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let sound = first <= last && whole.is_none_or(|whole| last < whole);
        sound.then_some(ContentRange { part: Some((first, last)), whole })
    }
}

/// Digits only: `parse` of the standard library would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_are_read_and_nonsense_is_not() {
        let range = |part, whole| Some(ContentRange { part, whole });
        for (text, expected) in [
            ("bytes 0-4/10", range(Some((0, 4)), Some(10))),
            ("bytes 5-9/*", range(Some((5, 9)), None)),
            ("bytes */10", range(None, Some(10))),
            ("bytes */*", None),
            ("bytes 5-4/10", None),
            ("bytes 5-10/10", None),
            ("bytes +5-9/10", None),
            ("bytes -9/10", None),
            ("items 0-4/10", None),
            ("bytes 0-99999999999999999999/*", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "bytes [0-9*/ -]{0,30}|\\PC*") {
            let _ = ContentRange::parse(&text);
        }
    }
}
