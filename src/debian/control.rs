//! Control files: stanzas of `Name: value` fields (Debian Policy 5.1, deb822(5)).
//!
//! Nothing is copied: stanzas and fields are slices of the text, so a stanza can be written again exactly as
//! it was. As in apt, only an empty line ends a stanza, and values may have any bytes.

use crate::error::{Error, Result, codes};

/// The largest stanza accepted, in bytes. The largest ones in Debian, of Rust's windows bindings, have 100 KiB.
const LARGEST_STANZA: usize = 4 << 20;

/// One stanza of a control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a> {
    text: &'a [u8],
    offset: usize,
}

/// One field of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was written; compare without regard to case.
    pub name: &'a [u8],
    /// Everything behind the colon, continuation lines included, without white space at either end.
    pub value: &'a [u8],
    /// The whole field as it was written, with its last newline if there is one.
    pub text: &'a [u8],
}

/// The stanzas of `text`, in order.
pub fn stanzas(text: &[u8]) -> Stanzas<'_> {
    Stanzas { text, offset: 0 }
}

/// The stanzas of `text` by pieces of about `size` bytes, for as many threads. One after the other they give what
/// [`stanzas`] gives.
pub fn stanzas_by_pieces(text: &[u8], size: usize) -> Vec<Stanzas<'_>> {
    let mut pieces = Vec::new();
    let mut offset = 0;
    while offset < text.len() {
        let middle = offset.saturating_add(size.max(1)).min(text.len());
        let end = middle + stanza_length(&text[middle..]);
        pieces.push(Stanzas { text: &text[..end], offset });
        offset = end;
    }
    pieces
}

/// Iterates over the stanzas of a text. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Stanzas<'a> {
    text: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_empty_lines();
        let rest = &self.text[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let stanza = Stanza { text: &rest[..stanza_length(rest)], offset: self.offset };
        if stanza.text.len() > LARGEST_STANZA {
            self.offset = self.text.len();
            return Some(Err(stanza.error(0, "is in a stanza of more than 4 MiB")));
        }
        self.offset += stanza.text.len();
        Some(Ok(stanza))
    }
}

impl Stanzas<'_> {
    fn skip_empty_lines(&mut self) {
        while let Some(b'\n' | b'\r') = self.text.get(self.offset) {
            self.offset += 1;
        }
    }
}

/// How many bytes belong to the stanza that `text` begins with, its last newline included.
fn stanza_length(text: &[u8]) -> usize {
    for newline in memchr::memchr_iter(b'\n', text) {
        match &text[newline + 1..] {
            [b'\n', ..] | [b'\r', b'\n', ..] => return newline + 1,
            _ => {}
        }
    }
    text.len()
}

impl<'a> Stanza<'a> {
    /// The bytes of the stanza, with the newline of its last line if there is one.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where it begins, in bytes from the start of the control file.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The fields, in order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { stanza: *self, position: 0 }
    }

    /// The value of the field called `name`, in whatever case; if there are several the last, as in apt.
    ///
    /// # Errors
    /// If a line is no field.
    pub fn field(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let mut value = None;
        for field in self.fields() {
            let field = field?;
            if field.name.eq_ignore_ascii_case(name.as_bytes()) {
                value = Some(field.value);
            }
        }
        Ok(value)
    }

    fn error(&self, position: usize, reason: &str) -> Error {
        let line: &[u8] = self.text[position..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let shown = line[..line.len().min(60)].escape_ascii();
        Error::new(
            codes::DEBIAN_CONTROL,
            format!("the line `{shown}` at byte {} {reason}", self.offset + position),
        )
        .with_help("this is not a Debian control file, or it is damaged; fetch it again")
    }
}

/// Iterates over the fields of a stanza. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    stanza: Stanza<'a>,
    position: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.stanza.text[self.position..];
        if rest.is_empty() {
            return None;
        }
        let length = field_length(rest);
        let Some(colon) = colon(&rest[..length]) else {
            let error = self.stanza.error(self.position, "is not a field");
            self.position = self.stanza.text.len();
            return Some(Err(error));
        };
        self.position += length;
        let (name, value) = (&rest[..colon], rest[colon + 1..length].trim_ascii());
        Some(Ok(Field { name, value, text: &rest[..length] }))
    }
}

/// How many bytes belong to the field that `text` begins with, continuation lines included.
fn field_length(text: &[u8]) -> usize {
    for newline in memchr::memchr_iter(b'\n', text) {
        if !matches!(text.get(newline + 1), Some(b' ' | b'\t')) {
            return newline + 1;
        }
    }
    text.len()
}

/// Where the name of a field ends. Names are printable ASCII without spaces, never empty (Policy 5.1).
fn colon(line: &[u8]) -> Option<usize> {
    let end = line.iter().position(|byte| !byte.is_ascii_graphic() || *byte == b':')?;
    (end > 0 && line[end] == b':').then_some(end)
}

#[cfg(test)]
mod tests;
