//! Says what a file is that is not a bundle, so that nobody searches for damage in a zip.

use super::source::{self, Source};
use super::{names, volume};
use crate::error::{Error, Result, codes};

/// What a file of this length begins with is looked at up to here.
const LOOK: usize = 512;

/// Well-known beginnings.
const MAGIC: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"\x7fELF", "a program"),
    (b"!<arch>\n", "a Debian package"),
    (b"QFI\xfb", "a disk image (qcow2)"),
    (b"hsqs", "a squashfs image"),
    (b"-----BEGIN SSH SIGNATURE-----", "a signature"),
    (b"{", "a JSON file"),
    (b"%PDF", "a PDF document"),
];

/// Where an ISO 9660 image has its mark.
const ISO: (u64, &[u8]) = (32_769, b"CD001");

/// The error for a file without the beginnings of a volume.
pub(super) fn explain(source: &dyn Source) -> Error {
    let what = match look(source) {
        Ok(what) => what,
        Err(error) => return error,
    };
    let help = if what.starts_with("compressed") {
        "unpack it first, then name the volume inside"
    } else {
        "name a volume of a bundle (NAME-VERSION.tar), or the directory it is in"
    };
    Error::new(codes::BUNDLE_FOREIGN, format!("{} is not a bundle: this is {what}", source.name()))
        .with_help(help)
}

fn look(source: &dyn Source) -> Result<String> {
    let start = read_some(source, 0)?;
    if source.length() == 0 {
        return Ok("an empty file".to_owned());
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Ok((*what).to_owned());
    }
    if read_some(source, ISO.0)?.starts_with(ISO.1) {
        return Ok("an ISO image".to_owned());
    }
    if start.get(257..262) == Some(b"ustar") {
        let name: Vec<u8> = start[..100].iter().copied().take_while(|byte| *byte != 0).collect();
        let name = names::escaped(&String::from_utf8_lossy(&name));
        return Ok(format!("another tar archive, beginning with `{name}`"));
    }
    let zeros = start.iter().all(|byte| *byte == 0);
    Ok(if zeros { "a file of zeros" } else { "a file of an unknown format" }.to_owned())
}

fn read_some(source: &dyn Source, offset: u64) -> Result<Vec<u8>> {
    let length = source.length().saturating_sub(offset).min(LOOK as u64);
    let mut bytes = vec![0; length as usize];
    match source::read_exact(source, &mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(failure) => Err(failure.into_error(source)),
    }
}

/// Whether a file too short to tell is the beginning of a volume nevertheless.
pub(super) fn is_cut_short(start: &[u8]) -> bool {
    !start.is_empty() && volume::tar_header().starts_with(start)
}
