//! Lines of text of somebody who may write anything: never longer than a limit.

use std::io::{self, BufRead, BufReader, Read};
use std::mem;

use super::MAX_PIECE;

/// Reads up to and including the next line break, or the end, or `limit` bytes; nothing at the end.
///
/// # Errors
/// Those of the reader.
pub fn read_line(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(limit as u64).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

/// Text as it is written, line by line; lines longer than [`MAX_PIECE`] come in pieces.
pub(super) struct Pieces<R> {
    reader: BufReader<R>,
    /// The beginning of a character that did not fit into the last piece.
    rest: Vec<u8>,
}

impl<R: Read> Pieces<R> {
    pub(super) fn of(reader: R) -> Self {
        Pieces { reader: BufReader::new(reader), rest: Vec::new() }
    }

    /// The next piece with its line break, if it ends with one; nothing at the end. What is no UTF-8 is replaced.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        let mut piece = mem::take(&mut self.rest);
        let room = MAX_PIECE - piece.len();
        if let Some(more) = read_line(&mut self.reader, room)? {
            piece.extend_from_slice(&more);
            if more.len() == room {
                self.rest = piece.split_off(piece.len() - unfinished(&piece));
            }
        }
        Ok((!piece.is_empty()).then(|| String::from_utf8_lossy(&piece).into_owned()))
    }
}

/// How many of the last bytes are the beginning of a UTF-8 character (RFC 3629, section 3) that goes on behind them.
fn unfinished(bytes: &[u8]) -> usize {
    let length = |lead: u8| match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let found = bytes.iter().rev().take(3).position(|byte| !matches!(byte, 0x80..=0xbf));
    found.filter(|before| length(bytes[bytes.len() - 1 - before]) > before + 1).map_or(0, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(bytes: &[u8]) -> Vec<String> {
        let mut pieces = Pieces::of(bytes);
        std::iter::from_fn(|| pieces.next().unwrap()).collect()
    }

    #[test]
    fn lines_come_one_by_one_and_as_they_are() {
        assert_eq!(pieces(b"a\r\n\nb"), ["a\r\n", "\n", "b"]);
        assert_eq!(pieces(b"\xff\n"), ["\u{fffd}\n"]);
        assert!(pieces(b"").is_empty());
    }

    #[test]
    fn no_line_is_read_beyond_its_limit() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert_eq!(read_line(&mut endless, 10).unwrap().unwrap().len(), 10);
    }

    proptest! {
        #[test]
        fn long_lines_are_cut_between_characters(character in "\\PC", before in 0usize..4) {
            let text = "x".repeat(MAX_PIECE - before) + &character.repeat(3) + "\nend";
            let pieces = pieces(text.as_bytes());
            prop_assert!(pieces.iter().all(|piece| piece.len() <= MAX_PIECE));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
