//! The cutting rule: fill a volume, do not start a piece below [`MIN_PIECE`], go on in the next one.

use super::{Arrangement, Content, Extent, MAX_PIECES, MIN_PIECE, Member, Volume};
use crate::bundle::manifest::Blob;
use crate::bundle::ustar::{self, BLOCK, MAX_MEMBER, TRAILER};
use crate::bundle::volume;
use crate::error::{Error, Result, codes};

/// Places members one after the other.
pub(super) struct Cutter {
    limit: Option<u64>,
    done: Vec<Volume>,
    /// The volume being filled; its `length` lacks the trailer.
    current: Volume,
    extents: Vec<Extent>,
}

impl Cutter {
    pub(super) fn new(limit: Option<u64>) -> Result<Self> {
        if let Some(size) = limit.filter(|size| !volume::is_size(*size)) {
            return Err(bad_size(size));
        }
        let current = empty_volume();
        Ok(Cutter { limit, done: Vec::new(), current, extents: Vec::new() })
    }

    /// Places a member that belongs to the first volume and is never cut.
    pub(super) fn head(&mut self, content: Content, length: u64) -> Result<()> {
        if length > self.room().unwrap_or(0) {
            return Err(too_small(self.current.length + BLOCK + ustar::padded(length) + TRAILER));
        }
        place(&mut self.current, content, length);
        Ok(())
    }

    /// Places a blob, in pieces where it does not fit.
    pub(super) fn blob(&mut self, index: usize, blob: &Blob) -> Result<()> {
        let mut start = 0;
        let mut number = 0;
        loop {
            let rest = blob.size - start;
            let length = match self.room() {
                Some(room) if rest <= room => rest,
                Some(room) if room >= MIN_PIECE => room,
                _ => {
                    self.next_volume()?;
                    continue;
                }
            };
            number += 1;
            let cut = length < blob.size;
            if cut && number > MAX_PIECES {
                return Err(too_many(format!("blob {} more than {MAX_PIECES} pieces", blob.digest)));
            }
            let piece =
                Content::Piece { blob: index, digest: blob.digest, start, number: cut.then_some(number) };
            let offset = place(&mut self.current, piece, length);
            self.extents.push(Extent { blob: index, volume: self.done.len(), offset, length });
            start += length;
            if start == blob.size {
                return Ok(());
            }
        }
    }

    pub(super) fn finish(mut self) -> Arrangement {
        self.close();
        Arrangement { volumes: self.done, extents: self.extents }
    }

    /// The longest content that one more member of this volume can have.
    fn room(&self) -> Option<u64> {
        let Some(limit) = self.limit else { return Some(MAX_MEMBER) };
        let free = limit.checked_sub(self.current.length + BLOCK + TRAILER)?;
        // Both limit and length are whole blocks, so the padding fits too.
        Some(free.min(MAX_MEMBER))
    }

    fn next_volume(&mut self) -> Result<()> {
        if self.done.len() + 1 >= volume::MAX_VOLUMES as usize {
            return Err(too_many(format!("the bundle more than {} volumes", volume::MAX_VOLUMES)));
        }
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        let mut volume = std::mem::replace(&mut self.current, empty_volume());
        volume.length += TRAILER;
        self.done.push(volume);
    }
}

fn empty_volume() -> Volume {
    let mut volume = Volume::default();
    place(&mut volume, Content::Header, volume::LENGTH);
    volume
}

/// Appends a member and gives the offset of its content.
fn place(volume: &mut Volume, content: Content, length: u64) -> u64 {
    let offset = volume.length + BLOCK;
    volume.members.push(Member { content, offset, length });
    volume.length = offset + ustar::padded(length);
    offset
}

fn bad_size(size: u64) -> Error {
    let message = format!("volumes cannot have {size} bytes");
    let minimum = volume::MIN_SIZE / 1024;
    Error::new(codes::VOLUME_SIZE, message)
        .with_help(format!("give a multiple of 512 bytes that is at least {minimum} KiB, for example 4GiB"))
}

fn too_small(needed: u64) -> Error {
    let message =
        format!("the volume size is too small: the first volume needs {needed} bytes for the manifest");
    Error::new(codes::VOLUME_SIZE, message)
        .with_help(format!("use --volume-size with at least {}KiB", needed.div_ceil(1024)))
}

fn too_many(what: String) -> Error {
    Error::new(codes::VOLUME_SIZE, format!("the volume size is too small: it would give {what}"))
        .with_help("use a larger --volume-size")
}
