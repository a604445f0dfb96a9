//! A blob that is open, and the only way to its bytes: a stream that breaks off before its end if they are
//! not the right ones.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::verified::{Identity, Verified};
use crate::bundle::arrangement::Extent;
use crate::bundle::{self, Bundle};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{ContentDigest, ContentHasher};

/// Buffer for hashing a blob, in bytes.
const BUFFER: usize = 1 << 20;

/// An open blob. What was opened is what is read, even if it is deleted or replaced meanwhile.
pub struct Blob {
    digest: ContentDigest,
    length: u64,
    bytes: Bytes,
    verified: Arc<Verified>,
    mark: u64,
}

enum Bytes {
    File(fs_err::File),
    Bundle { bundle: Arc<Bundle<bundle::Verified>>, extents: Vec<Extent> },
}

/// A stretch of a blob as it lies in a file, for `sendfile`.
#[derive(Clone, Copy, Debug)]
pub struct FileRange<'a> {
    /// The open file.
    pub file: &'a std::fs::File,
    /// Where the stretch begins in it.
    pub offset: u64,
    /// Its number of bytes.
    pub length: u64,
}

impl Blob {
    pub(super) fn of_file(
        digest: ContentDigest,
        file: fs_err::File,
        verified: &Arc<Verified>,
    ) -> io::Result<Blob> {
        let metadata = file.metadata()?;
        let mark = verified.mark_of((digest, Identity::of(&metadata)));
        Ok(Blob {
            digest,
            length: metadata.len(),
            bytes: Bytes::File(file),
            verified: verified.clone(),
            mark,
        })
    }

    pub(super) fn of_bundle(
        blob: bundle::manifest::Blob,
        bundle: &Arc<Bundle<bundle::Verified>>,
        extents: Vec<Extent>,
        verified: &Arc<Verified>,
    ) -> Blob {
        let mark = verified.mark_of((bundle.digest(), blob.digest));
        Blob {
            digest: blob.digest.into(),
            length: blob.size,
            bytes: Bytes::Bundle { bundle: bundle.clone(), extents },
            verified: verified.clone(),
            mark,
        }
    }

    /// Its name.
    pub fn digest(&self) -> &ContentDigest {
        &self.digest
    }

    /// How many bytes it has on the disk.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether this process has seen all of its bytes, and they were right. Then, and only then, may
    /// [`Blob::file_ranges`] be sent as they are.
    pub fn is_verified(&self) -> bool {
        let unchanged = match &self.bytes {
            Bytes::File(_) => true,
            Bytes::Bundle { bundle, extents } => bundle.is_unchanged(extents),
        };
        unchanged && self.verified.has(self.mark)
    }

    /// Reads all of it, unless that was done before. Whoever else asks for the same meanwhile waits.
    ///
    /// # Errors
    /// [`codes::STORE_BLOB_DAMAGED`] if its bytes are not the right ones, [`codes::STORE_IO`] if they cannot
    /// be read.
    pub fn verify(&self) -> Result<()> {
        if self.is_verified() {
            return Ok(());
        }
        let _alone = self.verified.alone(self.mark);
        if self.is_verified() {
            return Ok(());
        }
        let mut hasher = ContentHasher::new(self.digest.algorithm());
        let mut buffer = vec![0; BUFFER.min(self.length.max(1) as usize)];
        while hasher.length() < self.length {
            let count = self.read_some(&mut buffer, hasher.length())?;
            hasher.update(&buffer[..count]);
        }
        self.conclude(hasher)
    }

    /// A stream of the bytes in `range`, which must lie within the blob.
    ///
    /// The whole of a blob is hashed as it passes. Of a part that is not possible, so the blob is verified
    /// first, once per process.
    ///
    /// # Errors
    /// Those of [`Blob::verify`].
    pub fn stream(self, range: Range<u64>) -> Result<BlobStream> {
        let whole = range == (0..self.length);
        let hasher = match self.is_verified() {
            false if whole => Some(ContentHasher::new(self.digest.algorithm())),
            false => {
                self.verify()?;
                None
            }
            true => None,
        };
        Ok(BlobStream { position: range.start, end: range.end.min(self.length), blob: self, hasher })
    }

    /// The stretches of files in which `range` of the blob lies, in order; nothing if it does not lie in
    /// files. These bytes are checked by nobody: send them only if [`Blob::is_verified`].
    pub fn file_ranges(&self, range: Range<u64>) -> Option<Vec<FileRange<'_>>> {
        match &self.bytes {
            Bytes::File(file) => {
                let (offset, length) = (range.start, range.end.saturating_sub(range.start));
                Some(vec![FileRange { file: file.file(), offset, length }])
            }
            Bytes::Bundle { bundle, extents } => {
                let parts = within(extents, range);
                parts
                    .map(|part| {
                        let file = bundle.volume(part.volume)?.file()?;
                        Some(FileRange { file, offset: part.offset, length: part.length })
                    })
                    .collect()
            }
        }
    }

    /// Reads up to `buffer.len()` bytes at `offset`, at least one.
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        loop {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(self.damaged("it ends too early")),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::new(codes::STORE_IO, format!("blob {} cannot be read", self.digest))
                        .with_source(error)
                        .with_help("look for I/O errors in `dmesg`; `airlock store repair --from BUNDLE` replaces it"));
                }
            }
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.bytes {
            Bytes::File(file) => file.file().read_at(buffer, offset),
            Bytes::Bundle { bundle, extents } => {
                let Some(part) = within(extents, offset..self.length).next() else { return Ok(0) };
                let count = part.length.min(buffer.len() as u64) as usize;
                let volume = bundle.volume(part.volume).ok_or(io::ErrorKind::NotFound)?;
                volume.read_at(&mut buffer[..count], part.offset)
            }
        }
    }

    fn conclude(&self, hasher: ContentHasher) -> Result<()> {
        let found = hasher.finish();
        if found != self.digest {
            return Err(self.damaged(&format!("its bytes have the digest {found}")));
        }
        self.verified.add(self.mark);
        Ok(())
    }

    fn damaged(&self, how: &str) -> Error {
        Error::new(codes::STORE_BLOB_DAMAGED, format!("blob {} is damaged: {how}", self.digest))
            .with_help("put it right with `airlock store repair --from BUNDLE`, or from another node: `--from https://NODE`")
    }
}

