//! `airlock-volume`, the first member of every volume: which volume of which bundle it is.

use serde::Deserialize;

use super::ustar::{self, BLOCK};
use crate::oci::digest::Digest;

/// Name of the member.
pub const MEMBER: &str = "airlock-volume";

/// Length of its content in bytes, always.
pub const LENGTH: u64 = BLOCK;

/// Value of `format`.
pub const FORMAT: &str = "airlock.volume.v1";

/// The most volumes a bundle may have.
pub const MAX_VOLUMES: u32 = 9_999;

/// The smallest volume, in bytes, into which a bundle may be cut.
pub const MIN_SIZE: u64 = 128 * 1024;

/// Whether volumes may be cut to so many bytes: a multiple of a block, and at least [`MIN_SIZE`].
pub fn is_size(bytes: u64) -> bool {
    bytes >= MIN_SIZE && bytes.is_multiple_of(BLOCK)
}

/// The content of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeHeader {
    /// SHA-256 of the manifest bytes: the identity of the bundle.
    pub bundle: Digest,
    /// Which volume this is, from 1.
    pub volume: u32,
    /// How many volumes there are.
    pub volumes: u32,
    /// The size to which volumes were cut, in bytes; none if the bundle was not to be cut.
    pub size: Option<u64>,
}

/// What the 512 bytes of a header turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header of this version.
    Volume(VolumeHeader),
    /// A header of another version: its `format`.
    Newer(String),
    /// Not a header, or a damaged one.
    Damaged,
}

#[derive(Deserialize)]
struct Envelope {
    format: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    #[serde(rename = "format")]
    _format: String,
    bundle: String,
    volume: u32,
    volumes: u32,
    volume_size: u64,
}

impl VolumeHeader {
    /// The exact 512 bytes: JSON, spaces, a newline.
    pub fn to_bytes(&self) -> [u8; LENGTH as usize] {
        let json = format!(
            r#"{{"format":"{FORMAT}","bundle":"{}","volume":{},"volumes":{},"volumeSize":{}}}"#,
            self.bundle.hex(),
            self.volume,
            self.volumes,
            self.size.unwrap_or(0),
        );
        let mut bytes = [b' '; LENGTH as usize];
        for (target, byte) in bytes.iter_mut().zip(json.bytes()) {
            *target = byte;
        }
        bytes[LENGTH as usize - 1] = b'\n';
        bytes
    }

    /// Reads the content of the member. Only the exact bytes that [`Self::to_bytes`] makes are a header.
    pub fn parse(bytes: &[u8; LENGTH as usize]) -> Parsed {
        let Ok(Envelope { format }) = serde_json::from_slice(bytes) else {
            return Parsed::Damaged;
        };
        if format != FORMAT {
            let newer = format.starts_with("airlock.volume.v");
            return if newer { Parsed::Newer(format) } else { Parsed::Damaged };
        }
        match Self::parse_known(bytes) {
            Some(header) if header.to_bytes() == *bytes => Parsed::Volume(header),
            _ => Parsed::Damaged,
        }
    }

    fn parse_known(bytes: &[u8]) -> Option<Self> {
        let raw: Raw = serde_json::from_slice(bytes).ok()?;
        let in_range = 1 <= raw.volume && raw.volume <= raw.volumes && raw.volumes <= MAX_VOLUMES;
        let size = Some(raw.volume_size).filter(|size| *size != 0);
        if !in_range || size.is_some_and(|size| !is_size(size)) {
            return None;
        }
        let bundle = Digest::from_hex(&raw.bundle).ok()?;
        Some(VolumeHeader { bundle, volume: raw.volume, volumes: raw.volumes, size })
    }
}

/// The tar header that opens every volume; the same 512 bytes in all of them.
pub fn tar_header() -> ustar::Header {
    ustar::header(MEMBER, LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> VolumeHeader {
        VolumeHeader { bundle: Digest::of(b"manifest"), volume: 3, volumes: 5, size: Some(MIN_SIZE) }
    }

    #[test]
    fn the_largest_header_fits_its_block() {
        let largest = VolumeHeader { volume: u32::MAX, volumes: u32::MAX, size: Some(u64::MAX), ..header() };
        assert_eq!(&largest.to_bytes()[510..], b" \n");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let good = header().to_bytes();
        for bit in 0..512 * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            // Some bits turn one valid number or digest into another; those the arrangement refutes.
            assert_ne!(VolumeHeader::parse(&bad), Parsed::Volume(header()), "bit {bit}");
        }
    }

    #[test]
    fn other_versions_and_impossible_numbers_are_told_apart() {
        let text = String::from_utf8(header().to_bytes().to_vec()).unwrap();
        let parse = |from: &str, to: &str| {
            let mut bytes = text.replacen(from, to, 1).into_bytes();
            bytes.resize(512, b' ');
            VolumeHeader::parse(&bytes.try_into().unwrap())
        };
        assert_eq!(parse("volume.v1", "volume.v2"), Parsed::Newer("airlock.volume.v2".to_owned()));
        for (from, to) in [
            ("\"volume\":3", "\"volume\":0"),
            ("\"volume\":3", "\"volume\":6"),
            ("\"volume\":3", "\"volume\":-1"),
            ("131072", "131073"),
            ("131072", "512"),
            ("airlock.", "padlock."),
            ("{", "{ "),
        ] {
            assert_eq!(parse(from, to), Parsed::Damaged, "{from} -> {to}");
        }
    }

    proptest! {
        #[test]
        fn headers_round_trip(volumes in 1..=MAX_VOLUMES, pick in any::<u32>(), blocks in 256u64..1 << 40, cut in any::<bool>()) {
            let header = VolumeHeader {
                bundle: Digest::of(&pick.to_be_bytes()),
                volume: pick % volumes + 1,
                volumes,
                size: cut.then_some(blocks * BLOCK),
            };
            prop_assert_eq!(VolumeHeader::parse(&header.to_bytes()), Parsed::Volume(header));
        }
    }
}
