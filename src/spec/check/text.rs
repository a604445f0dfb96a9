//! Single values: what YAML 1.1 would have read differently, control characters, and parsing with a place.

use std::str::FromStr;

use crate::error::{Error, Result, codes};
use crate::quote::{is_unprintable, quote};
use crate::spec::raw::Text;
use crate::spec::source::Source;

use super::refused;

/// Longest value of any key, in bytes. The longest that make sense are paths and URLs.
const MAX_LENGTH: usize = 4096;

/// The text of a value, if it means the same to every YAML parser.
///
/// # Errors
/// `E0104` for an unquoted number, truth value or similar; `E0105` for control characters
/// and absurd length.
pub(in crate::spec) fn text<'a>(source: &Source<'_>, text: &'a Text) -> Result<&'a str> {
    let value = text.value.as_str();
    // Only an unquoted value stands in the file exactly as it was read.
    let unquoted = source.text.get(text.span.clone()) == Some(value);
    if let Some(meaning) = misread(value).filter(|_| unquoted && source.is_yaml) {
        let message = format!("`{}` without quotes is {meaning} in YAML, but a text is meant", quote(value));
        return Err(source
            .error(codes::SPEC_TYPE, message, &text.span, "not a text")
            .with_help(format!("quote it: `\"{}\"`", quote(value))));
    }
    plain(source, text)
}

/// The text of a value that is a number, in quotes or not, or that has been taken for a text already.
///
/// # Errors
/// `E0105` for control characters, absurd length, and private keys.
pub(in crate::spec) fn plain<'a>(source: &Source<'_>, text: &'a Text) -> Result<&'a str> {
    let value = text.value.as_str();
    no_private_key(source, text)?;
    if value.len() > MAX_LENGTH {
        let message =
            format!("a value has {} bytes, more than the {MAX_LENGTH} that are allowed", value.len());
        return Err(refused(source, &text.span, message, "look for a missing quote or line break"));
    }
    if let Some(character) = value.chars().find(|character| is_unprintable(*character)) {
        let message =
            format!("`{}` holds the control character U+{:04X}", quote(value), u32::from(character));
        let help = "delete the character; a value is one line of plain text";
        return Err(refused(source, &text.span, message, help));
    }
    Ok(value)
}

/// Refuses a private key without repeating a byte of it; [`Source`] hides it in the snippet.
pub(in crate::spec) fn no_private_key(source: &Source<'_>, text: &Text) -> Result<()> {
    if !text.value.contains("PRIVATE KEY") {
        return Ok(());
    }
    Err(refused(
        source,
        &text.span,
        "a private key stands here",
        "delete it, and replace the key wherever it is in use: this file is copied and reviewed; if its public \
         half is meant, `gpg --armor --export KEY` prints that",
    ))
}

/// Parses a value and gives the error, if any, its place.
pub(in crate::spec) fn parsed<T: FromStr<Err = Error>>(source: &Source<'_>, value: &Text) -> Result<T> {
    located(source, value, text(source, value)?.parse())
}

/// Gives an error of a neighbouring module the place of the value it is about.
pub(in crate::spec) fn located<T>(source: &Source<'_>, value: &Text, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.with_location(source.location(&value.span, "")))
}

/// What a YAML 1.1 or 1.2 parser makes of a plain scalar, if that is not a text
/// (YAML 1.1 type repository; YAML 1.2.2, 10.3).
pub(in crate::spec) fn misread(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" => return Some("a truth value"),
        "" | "~" | "null" => return Some("nothing"),
        ".nan" | ".inf" | "+.inf" | "-.inf" => return Some("a number"),
        _ => {}
    }
    is_number(&value.replace('_', "")).then_some("a number")
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let radix = match digits.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0o" | "0O") => Some(8),
        Some("0b" | "0B") => Some(2),
        _ => None,
    };
    match radix {
        Some(radix) => digits.len() > 2 && digits[2..].chars().all(|digit| digit.is_digit(radix)),
        // Rust reads the same decimals as YAML, and in addition "inf" and "nan", which begin with a letter.
        None => digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.parse::<f64>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parsers_disagree_about_is_known() {
        for value in ["1", "1.30", "-1", "1e3", "0x10", "0o777", "0755", "1_000", ".5", "1.", ".inf"] {
            assert_eq!(misread(value), Some("a number"), "{value}");
        }
        for value in ["yes", "No", "ON", "y", "false"] {
            assert_eq!(misread(value), Some("a truth value"), "{value}");
        }
        for value in ["1.2.3", "v1.30", "infinity", "nan", "0xyz", "0x", "node", "2026-11", ".", "-", "+"] {
            assert_eq!(misread(value), None, "{value}");
        }
    }
}
