//! A blob that is open, and the only way to its bytes: a stream that breaks off before its end if they are
//! not the right ones.

use std::io;
use std::ops::{ControlFlow, Range};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::verified::{Identity, Verified};
use crate::bundle::arrangement::Extent;
use crate::bundle::{self, Bundle};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{ContentDigest, ContentHasher};

/// Buffer for hashing a blob, in bytes.
const BUFFER: usize = 256 << 10;

/// An open blob. What was opened is what is read, even if it is deleted or replaced meanwhile. Clones are the
/// same open file.
#[derive(Clone)]
pub struct Blob {
    digest: ContentDigest,
    length: u64,
    bytes: Arc<Bytes>,
    verified: Arc<Verified>,
    mark: u64,
}

enum Bytes {
    File(fs_err::File),
    Bundle { bundle: Arc<Bundle<bundle::Verified>>, extents: Vec<Extent> },
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
            bytes: Arc::new(Bytes::File(file)),
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
            bytes: Arc::new(Bytes::Bundle { bundle: bundle.clone(), extents }),
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

    /// Whether this process has seen all of its bytes, and they were right.
    pub fn is_verified(&self) -> bool {
        let unchanged = match &*self.bytes {
            Bytes::File(_) => true,
            Bytes::Bundle { bundle, extents } => bundle.is_unchanged(extents),
        };
        unchanged && self.verified.has(self.mark)
    }

    /// What tells this state of the blob from all others, as long as the process lives.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// Reads all of it, unless that was done before.
    ///
    /// # Errors
    /// [`codes::STORE_BLOB_DAMAGED`] if its bytes are not the right ones, [`codes::STORE_IO`] if they cannot
    /// be read.
    pub fn verify(&self) -> Result<()> {
        if self.is_verified() {
            return Ok(());
        }
        self.verify_in_steps(|_| ControlFlow::Continue(())).map(drop)
    }

    /// Reads all of it, whatever was known before. `step` is told how many bytes each read gave and may slow
    /// it down or end it; whether all of it was read and is right.
    ///
    /// # Errors
    /// Those of [`Blob::verify`].
    pub fn verify_in_steps(&self, mut step: impl FnMut(u64) -> ControlFlow<()>) -> Result<bool> {
        let mut hasher = ContentHasher::new(self.digest.algorithm());
        let mut buffer = vec![0; BUFFER.min(self.length.max(1) as usize)];
        while hasher.length() < self.length {
            let count = self.read_some(&mut buffer, hasher.length())?;
            hasher.update(&buffer[..count]);
            if step(count as u64).is_break() {
                return Ok(false);
            }
        }
        self.conclude(hasher).map(|()| true)
    }

    /// A stream of the bytes in `range`, which must lie within the blob.
    ///
    /// The whole of a blob is hashed as it passes. Of a part that is not possible: its last bytes wait until
    /// the blob has been verified.
    pub fn stream(self, range: Range<u64>) -> BlobStream {
        let check = match (self.is_verified(), range == (0..self.length)) {
            (true, _) => Check::Passed,
            (false, true) => Check::Passing(ContentHasher::new(self.digest.algorithm())),
            (false, false) => Check::Outstanding,
        };
        BlobStream { position: range.start, end: range.end.min(self.length), blob: self, check }
    }

    /// Whether all of it lies in files, so that [`Blob::send_file`] works.
    pub fn lies_in_files(&self) -> bool {
        match &*self.bytes {
            Bytes::File(_) => true,
            Bytes::Bundle { bundle, extents } => {
                extents.iter().all(|extent| file_of(bundle, extent).is_some())
            }
        }
    }

