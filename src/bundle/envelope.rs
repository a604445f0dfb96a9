//! The part of a bundle that is read before anything is trusted: volume headers, the bytes of the manifest,
//! its signature. Every length is checked against a limit before memory is taken.

use super::arrangement::{MANIFEST, SIGNATURE};
use super::manifest::check_length;
use super::source::{self, Source};
use super::ustar::{self, BLOCK, Header};
use super::volume::{self, Parsed, VolumeHeader};
use super::{foreign, layout};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// Help for every sort of damage.
pub(super) const COPY_AGAIN: &str = "copy the bundle again from where it was built";

/// Where the first volume goes on behind its header.
const AFTER_HEADER: u64 = 2 * BLOCK;

/// Reads the header of a volume.
pub(super) fn volume_header(source: &dyn Source) -> Result<VolumeHeader> {
    let length = source.length().min(AFTER_HEADER) as usize;
    let mut bytes = [0; AFTER_HEADER as usize];
    source::read_exact(source, &mut bytes[..length], 0).map_err(|failure| failure.into_error(source))?;
    let (frame, content) = bytes.split_at(BLOCK as usize);
    let framed = frame == volume::tar_header();
    if length < AFTER_HEADER as usize && (framed || foreign::is_cut_short(&bytes[..length])) {
        let message = format!("{} ends after {length} bytes, within its header", source.name());
        return Err(Error::new(codes::VOLUME_LENGTH, message).with_help(COPY_AGAIN));
    }
    // `content` has the length of a block, as `bytes` has two.
    let content: &[u8; BLOCK as usize] = content.try_into().unwrap_or(&[0; BLOCK as usize]);
    match (framed, VolumeHeader::parse(content)) {
        (true, Parsed::Volume(header)) => Ok(header),
        (_, Parsed::Newer(format)) => Err(newer(source, &format)),
        (false, Parsed::Damaged) => Err(foreign::explain(source)),
        (true, Parsed::Damaged) | (false, Parsed::Volume(_)) => Err(damaged(source, "its header", 0)),
    }
}

/// The manifest bytes of the first volume, and the signature beside them.
pub(super) fn manifest(source: &dyn Source, bundle: Digest) -> Result<(Vec<u8>, Option<SignatureFile>)> {
    let frame = header_at(source, AFTER_HEADER)?;
    if ustar::is_named(&frame, MANIFEST) && frame[124] & 0x80 != 0 {
        // Only lengths beyond eleven octal digits are written with this bit.
        check_length(u64::MAX)?;
    }
    let Some(length) = ustar::size_of(&frame, MANIFEST) else {
        return Err(damaged(source, "the tar header of manifest.json", AFTER_HEADER));
    };
    check_length(length)?;
    let offset = AFTER_HEADER + BLOCK;
    let bytes = member(source, MANIFEST, offset, length)?;
    if Digest::of(&bytes) != bundle {
        return Err(damaged(source, "manifest.json", offset));
    }
    let signature = signature_at(source, offset + ustar::padded(length))?;
    Ok((bytes, signature))
}

fn signature_at(source: &dyn Source, offset: u64) -> Result<Option<SignatureFile>> {
    let frame = header_at(source, offset)?;
    if ustar::is_named(&frame, layout::OCI_LAYOUT) {
        return Ok(None);
    }
    let length =
        ustar::size_of(&frame, SIGNATURE).filter(|length| (1..=signature::MAX_LENGTH).contains(length));
    let Some(length) = length else {
        return Err(damaged(source, "the tar header of manifest.json.sig", offset));
    };
    let bytes = member(source, SIGNATURE, offset + BLOCK, length)?;
    Ok(Some(SignatureFile { name: format!("{SIGNATURE} in {}", source.name()), bytes }))
}

fn header_at(source: &dyn Source, offset: u64) -> Result<Header> {
    let mut frame = [0; BLOCK as usize];
    expect_length(source, "its head", offset + BLOCK)?;
    source::read_exact(source, &mut frame, offset).map_err(|failure| failure.into_error(source))?;
    Ok(frame)
}

/// Reads a small member. No more memory is taken than the file has bytes.
fn member(source: &dyn Source, name: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
    expect_length(source, name, offset + length)?;
    let mut bytes = vec![0; length as usize];
    source::read_exact(source, &mut bytes, offset).map_err(|failure| failure.into_error(source))?;
    Ok(bytes)
}

fn expect_length(source: &dyn Source, what: &str, needed: u64) -> Result<()> {
    if source.length() >= needed {
        return Ok(());
    }
    let message =
        format!("{} is {} bytes, {what} alone reaches to byte {needed}", source.name(), source.length());
    Err(Error::new(codes::VOLUME_LENGTH, message).with_help(COPY_AGAIN))
}

fn damaged(source: &dyn Source, what: &str, offset: u64) -> Error {
    let message = format!("{} is damaged: {what} at byte {offset} is not what it should be", source.name());
    Error::new(codes::BUNDLE_FRAME, message).with_help(COPY_AGAIN)
}

fn newer(source: &dyn Source, format: &str) -> Error {
    let message =
        format!("{} needs a newer airlock: its format is `{}`", source.name(), format.escape_default());
    Error::new(codes::BUNDLE_NEWER, message).with_help(super::manifest::UPDATE)
}