/// The parts of `extents`, the places of a blob in order, that hold its bytes in `range`.
fn within(extents: &[Extent], range: Range<u64>) -> impl Iterator<Item = Extent> {
    let mut start = 0;
    extents.iter().filter_map(move |extent| {
        let (first, last) = (range.start.max(start), range.end.min(start + extent.length));
        let skipped = first.saturating_sub(start);
        start += extent.length;
        let length = last.checked_sub(first).filter(|length| *length > 0)?;
        Some(Extent { offset: extent.offset + skipped, length, ..*extent })
    })
}

/// Hands out the bytes of a blob in order.
pub struct BlobStream {
    blob: Blob,
    position: u64,
    end: u64,
    /// Only while the whole blob passes for the first time.
    hasher: Option<ContentHasher>,
}

impl BlobStream {
    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The next bytes; zero at the end. The last ones of a blob come only after all of them were found to
    /// be right, so that whoever receives a damaged blob never has all of it.
    ///
    /// # Errors
    /// [`codes::STORE_BLOB_DAMAGED`] or [`codes::STORE_IO`]; the transfer must be broken off then.
    pub fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = self.left().min(buffer.len() as u64) as usize;
        let count = match wanted {
            0 => 0,
            _ => self.blob.read_some(&mut buffer[..wanted], self.position)?,
        };
        self.position += count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        if self.left() == 0
            && let Some(hasher) = self.hasher.take()
        {
            self.blob.conclude(hasher)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::{Algorithm, Digest};

    fn blob(verified: &Arc<Verified>, path: &std::path::Path, digest: ContentDigest) -> Blob {
        Blob::of_file(digest, fs_err::File::open(path).unwrap(), verified).unwrap()
    }

    fn everything(mut stream: BlobStream) -> (Vec<u8>, Result<()>) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 7]);
        loop {
            match stream.next_bytes(&mut buffer) {
                Ok(0) => return (bytes, Ok(())),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    #[test]
    fn a_damaged_blob_never_passes_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        let good = b"the bytes of a layer".to_vec();
        for algorithm in Algorithm::ALL {
            let digest = ContentDigest::of(algorithm, &good);
            let verified = Arc::default();
            fs_err::write(&path, &good).unwrap();
            assert!(!blob(&verified, &path, digest).is_verified());
            let (bytes, result) = everything(blob(&verified, &path, digest).stream(0..20).unwrap());
            assert!(result.is_ok() && bytes == good);
            assert!(blob(&verified, &path, digest).is_verified());
            // In place: inode and length stay the same.
            let mut damaged = good.clone();
            damaged[3] ^= 1;
            fs_err::write(&path, &damaged).unwrap();
            assert!(!blob(&verified, &path, digest).is_verified());
            let (bytes, result) = everything(blob(&verified, &path, digest).stream(0..20).unwrap());
            assert_eq!(result.unwrap_err().code(), codes::STORE_BLOB_DAMAGED);
            assert!(bytes.len() < good.len(), "the last bytes are kept back");
            assert!(blob(&verified, &path, digest).stream(0..3).is_err(), "not even a good part passes");
        }
    }

    #[test]
    fn parts_and_nothing_can_be_had() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        fs_err::write(&path, b"0123456789").unwrap();
        let (verified, digest) = (Arc::default(), Digest::of(b"0123456789").into());
        let (bytes, result) = everything(blob(&verified, &path, digest).stream(3..9).unwrap());
        assert!(result.is_ok() && bytes == b"345678");
        assert!(blob(&verified, &path, digest).is_verified());
        fs_err::write(&path, b"").unwrap();
        let (bytes, result) =
            everything(blob(&verified, &path, Digest::of(b"").into()).stream(0..0).unwrap());
        assert!(result.is_ok() && bytes.is_empty());
        let (_, result) = everything(blob(&verified, &path, digest).stream(0..0).unwrap());
        assert!(result.is_err(), "a blob that lost all its bytes is damaged too");
    }

    #[test]
    fn ranges_are_cut_out_of_extents() {
        let extent = |volume, offset, length| Extent { blob: 0, volume, offset, length };
        let extents = [extent(0, 100, 10), extent(1, 500, 5), extent(2, 0, 10)];
        let parts = |range| within(&extents, range).collect::<Vec<_>>();
        assert_eq!(parts(0..25), extents);
        assert_eq!(parts(8..16), [extent(0, 108, 2), extent(1, 500, 5), extent(2, 0, 1)]);
        assert_eq!(parts(12..13), [extent(1, 502, 1)]);
        assert!(parts(25..25).is_empty() && parts(3..3).is_empty());
    }
}
