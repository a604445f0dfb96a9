//! No bytes make the decompressors of indices panic, wait for ever or write more than was announced.
#![no_main]

use airlock::debian::index::{Compression, IndexFile};
use airlock::debian::release::Checksum;
use airlock::oci::digest::Digest;
use libfuzzer_sys::fuzz_target;

/// What has to come out.
const TEXT: Checksum = Checksum { size: 1 << 16, sha256: None, sha512: None };

fuzz_target!(|bytes: &[u8]| {
    let packed = Checksum { size: bytes.len() as u64, sha256: Some(Digest::of(bytes)), sha512: None };
    for compression in [Compression::Xz, Compression::Zstd, Compression::Gzip] {
        let path = "Packages".to_owned();
        let file = IndexFile { path, by_hash: None, compression, packed, unpacked: Some(TEXT) };
        if let Ok(text) = file.decode(bytes) {
            assert_eq!(text.len() as u64, TEXT.size);
        }
    }
});
