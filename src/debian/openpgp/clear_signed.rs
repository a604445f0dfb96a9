//! Splits a clear-signed message such as `InRelease` into text and signatures (RFC 9580, 7), as strictly as
//! apt: one message, signatures behind it, nothing before, between or after.
//!
//! Lines are taken whole, however long: readers that cut them could be made to see another message than the
//! one that was signed (CVE-2016-1252).

use super::armor;
use crate::error::{Error, Result, codes};

const BEGIN_MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// The largest message accepted, in bytes; that of Debian's unstable has 200 KiB.
const LARGEST: usize = 32 << 20;

/// A clear-signed message in its parts. Nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearSigned<'a> {
    /// The text as the signer meant it: dash escapes undone, white space at the ends of lines gone, as it
    /// is not signed. Lines end in `\n`, but the last one does not.
    pub text: Vec<u8>,
    /// The armored signatures.
    pub signatures: Vec<&'a [u8]>,
}

/// Splits `message`, which is called `name` in errors.
///
/// # Errors
/// [`codes::DEBIAN_UNSIGNED`] if it does not begin as a signed message, [`codes::DEBIAN_ENVELOPE`] if there is
/// text around the signed part or the frame is broken.
pub fn split<'a>(message: &'a [u8], name: &str) -> Result<ClearSigned<'a>> {
    if !first_line(message).0.eq(BEGIN_MESSAGE) {
        return Err(unsigned(name));
    }
    let refused = |reason: &str| {
        Error::new(codes::DEBIAN_ENVELOPE, format!("{name} {reason}")).with_help(
            "somebody may have tampered with it; fetch it again by another way, and tell the owners of the repository",
        )
    };
    if message.len() > LARGEST {
        return Err(refused("has more than 32 MiB"));
    }
    let body = skip_headers(first_line(message).1).map_err(refused)?;
    let (text, rest) = take_text(body).map_err(refused)?;
    let signatures = armor::blocks(rest, "PGP SIGNATURE")
        .ok_or_else(|| refused("has something besides one signed text and its signatures"))?;
    Ok(ClearSigned { text, signatures })
}

pub(super) fn unsigned(name: &str) -> Error {
    Error::new(codes::DEBIAN_UNSIGNED, format!("{name} is not signed")).with_help(
        "airlock takes packages from signed repositories only; ask the owners of the repository to sign it",
    )
}

/// The first line without white space at its end, and everything behind it.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', text).map_or(text.len(), |newline| newline + 1);
    (text[..end].trim_ascii_end(), &text[end..])
}

/// Steps over the armor headers and the empty line behind them. Only `Hash` is allowed (RFC 9580, 7.1).
fn skip_headers(mut text: &[u8]) -> Result<&[u8], &'static str> {
    while !text.is_empty() {
        let (line, rest) = first_line(text);
        text = rest;
        match line {
            b"" => return Ok(text),
            line if line.starts_with(b"Hash: ") => {}
            _ => return Err("has an unsigned header"),
        }
    }
    Err("ends before the signed text")
}

/// The text up to the first signature, and everything from there.
fn take_text(mut body: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    let mut text = Vec::with_capacity(body.len());
    while !body.is_empty() {
        let (line, rest) = first_line(body);
        let line = match line {
            BEGIN_SIGNATURE => {
                text.pop();
                return Ok((text, body));
            }
            // An empty escaped line loses the space of its escape with the other white space.
            b"-" => b"",
            [b'-', b' ', escaped @ ..] => escaped,
            [b'-', ..] => return Err("has a line with a dash that is not escaped"),
            line => line,
        };
        text.extend_from_slice(line);
        text.push(b'\n');
        body = rest;
    }
    Err("ends before its signature")
}
