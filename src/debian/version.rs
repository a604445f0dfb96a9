//! Version numbers of packages and their order (Debian Policy 5.6.12, deb-version(7)).

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The largest epoch dpkg accepts (the `INT_MAX` of its C).
const LARGEST_EPOCH: u32 = i32::MAX as u32;

/// A version `[epoch:]upstream[-revision]`, borrowed from the text it stands in.
///
/// Equal means that dpkg orders them equally: `1.0` equals `0:1.00-0`. What is printed is the text as it was.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    text: &'a str,
    epoch: u32,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a version by the rules of dpkg. Like dpkg, and unlike the letter of the policy, it accepts an
    /// upstream version that does not begin with a digit.
    ///
    /// # Errors
    /// [`codes::DEBIAN_VERSION`] for anything that dpkg would not install.
    pub fn parse(text: &'a str) -> Result<Self> {
        Self::parts(text).map_err(|reason| {
            Error::new(codes::DEBIAN_VERSION, format!("`{}` {reason}", quote(text))).with_help(
                "a version is `[epoch:]upstream[-revision]` of letters, digits and `.+-~`, such as `1:2.36-9+deb12u4`",
            )
        })
    }

    fn parts(text: &'a str) -> Result<Self, &'static str> {
        let (epoch, rest) = match text.split_once(':') {
            None => (0, text),
            Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            None => (rest, ""),
            Some((_, "")) => return Err("has nothing after its hyphen"),
            Some(parts) => parts,
        };
        if upstream.is_empty() {
            return Err("has no upstream version");
        }
        if !upstream.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+~:".contains(&byte)) {
            return Err("has a character that versions cannot have");
        }
        if !revision.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+~".contains(&byte)) {
            return Err("has a character that revisions cannot have");
        }
        Ok(Version { text, epoch, upstream, revision })
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The number before the first colon, 0 if there is none.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The part between epoch and revision.
    pub fn upstream(&self) -> &'a str {
        self.upstream
    }

    /// The part after the last hyphen; empty, which equals `0`, if there is none.
    pub fn revision(&self) -> &'a str {
        self.revision
    }
}

fn parse_epoch(text: &str) -> Result<u32, &'static str> {
    match text.parse::<u32>() {
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => Err("has an epoch that is not a number"),
        Ok(epoch) if epoch <= LARGEST_EPOCH => Ok(epoch),
        _ => Err("has an epoch that is missing or too large"),
    }
}

/// Compares two upstream versions or two revisions: by turns a stretch without digits and a number.
fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !(left.is_empty() && right.is_empty()) {
        let order = compare_text(&mut left, &mut right).then_with(|| compare_number(&mut left, &mut right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_text(left: &mut &[u8], right: &mut &[u8]) -> Ordering {
    loop {
        let (first, second) = (weight(left), weight(right));
        if first != second {
            return first.cmp(&second);
        }
        if first == END {
            return Ordering::Equal;
        }
        (*left, *right) = (&left[1..], &right[1..]);
    }
}

/// The weight of the end of a stretch without digits.
const END: i32 = 0;

/// How the first character sorts: `~` before the end, letters after it, everything else after letters.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        None | Some(b'0'..=b'9') => END,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Numbers may have any length, so the longer one without leading zeros is the greater one. None equals 0.
fn compare_number(left: &mut &[u8], right: &mut &[u8]) -> Ordering {
    let (first, second) = (take_number(left), take_number(right));
    first.len().cmp(&second.len()).then_with(|| first.cmp(second))
}

fn take_number<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().position(|byte| *byte != b'0').unwrap_or(number.len());
    &number[zeros..]
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.text == other.text {
            return Ordering::Equal;
        }
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_parts(self.upstream, other.upstream))
            .then_with(|| compare_parts(self.revision, other.revision))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

impl fmt::Display for Version<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text)
    }
}

impl fmt::Debug for Version<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, formatter)
    }
}

#[cfg(test)]
mod tests;
