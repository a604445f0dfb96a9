//! What is sent: the manifest with its signatures, then the blobs, read from the bundle through the reader that checks
//! them.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::interrupted;
use crate::bundle::blob::BlobReader;
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result};
use crate::node::receive::stream::{self, BlobHead};
use crate::progress::{Event, Progress, Stage};
use crate::store::receive::Lacking;

/// Bytes that are skipped at once.
const BUFFER: usize = 256 << 10;

/// Bytes that are skipped between two signs of life: a slow medium takes less than half a minute for them.
const QUIET: u64 = 64 << 20;

/// The bytes in their order.
pub(super) struct Content<'a> {
    bundle: &'a Bundle<Verified>,
    /// What is sent before the next blob.
    text: Cursor<Vec<u8>>,
    blob: Option<Sending<'a>>,
    left: std::vec::IntoIter<Lacking>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    failure: Option<Error>,
}

/// A blob on its way.
struct Sending<'a> {
    reader: BlobReader<'a>,
    head: BlobHead,
    /// Bytes that the host has, and that are still to be skipped.
    present: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(
        bundle: &'a Bundle<Verified>,
        beginning: Vec<u8>,
        lacking: Vec<Lacking>,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Content<'a> {
        let (text, left) = (Cursor::new(beginning), lacking.into_iter());
        Content { bundle, text, blob: None, left, progress, stop, failure: None }
    }

    /// Why it could not be read to its end, if it could not.
    pub(super) fn into_result(self) -> Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            // Reading from memory does not fail.
            let count = self.text.read(buffer).unwrap_or_default();
            if count > 0 {
                return Ok(count);
            }
            if let Some(sending) = &mut self.blob {
                if sending.present > 0 {
                    self.text = Cursor::new(sending.skip()?);
                    continue;
                }
                let count = sending.reader.next_bytes(buffer)?;
                if count > 0 {
                    self.progress.event(Event::Advanced { stage: Stage::Push, bytes: count as u64 });
                    return Ok(count);
                }
                self.blob = None;
            }
            match self.left.next() {
                Some(lacking) => self.begin(lacking)?,
                None => return Ok(0),
            }
        }
    }

    fn begin(&mut self, Lacking { blob, offset }: Lacking) -> Result<()> {
        let reader = self.bundle.blob_reader(blob.digest)?;
        let head = BlobHead { blob: blob.digest, offset };
        if offset == 0 {
            self.text = Cursor::new(stream::line(&head));
        }
        self.blob = Some(Sending { reader, head, present: offset });
        Ok(())
    }
}

impl Sending<'_> {
    /// Skips a piece of what the host has: the line before the blob if that was the last one, else a sign of life. It is
    /// read all the same: the rest is right only if the whole is.
    fn skip(&mut self) -> Result<Vec<u8>> {
        let mut piece = self.present.min(QUIET);
        let mut buffer = vec![0; BUFFER.min(piece as usize)];
        while piece > 0 {
            let wanted = piece.min(buffer.len() as u64) as usize;
            let count = self.reader.next_bytes(&mut buffer[..wanted])? as u64;
            (piece, self.present) = (piece - count, self.present - count);
        }
        Ok(match self.present {
            0 => stream::line(&self.head),
            _ => b"\n".to_vec(),
        })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next_bytes(buffer).map_err(|error| {
            let told = io::Error::other(error.message().to_owned());
            self.failure = Some(error);
            told
        })
    }
}
