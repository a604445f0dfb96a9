//! The bytes of a blob on their way from its source into a request: read on a thread of their own, a few pieces ahead
//! of the network, and the last of them only when all were found to be right.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use reqwest::Body;
use tokio::sync::mpsc::{Receiver, channel};

use super::source::Source;
use crate::bundle::manifest::Blob;
use crate::error::{Error, Result, codes};
use crate::fetch::Long;
use crate::progress::{Event, Progress, Stage};

/// How much is read at once, in bytes.
const PIECE: u64 = 256 << 10;

/// How many pieces wait for the network.
const AHEAD: usize = 2;

/// A blob that is sent.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) source: Arc<dyn Source>,
    pub(super) blob: Blob,
    pub(super) account: Arc<Account>,
}

/// What is known of a blob beyond single attempts to send it.
pub(super) struct Account {
    progress: Arc<dyn Progress>,
    /// The furthest byte that was ever sent.
    furthest: AtomicU64,
    /// Why the source broke off, if it did.
    broken: Mutex<Option<Error>>,
}

impl Account {
    pub(super) fn new(progress: Arc<dyn Progress>) -> Account {
        Account { progress, furthest: AtomicU64::new(0), broken: Mutex::new(None) }
    }

    /// Reports what is beyond the furthest point so far, once.
    pub(super) fn reached(&self, position: u64) {
        let before = self.furthest.fetch_max(position, Ordering::Relaxed);
        if position > before {
            self.progress.event(Event::Advanced { stage: Stage::Push, bytes: position - before });
        }
    }

    /// The fault of the source, if it is the one to blame.
    pub(super) fn fault(&self) -> Option<Error> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn blame(&self, error: Error) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

impl Sending {
    /// Reads from byte `start` on. What comes before is read as well, since it is part of the digest.
    pub(super) fn read_from(&self, start: u64) -> Receiver<io::Result<Vec<u8>>> {
        let (sender, receiver) = channel(AHEAD);
        let Sending { source, blob, account } = self.clone();
        tokio::task::spawn_blocking(move || {
            // Whoever does not listen any more has given up the attempt.
            let fed = feed(&*source, blob, start, &mut |piece| sender.blocking_send(Ok(piece)).is_ok());
            if let Err(error) = fed {
                account.blame(error);
                let _ = sender.blocking_send(Err(io::Error::other("the source broke off")));
            }
        });
        receiver
    }
}

/// Hands the bytes from `start` on to `take` until it wants no more. A piece is handed over when the next one, or the
/// end, was read without fault.
fn feed(source: &dyn Source, blob: Blob, start: u64, take: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<()> {
    let mut reader = source.open(blob.digest)?;
    let mut feed = || -> io::Result<()> {
        io::copy(&mut (&mut reader).take(start), &mut io::sink())?;
        let mut held = read_piece(&mut reader)?;
        while !held.is_empty() {
            let next = read_piece(&mut reader)?;
            if !take(std::mem::replace(&mut held, next)) {
                break;
            }
        }
        Ok(())
    };
    feed().map_err(|error| match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(codes::STORE_IO, format!("blob {} cannot be read", blob.digest))
            .with_help("check the medium, then run the same command again; it continues")
            .with_source(error),
    })
}

fn read_piece(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    reader.take(PIECE).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The whole of a blob, as the body of a request.
pub(super) struct Rest {
    pub(super) sending: Sending,
    /// The first byte of it.
    pub(super) start: u64,
}

impl Long for Rest {
    fn length(&self) -> u64 {
        self.sending.blob.size - self.start
    }

    fn open(&self, taken: Arc<AtomicU64>) -> Body {
        let pieces = self.sending.read_from(self.start);
        let (account, start) = (self.sending.account.clone(), self.start);
        let next = move |(mut pieces, taken, account): (Receiver<_>, Arc<AtomicU64>, Arc<Account>)| async move {
            let piece: io::Result<Vec<u8>> = pieces.recv().await?;
            if let Ok(piece) = &piece {
                let length = piece.len() as u64;
                account.reached(start + taken.fetch_add(length, Ordering::Relaxed) + length);
            }
            Some((piece, (pieces, taken, account)))
        };
        Body::wrap_stream(stream::unfold((pieces, taken, account), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::Digest;

    /// Fails behind its last byte, as readers do that have found the digest to be wrong.
    struct Damaged(Vec<u8>);

    impl Source for Damaged {
        fn open(&self, _: Digest) -> Result<Box<dyn Read + '_>> {
            Ok(Box::new(self.0.as_slice().chain(Failing)))
        }

        fn document(&self, _: Digest, _: u64) -> Result<Vec<u8>> {
            Ok(self.0.clone())
        }
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other(Error::new(codes::BLOB_DAMAGED, "damaged")))
        }
    }

    #[test]
    fn a_damaged_blob_is_never_handed_over_whole() {
        for length in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let source = Damaged(vec![7; length as usize]);
            let blob = Blob { digest: Digest::of(b""), size: length };
            for start in [0, length / 2] {
                let mut handed = 0;
                let take = &mut |piece: Vec<u8>| {
                    handed += piece.len() as u64;
                    true
                };
                let error = feed(&source, blob, start, take).unwrap_err();
                assert_eq!(error.code(), codes::BLOB_DAMAGED);
                assert!(start + handed < length.max(1), "{length} {start}");
            }
        }
    }
}