    /// Sends the beginning of `range` to a socket without copying it (sendfile(2)); how many bytes. Nobody checks
    /// them: use it only if [`Blob::is_verified`].
    ///
    /// # Errors
    /// Those of the call; [`io::ErrorKind::WouldBlock`] if the socket takes nothing at the moment.
    pub fn send_file(&self, socket: impl AsFd, range: Range<u64>) -> io::Result<usize> {
        let (file, mut offset, length) = match &*self.bytes {
            Bytes::File(file) => (file.file(), range.start, range.end.saturating_sub(range.start)),
            Bytes::Bundle { bundle, extents } => {
                let Some(part) = within(extents, range).next() else { return Ok(0) };
                let file = file_of(bundle, &part).ok_or(io::ErrorKind::Unsupported)?;
                (file, part.offset, part.length)
            }
        };
        // A length is at most that of a placeholder.
        Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), length as usize)?)
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
        match &*self.bytes {
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
            self.verified.remove(self.mark);
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

fn file_of<'a>(bundle: &'a Bundle<bundle::Verified>, extent: &Extent) -> Option<&'a std::fs::File> {
    bundle.volume(extent.volume)?.file()
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
    check: Check,
}

/// How it is known that the bytes of a stream are right.
enum Check {
    /// They were when somebody read them before.
    Passed,
    /// All bytes of the blob pass, and are hashed.
    Passing(ContentHasher),
    /// Somebody has to read the whole blob, at the latest before the stream ends.
    Outstanding,
}

impl BlobStream {
    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The next bytes; zero at the end. The last ones come only after the whole blob was found to be right,
    /// so that whoever receives a damaged blob, or a part of one, never has all of it. If nobody has verified
    /// a blob of which a part is streamed, that is done before its last bytes, and takes its time.
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
        if let Check::Passing(hasher) = &mut self.check {
            hasher.update(&buffer[..count]);
        }
        if self.left() == 0 {
            match std::mem::replace(&mut self.check, Check::Passed) {
                Check::Passed => {}
                Check::Passing(hasher) => self.blob.conclude(hasher)?,
                Check::Outstanding => self.blob.verify()?,
            }
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
            let (bytes, result) = everything(blob(&verified, &path, digest).stream(0..20));
            assert!(result.is_ok() && bytes == good);
            assert!(blob(&verified, &path, digest).is_verified());
            // In place: inode and length stay the same.
            let mut damaged = good.clone();
            damaged[3] ^= 1;
            fs_err::write(&path, &damaged).unwrap();
            assert!(!blob(&verified, &path, digest).is_verified());
            let (bytes, result) = everything(blob(&verified, &path, digest).stream(0..20));
            assert_eq!(result.unwrap_err().code(), codes::STORE_BLOB_DAMAGED);
            assert!(bytes.len() < good.len(), "the last bytes are kept back");
            let (bytes, result) = everything(blob(&verified, &path, digest).stream(0..9));
            assert!(result.is_err() && bytes.len() == 7, "not even a good part passes whole");
        }
    }

    #[test]
    fn verifying_can_be_stopped_and_forgets_what_it_finds_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        fs_err::write(&path, b"layer").unwrap();
        let (verified, digest) = (Arc::default(), Digest::of(b"layer").into());
        let blob = blob(&verified, &path, digest);
        assert!(!blob.verify_in_steps(|_| ControlFlow::Break(())).unwrap() && !blob.is_verified());
        assert!(blob.verify_in_steps(|_| ControlFlow::Continue(())).unwrap() && blob.is_verified());
        // Where a disk changes bytes, nothing tells but the bytes.
        fs_err::write(&path, b"lAyer").unwrap();
        assert!(blob.is_verified());
        let error = blob.verify_in_steps(|_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.code(), codes::STORE_BLOB_DAMAGED);
        assert!(!blob.is_verified());
    }

    #[test]
    fn parts_and_nothing_can_be_had() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        fs_err::write(&path, b"0123456789").unwrap();
        let (verified, digest) = (Arc::default(), Digest::of(b"0123456789").into());
        let (bytes, result) = everything(blob(&verified, &path, digest).stream(3..9));
        assert!(result.is_ok() && bytes == b"345678");
        assert!(blob(&verified, &path, digest).is_verified());
        fs_err::write(&path, b"").unwrap();
        let (bytes, result) = everything(blob(&verified, &path, Digest::of(b"").into()).stream(0..0));
        assert!(result.is_ok() && bytes.is_empty());
        let (_, result) = everything(blob(&verified, &path, digest).stream(0..0));
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
