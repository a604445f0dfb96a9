//! Decompresses an index while checking it on both sides.

use std::io::{self, BufRead, Read};

use sha2::{Digest as _, Sha512 as Sha512State};

use super::{Compression, IndexFile};
use crate::debian::release::{Checksum, Sha512};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Hasher;
use crate::quote::quote;

/// The largest index accepted, in bytes after decompression; the largest ones of Debian and Ubuntu have 80 MiB.
const LARGEST: u64 = 1 << 30;

/// Room made for an index in advance, in bytes, at most.
const EXPECTED: u64 = 96 << 20;

/// How much is decompressed between two looks at the digests.
const PIECE: usize = 128 << 10;

/// How much memory an index may make the decompressor use. What `xz -9` needs, and more.
const DECODER_MEMORY: u64 = 128 << 20;

/// The same for zstd, as a power of two.
const ZSTD_WINDOW: u32 = 27;

impl IndexFile {
    /// Reads the file as it was fetched and gives its text. Never reads or writes more than what is announced.
    ///
    /// # Errors
    /// [`codes::DEBIAN_INDEX_DAMAGED`] if size or digest is wrong on either side, or it cannot be decompressed.
    pub fn decode(&self, packed: impl Read) -> Result<Vec<u8>> {
        let limit = self.unpacked.map_or(LARGEST, |checksum| checksum.size);
        if limit > LARGEST {
            return Err(self.damaged("is announced with more than 1 GiB"));
        }
        let mut source =
            Checked::new(packed.take(self.packed.size.saturating_add(1)), self.packed.sha512.is_some());
        let text = self
            .decompress(&mut source, limit)
            .map_err(|cause| self.damaged("cannot be decompressed").with_source(cause));
        // Damage on the way is the better explanation for what a decompressor says about it.
        io::copy(&mut source, &mut io::sink())
            .map_err(|cause| self.damaged("cannot be read").with_source(cause))?;
        self.compare(source.found(), &self.packed, "was fetched")?;
        let text = text?;
        if let Some(unpacked) = &self.unpacked {
            let mut sums = Sums::new(unpacked.sha512.is_some());
            sums.update(&text);
            self.compare(sums.finish(), unpacked, "was decompressed")?;
        }
        Ok(text)
    }

    fn decompress(&self, source: &mut impl BufRead, limit: u64) -> io::Result<Vec<u8>> {
        match self.compression {
            Compression::Xz => {
                // Where the digest of the text is announced, xz's own checksum proves nothing more.
                let proven = self.unpacked.is_some_and(|checksum| checksum.sha256.is_some());
                let check = if proven { liblzma::stream::IGNORE_CHECK } else { 0 };
                let flags = liblzma::stream::CONCATENATED | check;
                let stream = liblzma::stream::Stream::new_stream_decoder(DECODER_MEMORY, flags)?;
                collect(liblzma::bufread::XzDecoder::new_stream(source, stream), limit)
            }
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(source)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                collect(decoder, limit)
            }
            Compression::Gzip => collect(flate2::bufread::MultiGzDecoder::new(source), limit),
            Compression::None => collect(source, limit),
        }
    }

    fn compare(&self, found: Checksum, wanted: &Checksum, how: &str) -> Result<()> {
        let differs = found.size != wanted.size
            || wanted.sha256.is_some_and(|digest| found.sha256 != Some(digest))
            || wanted.sha512.is_some_and(|digest| found.sha512 != Some(digest));
        if !differs {
            return Ok(());
        }
        Err(self
            .damaged(&format!("is not what the Release file says, as it {how}"))
            .with_detail(format!("expected {}", described(wanted)))
            .with_detail(format!("received {}", described(&found))))
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::new(codes::DEBIAN_INDEX_DAMAGED, format!("the index {} {reason}", quote(&self.path))).with_help(
            "mirrors show this for minutes while they update; try again, and if it stays so, use another mirror",
        )
    }
}

fn described(checksum: &Checksum) -> String {
    let digest = match (checksum.sha256, checksum.sha512) {
        (Some(sha256), _) => sha256.to_string(),
        (None, Some(sha512)) => format!("sha512:{}", sha512.hex()),
        (None, None) => String::new(),
    };
    format!("{} bytes, {digest}", checksum.size)
}

/// Reads to the end, or one byte beyond `limit`, which the comparison of sizes will then refuse.
fn collect(mut decoder: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    // The announced size saves copying while the text grows. It is signed, and bounded all the same.
    let mut text = Vec::with_capacity(usize::try_from(limit.min(EXPECTED)).unwrap_or_default());
    let mut piece = vec![0; PIECE];
    loop {
        let read = match decoder.read(&mut piece) {
            Ok(0) => return Ok(text),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        text.extend_from_slice(&piece[..read]);
        if text.len() as u64 > limit {
            return Err(io::Error::other("it has more bytes than the Release file says"));
        }
    }
}

/// Size and digests over bytes that pass. SHA-256 always, SHA-512 if it is asked for.
struct Sums {
    sha256: Hasher,
    sha512: Option<Sha512State>,
}

impl Sums {
    fn new(with_sha512: bool) -> Self {
        Sums { sha256: Hasher::new(), sha512: with_sha512.then(Sha512State::new) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(state) = &mut self.sha512 {
            state.update(bytes);
        }
    }

    fn finish(self) -> Checksum {
        Checksum {
            size: self.sha256.length(),
            sha256: Some(self.sha256.finish()),
            sha512: self.sha512.map(|state| Sha512(state.finalize().into())),
        }
    }
}

/// A reader that sums up what is taken from it.
struct Checked<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    sums: Sums,
}

impl<R: Read> Checked<R> {
    fn new(inner: R, with_sha512: bool) -> Self {
        Checked { inner, buffer: vec![0; PIECE], start: 0, end: 0, sums: Sums::new(with_sha512) }
    }

    fn found(self) -> Checksum {
        self.sums.finish()
    }
}

impl<R: Read> BufRead for Checked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = self.inner.read(&mut self.buffer)?;
            self.sums.update(&self.buffer[..self.end]);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(target.len());
        target[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}
