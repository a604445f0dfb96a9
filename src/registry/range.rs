//! Ranges of bytes, in both directions: `Range` of a download (RFC 9110, 14) and `Content-Range` of a chunk
//! that is uploaded (distribution-spec, "Pushing a blob in chunks").

use crate::quote::quote;
use crate::registry::refusal::{Reason, Refusal};

/// What of a blob is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    All,
    /// From the first to the last byte, both within the blob.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing that there is.
    Nothing,
}

impl Wanted {
    /// What the header asks of a blob of `length` bytes.
    ///
    /// As RFC 9110 demands, what is not understood counts as no header at all; several ranges may be answered
    /// with everything, and are. A range that ends before it begins is refused, not ignored: so the
    /// conformance suite wants it.
    pub fn parse(header: Option<&str>, length: u64) -> Wanted {
        let Some((first, last)) = header.and_then(single_range) else { return Wanted::All };
        let (first, last) = match (number(first), number(last)) {
            (Some(first), Some(last)) => (first, last.min(length.saturating_sub(1))),
            (Some(first), None) if last.is_empty() => (first, length.saturating_sub(1)),
            (None, Some(suffix)) if first.is_empty() && suffix > 0 => {
                (length.saturating_sub(suffix), length.saturating_sub(1))
            }
            (None, Some(_)) if first.is_empty() => return Wanted::Nothing,
            _ => return Wanted::All,
        };
        if first > last || first >= length { Wanted::Nothing } else { Wanted::Part { first, last } }
    }
}

fn single_range(header: &str) -> Option<(&str, &str)> {
    let (unit, range) = header.trim().split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    unit.eq_ignore_ascii_case("bytes").then_some((first.trim(), last.trim()))
}

/// Digits only; more than a `u64` holds is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Where the bytes of a chunk belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first byte.
    pub first: u64,
    /// How many there are.
    pub length: u64,
}

impl Chunk {
    /// Understands `Content-Range: 0-1023`; `bytes 0-1023/*`, which HTTP has, means the same.
    ///
    /// # Errors
    /// A refusal if the header is neither.
    pub fn parse(header: &str) -> Result<Chunk, Refusal> {
        let range = header.trim();
        let range = range.strip_prefix("bytes").map_or(range, |rest| rest.trim_start_matches([' ', '=']));
        let range = range.split('/').next().unwrap_or_default();
        let ends = range.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
        match ends {
            Some((first, last)) if first <= last && last < u64::MAX => {
                Ok(Chunk { first, length: last - first + 1 })
            }
            _ => {
                let message = format!("the header Content-Range is `{}`, which is no range", quote(header));
                Err(Refusal::new(Reason::BlobUploadInvalid, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_those_of_the_conformance_suite() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, length, expected) in [
            ("bytes=500-1499", 2000, part(500, 1499)),
            ("bytes=500-", 2000, part(500, 1999)),
            ("bytes=-500", 2000, part(1500, 1999)),
            ("bytes=-5000", 2000, part(0, 1999)),
            ("bytes=500-9999", 2000, part(500, 1999)),
            ("bytes=0-0", 1, part(0, 0)),
            ("Bytes= 1 - 2 ", 3, part(1, 2)),
            ("bytes=500-0", 2000, Wanted::Nothing),
            ("bytes=2000-", 2000, Wanted::Nothing),
            ("bytes=-0", 2000, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=99999999999999999999-", 2000, Wanted::Nothing),
            ("bytes=0-99999999999999999999", 2000, part(0, 1999)),
            ("bytes=0-1,5-6", 2000, Wanted::All),
            ("items=0-1", 2000, Wanted::All),
            ("bytes=-", 2000, Wanted::All),
            ("bytes=a-b", 2000, Wanted::All),
            ("", 2000, Wanted::All),
        ] {
            assert_eq!(Wanted::parse(Some(header), length), expected, "{header} of {length}");
        }
        assert_eq!(Wanted::parse(None, 0), Wanted::All);
    }

    #[test]
    fn chunks_say_where_they_belong() {
        for header in ["5-9", "bytes 5-9/*", "bytes=5-9", " 5-9 "] {
            assert_eq!(Chunk::parse(header).unwrap(), Chunk { first: 5, length: 5 }, "{header}");
        }
        for header in ["", "5", "9-5", "-5", "5-", "a-b", "0-18446744073709551615", "bytes */7"] {
            assert_eq!(Chunk::parse(header).expect_err(header).reason, Reason::BlobUploadInvalid);
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_blob(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", length in 0..3000_u64) {
            if let Wanted::Part { first, last } = Wanted::parse(Some(&header), length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn nothing_makes_it_panic(header in any::<String>(), length in any::<u64>()) {
            let _ = Wanted::parse(Some(&header), length);
            let _ = Chunk::parse(&header);
        }
    }
}
