//! Decompresses an index, checked before and after.

use std::io::{self, Read};

use sha2::Digest as _;

use super::{Compression, IndexFile, xz};
use crate::debian::release::{Checksum, Sha512};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// The largest index accepted, in bytes after decompression; the largest ones of Debian and Ubuntu have 80 MiB.
const LARGEST: u64 = 1 << 30;

/// Room made for an index in advance, in bytes, at most.
const EXPECTED: u64 = 96 << 20;

/// How much memory an index may make the decompressor of zstd use, as a power of two.
const ZSTD_WINDOW: u32 = 27;

impl IndexFile {
    /// Reads the file as it was fetched and gives its text. Never reads or writes more than what is announced.
    ///
    /// # Errors
    /// [`codes::DEBIAN_INDEX_DAMAGED`] if size or digest is wrong on either side, or it cannot be decompressed.
    pub fn decode(&self, packed: impl Read) -> Result<Vec<u8>> {
        let limit = self.unpacked.map_or(LARGEST, |checksum| checksum.size);
        if limit > LARGEST || self.packed.size > LARGEST {
            return Err(self.damaged("is announced with more than 1 GiB"));
        }
        // What is not what was signed never comes to a decompressor.
        let packed = read_whole(packed, self.packed.size)
            .map_err(|cause| self.damaged("cannot be read").with_source(cause))?;
        self.compare(&packed, &self.packed, "was fetched")?;
        let text = self
            .decompress(packed, limit)
            .map_err(|cause| self.damaged("cannot be decompressed").with_source(cause))?;
        if let Some(unpacked) = &self.unpacked {
            self.compare(&text, unpacked, "was decompressed")?;
        }
        Ok(text)
    }

    fn decompress(&self, packed: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
        match self.compression {
            Compression::Xz => xz::decompress(&packed, limit),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(&packed[..])?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                read_whole(decoder, limit)
            }
            Compression::Gzip => read_whole(flate2::bufread::MultiGzDecoder::new(&packed[..]), limit),
            Compression::None => Ok(packed),
        }
    }

    fn compare(&self, bytes: &[u8], wanted: &Checksum, how: &str) -> Result<()> {
        let found = Checksum {
            size: bytes.len() as u64,
            sha256: Some(Digest::of(bytes)),
            sha512: wanted.sha512.map(|_| Sha512(sha2::Sha512::digest(bytes).into())),
        };
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
pub(super) fn read_whole(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    // The announced size saves copying while the text grows. It is signed, and bounded all the same.
    let mut bytes = Vec::with_capacity(usize::try_from(limit.min(EXPECTED)).unwrap_or_default() + 1);
    source.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
