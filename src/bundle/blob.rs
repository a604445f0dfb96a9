//! The only way to the bytes of a blob: a reader that checks length and digest as they pass.

use std::io;

use super::arrangement::Extent;
use super::envelope::COPY_AGAIN;
use super::manifest::Blob;
use super::source::{self, ReadFailure, Source};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Hasher;

/// How much is read at once: large enough for any medium, small enough for many threads.
pub(super) const BUFFER: usize = 1024 * 1024;

/// Reads one blob from its volumes. Its end is reported only if every byte was right; until then the bytes
/// are no more than a claim, so whoever keeps them does so under a temporary name.
pub struct BlobReader<'a> {
    blob: Blob,
    extents: &'a [Extent],
    volumes: &'a [Box<dyn Source>],
    /// How much of the first of `extents` is read already.
    position: u64,
    /// Taken at the end.
    hasher: Option<Hasher>,
}

/// Why a blob cannot be had.
pub(super) enum BlobFailure {
    /// The volume with this index ends, or cannot be read.
    Read(usize, ReadFailure),
    /// All bytes are there, but not the right ones.
    Digest(crate::oci::digest::Digest),
}

impl<'a> BlobReader<'a> {
    pub(super) fn new(blob: Blob, extents: &'a [Extent], volumes: &'a [Box<dyn Source>]) -> Self {
        BlobReader { blob, extents, volumes, position: 0, hasher: Some(Hasher::new()) }
    }

    /// Digest and size of the blob.
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// The next bytes, at most `buffer.len()`; zero once, at the end, if the whole blob was right.
    pub fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.advance(buffer).map_err(|failure| match failure {
            BlobFailure::Read(volume, failure) => failure.into_error(self.volumes[volume].as_ref()),
            BlobFailure::Digest(found) => self.wrong_digest(found),
        })
    }

    pub(super) fn advance(&mut self, buffer: &mut [u8]) -> Result<usize, BlobFailure> {
        while let Some((extent, rest)) = self.extents.split_first() {
            let left = extent.length - self.position;
            if left == 0 {
                (self.extents, self.position) = (rest, 0);
                continue;
            }
            let count = left.min(buffer.len() as u64) as usize;
            let source = self.volumes[extent.volume].as_ref();
            source::read_exact(source, &mut buffer[..count], extent.offset + self.position)
                .map_err(|failure| BlobFailure::Read(extent.volume, failure))?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
            self.position += count as u64;
            return Ok(count);
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.blob.digest => Err(BlobFailure::Digest(found)),
            _ => Ok(0),
        }
    }

    /// Hands every byte to `take`, and ends well only if all were right.
    pub fn for_each(mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; BUFFER.min(self.blob.size.max(1) as usize)];
        loop {
            match self.next_bytes(&mut buffer)? {
                0 => return Ok(()),
                count => take(&buffer[..count])?,
            }
        }
    }

    pub(super) fn read_to_vec(self, limit: u64) -> Result<Vec<u8>> {
        let blob = self.blob;
        if blob.size > limit {
            let message =
                format!("blob {} has {} bytes, at most {limit} were expected", blob.digest, blob.size);
            return Err(Error::new(codes::MANIFEST_VALUE, message)
                .with_help("this is not a document that airlock would read: build the bundle again"));
        }
        let mut bytes = Vec::with_capacity(blob.size as usize);
        self.for_each(|part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn wrong_digest(&self, found: crate::oci::digest::Digest) -> Error {
        let message = format!("blob {} is damaged: its bytes have the digest {found}", self.blob.digest);
        Error::new(codes::BLOB_DAMAGED, message).with_help(COPY_AGAIN)
    }
}

/// For code that wants a stream. A failure is an [`io::Error`] that holds our error.
impl io::Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next_bytes(buffer).map_err(io::Error::other)
    }
}
