//! The one tar header of the format (POSIX.1-1988 ustar), made by one function.
//!
//! A reader never interprets a header: it makes the one it expects and compares all 512 bytes. Thus there
//! is no second way to read a volume, and nothing for two tar programs to disagree about.

/// Tar works in blocks of so many bytes.
pub const BLOCK: u64 = 512;

/// Two blocks of zeros end a volume; nothing follows.
pub const TRAILER: u64 = 2 * BLOCK;

/// The largest content of one member: the last multiple of a block that eleven octal digits can say.
pub const MAX_MEMBER: u64 = (1 << 33) - BLOCK;

/// One header as it lies in a volume.
pub type Header = [u8; BLOCK as usize];

/// The header of a regular file of mode 0644 without owner and time. `name` has at most 100 bytes and
/// `size` is at most [`MAX_MEMBER`] wherever this program calls it.
pub fn header(name: &str, size: u64) -> Header {
    let mut header = [0u8; BLOCK as usize];
    for (target, byte) in header[..100].iter_mut().zip(name.bytes()) {
        *target = byte;
    }
    octal(&mut header[100..107], 0o644);
    octal(&mut header[108..115], 0); // owner
    octal(&mut header[116..123], 0); // group
    octal(&mut header[124..135], size);
    octal(&mut header[136..147], 0); // modification time
    header[156] = b'0'; // regular file
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    octal(&mut header[329..336], 0); // device numbers
    octal(&mut header[337..344], 0);
    checksum(&mut header);
    header
}

/// The size that `header` states, if it is exactly the header this program makes for `name`.
pub fn size_of(header: &Header, name: &str) -> Option<u64> {
    let digits = std::str::from_utf8(&header[124..135]).ok()?;
    let size = u64::from_str_radix(digits, 8).ok()?;
    (*header == self::header(name, size)).then_some(size)
}

/// Whether the name field of `header` is `name`, whatever the rest says.
pub fn is_named(header: &Header, name: &str) -> bool {
    let (field, rest) = header.split_at(name.len().min(100));
    field == name.as_bytes() && rest[0] == 0
}

/// How many bytes of content and padding a member of `length` bytes takes.
pub fn padded(length: u64) -> u64 {
    length.div_ceil(BLOCK) * BLOCK
}

fn octal(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 8) as u8;
        value /= 8;
    }
}

/// The sum of all bytes with the checksum field taken as spaces; six digits, NUL, space.
fn checksum(header: &mut Header) {
    header[148..156].fill(b' ');
    let sum = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut header[148..154], sum);
    header[154] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tar_crate_reads_what_we_write() {
        let name = format!("blobs/sha256/{}.00001", "ab".repeat(32));
        let ours = header(&name, MAX_MEMBER);
        let theirs = tar::Header::from_byte_slice(&ours);
        assert_eq!(theirs.path_bytes().as_ref(), name.as_bytes());
        assert_eq!(theirs.size().unwrap(), MAX_MEMBER);
        assert_eq!(theirs.mode().unwrap(), 0o644);
        let sum: u32 = ours
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(theirs.cksum().unwrap(), sum);
        assert!(theirs.as_ustar().is_some());
    }

    #[test]
    fn any_flipped_bit_makes_a_header_unknown() {
        let good = header("manifest.json", 1234);
        assert_eq!(size_of(&good, "manifest.json"), Some(1234));
        for bit in 0..512 * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(size_of(&bad, "manifest.json"), None, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn sizes_round_trip(size in 0..=MAX_MEMBER) {
            prop_assert_eq!(size_of(&header("manifest.json", size), "manifest.json"), Some(size));
            prop_assert!(padded(size).is_multiple_of(BLOCK) && padded(size) - size < BLOCK);
        }

        #[test]
        fn no_header_panics(bytes in prop::collection::vec(any::<u8>(), 512)) {
            let header: Header = bytes.try_into().unwrap();
            prop_assert_eq!(size_of(&header, "manifest.json"), None);
        }
    }
}
