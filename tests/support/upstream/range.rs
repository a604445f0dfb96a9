//! Byte ranges of a request (RFC 9110, section 14): one range, as every client of ours sends them.

/// What part of a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: no range, or one that we need not honour.
    Whole,
    /// `length` bytes from `start`.
    From { start: u64, length: u64 },
    /// A range that starts behind the end: 416.
    Unsatisfiable,
}

/// Reads the value of a `Range` header for a body of `size` bytes. What is malformed is ignored, as the RFC asks.
pub fn parse(value: &str, size: u64) -> Part {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(start), last) if start < size => {
            let end = last.unwrap_or(size - 1).min(size - 1);
            if end < start { Part::Whole } else { Part::From { start, length: end - start + 1 } }
        }
        (Some(_), _) => Part::Unsatisfiable,
        (None, Some(suffix)) if first.is_empty() && suffix > 0 && size > 0 => {
            let length = suffix.min(size);
            Part::From { start: size - length, length }
        }
        (None, Some(_)) if first.is_empty() => Part::Unsatisfiable,
        _ => Part::Whole,
    }
}
