//! Reads a source on a thread of its own, so that reading and whatever is done with the bytes overlap.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes of one part.
const PART: usize = 256 << 10;

/// Parts on their way; together with [`PART`] the memory that it takes.
const PARTS: usize = 8;

/// What was read ahead.
pub struct ReadAhead {
    parts: Receiver<io::Result<Part>>,
    returned: SyncSender<Part>,
    current: Part,
    position: usize,
}

/// A buffer, and how much of it is filled.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    length: usize,
}

/// Lets `work` read from `source`. When it has ended, at most one read of `source` is waited for.
pub fn read_ahead<T>(source: &mut (dyn Read + Send), work: impl FnOnce(&mut ReadAhead) -> T) -> T {
    let (full, parts) = sync_channel(PARTS);
    // There is always room for a part that comes back.
    let (returned, empty) = sync_channel(PARTS + 2);
    thread::scope(|scope| {
        scope.spawn(move || fill_parts(source, &full, &empty));
        work(&mut ReadAhead { parts, returned, current: Part::default(), position: 0 })
    })
}

fn fill_parts(source: &mut (dyn Read + Send), full: &SyncSender<io::Result<Part>>, empty: &Receiver<Part>) {
    loop {
        let mut part = empty.try_recv().unwrap_or_default();
        let filled = part.fill(source);
        let is_last = part.length < PART;
        // What came before a failure is told before it. Nobody takes anything when the work has ended.
        let sent = full.send(Ok(part)).and_then(|()| filled.map_or_else(|error| full.send(Err(error)), Ok));
        if sent.is_err() || is_last {
            return;
        }
    }
}

impl Part {
    /// Fills all of it, unless the source ends.
    fn fill(&mut self, source: &mut (dyn Read + Send)) -> io::Result<()> {
        self.bytes.resize(PART, 0);
        self.length = 0;
        while self.length < PART {
            match source.read(&mut self.bytes[self.length..]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position == self.current.length
            && let Ok(part) = self.parts.recv()
        {
            let used = std::mem::replace(&mut self.current, part?);
            self.position = 0;
            // Nobody wants it back when the source has ended.
            let _ = self.returned.try_send(used);
        }
        Ok(&self.current.bytes[self.position..self.current.length])
    }

    fn consume(&mut self, count: usize) {
        self.position = self.current.length.min(self.position + count);
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_their_order() {
        for length in [0, 1, PART - 1, PART, PART + 1, 20 * PART + 7] {
            let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let mut found = Vec::new();
            read_ahead(&mut &bytes[..], |ahead| ahead.read_to_end(&mut found)).unwrap();
            assert!(found == bytes, "{length}");
        }
    }

    #[test]
    fn a_source_that_nobody_reads_to_its_end_is_left() {
        let mut endless = io::repeat(7);
        let first = read_ahead(&mut endless, |ahead| {
            let mut first = [0; 3];
            ahead.read_exact(&mut first).map(|()| first)
        });
        assert_eq!(first.unwrap(), [7; 3]);
    }

    #[test]
    fn a_failure_comes_after_the_bytes_before_it() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the stick is gone"))
            }
        }
        let bytes = vec![1; PART];
        let mut source = bytes.as_slice().chain(Failing);
        let mut found = Vec::new();
        let error = read_ahead(&mut source, |ahead| ahead.read_to_end(&mut found)).unwrap_err();
        assert_eq!((found.len(), error.to_string()), (PART, "the stick is gone".to_owned()));
    }
}
