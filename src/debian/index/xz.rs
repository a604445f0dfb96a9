//! Decompresses xz, the blocks of a large file on several cores at once.
//!
//! Debian's large indices have a block for every 24 MiB of text, and decompressing them takes longer than all
//! that follows. Files that have no such blocks are decompressed from front to back.

mod blocks;

use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use liblzma::bufread::XzDecoder;
use liblzma::stream::{Action, CONCATENATED, Filters, IGNORE_CHECK, Status, Stream};

use super::decode::read_whole;
use blocks::Block;
#[cfg(test)]
pub(super) use blocks::of as blocks_of;

/// How much memory a file may make the decompressor use. What `xz -9` needs, and more.
const MEMORY: u64 = 128 << 20;

/// More threads than this do not pay, and each of them needs memory.
const MOST_THREADS: usize = 4;

/// The text of `file`, whose digest was checked before, so xz's own checksums prove nothing more. Stops soon after
/// `limit` bytes.
pub(super) fn decompress(file: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    match blocks::of(file) {
        Some(blocks) if blocks.len() > 1 && size_of_text(&blocks) <= limit => in_parallel(file, &blocks),
        _ => {
            let stream = Stream::new_stream_decoder(MEMORY, CONCATENATED | IGNORE_CHECK)?;
            read_whole(XzDecoder::new_stream(file, stream), limit)
        }
    }
}

fn size_of_text(blocks: &[Block]) -> u64 {
    blocks.iter().fold(0, |size, block| size.saturating_add(block.text_length as u64))
}

fn in_parallel(file: &[u8], blocks: &[Block]) -> io::Result<Vec<u8>> {
    let mut text = vec![0; blocks.iter().map(|block| block.text_length).sum()];
    let mut rest = &mut text[..];
    let mut jobs = Vec::new();
    for block in blocks {
        let (target, after) = rest.split_at_mut(block.text_length);
        jobs.push((block, target));
        rest = after;
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = cores.min(MOST_THREADS).min(blocks.len());
    let queue = Mutex::new(jobs.into_iter());
    // The lock is taken for one statement that cannot panic.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work =
        || std::iter::from_fn(next).try_for_each(|(block, target)| decompress_block(file, block, target));
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let results =
            others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.fold(own, Result::and)
    })?;
    Ok(text)
}

fn decompress_block(file: &[u8], block: &Block, target: &mut [u8]) -> io::Result<()> {
    let mut filters = Filters::new();
    filters.lzma2_properties(&[block.dictionary])?;
    let mut stream = Stream::new_raw_decoder(&filters)?;
    let packed = &file[block.packed.clone()];
    loop {
        // Both positions are within what was given.
        let (taken, written) = (stream.total_in() as usize, stream.total_out() as usize);
        match stream.process(&packed[taken..], &mut target[written..], Action::Finish)? {
            Status::StreamEnd if stream.total_out() == target.len() as u64 => return Ok(()),
            Status::StreamEnd | Status::MemNeeded => {
                return Err(io::Error::other("a block has not the length that is written in the file"));
            }
            Status::Ok | Status::GetCheck => {}
        }
    }
}
