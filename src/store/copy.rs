//! Copies one blob from a bundle into a file, reading and hashing the next part while one is written.

use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use fs_err as fs;

use super::files;
use crate::bundle::blob::BlobReader;
use crate::error::{Error, Result, codes};

/// Bytes of one part.
const PART: usize = 1 << 20;

/// Parts on their way; together with [`PART`] the memory that one copy takes.
const PARTS: usize = 4;

/// Copies the blob, whose reader checks length and digest. Tells `advance` of every part that was written.
pub(super) fn blob(
    mut reader: BlobReader<'_>,
    file: &fs::File,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    if reader.blob().size <= PART as u64 {
        return reader.for_each(|bytes| write(file, bytes, advance));
    }
    let (full, parts) = sync_channel(PARTS);
    let (returned, empty) = sync_channel(PARTS);
    for _ in 0..PARTS {
        // There is room for all of them.
        let _ = returned.send(vec![0; PART]);
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_parts(file, parts, returned, advance));
        let read = read_parts(&mut reader, full, &empty);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(Error::new(codes::INTERNAL, "a writing thread ended unexpectedly")));
        // If writing failed, reading found nobody to take the next part, and its result says nothing.
        written.and(read)
    })
}

fn read_parts(
    reader: &mut BlobReader<'_>,
    full: SyncSender<(Vec<u8>, usize)>,
    empty: &Receiver<Vec<u8>>,
) -> Result<()> {
    while let Ok(mut part) = empty.recv() {
        match reader.next_bytes(&mut part)? {
            0 => return Ok(()),
            count if full.send((part, count)).is_err() => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

fn write_parts(
    file: &fs::File,
    parts: Receiver<(Vec<u8>, usize)>,
    returned: SyncSender<Vec<u8>>,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    for (part, count) in parts {
        write(file, &part[..count], advance)?;
        // Nobody takes it back when reading has ended.
        let _ = returned.send(part);
    }
    Ok(())
}

fn write(mut file: &fs::File, bytes: &[u8], advance: &(dyn Fn(u64) + Sync)) -> Result<()> {
    file.write_all(bytes).map_err(|error| files::failed(file.path(), error))?;
    advance(bytes.len() as u64);
    Ok(())
}
