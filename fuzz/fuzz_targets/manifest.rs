//! Manifest bytes of any kind: parsing must not panic, and what is accepted must survive a round trip.

#![no_main]

use airlock::bundle::arrangement::Arrangement;
use airlock::bundle::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let written = manifest.to_bytes();
    assert_eq!(Manifest::parse(&written).as_ref().ok(), Some(&manifest));
    for volume_size in [None, Some(128 * 1024), Some((1 << 32) - 512)] {
        let Ok(arrangement) = Arrangement::new(&manifest, written.len() as u64, Some(300), volume_size) else { continue };
        for (index, blob) in manifest.blobs.iter().enumerate() {
            let sum: u64 = arrangement.extents(index).iter().map(|extent| extent.length).sum();
            assert_eq!(sum, blob.size);
        }
    }
});
