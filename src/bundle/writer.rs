//! Writes volumes front to back. The names of the files, their fsync and their renaming are the builder's.

use std::io::{Seek, Write};

use super::arrangement::{Arrangement, Content, Member, piece};
use super::manifest::{Blob, Manifest};
use super::ustar::{self, BLOCK, TRAILER};
use super::volume::VolumeHeader;
use super::{layout, names};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;

/// Knows the bytes of every volume of one bundle.
pub struct VolumeWriter<'a> {
    manifest: &'a Manifest,
    manifest_bytes: &'a [u8],
    signature: Option<&'a [u8]>,
    oci_layout: Vec<u8>,
    index: Vec<u8>,
    bundle: Digest,
    volume_size: Option<u64>,
    arrangement: Arrangement,
}

/// The bytes of a blob that belong to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The blob.
    pub blob: Blob,
    /// The first byte wanted.
    pub start: u64,
    /// How many bytes are wanted.
    pub length: u64,
}

impl<'a> VolumeWriter<'a> {
    /// Prepares a bundle: `manifest_bytes` are [`Manifest::to_bytes`] as they were signed, `signature` is
    /// the armored signature, `volume_size` in bytes cuts the bundle into volumes.
    ///
    /// Fails if the manifest breaks a rule of the format, or cannot be arranged in such volumes.
    pub fn new(
        manifest: &'a Manifest,
        manifest_bytes: &'a [u8],
        signature: Option<&'a [u8]>,
        volume_size: Option<u64>,
    ) -> Result<Self> {
        if Manifest::parse(manifest_bytes)? != *manifest {
            return Err(Error::new(codes::INTERNAL, "the manifest differs from its bytes"));
        }
        let lengths = (manifest_bytes.len() as u64, signature.map(|bytes| bytes.len() as u64));
        let arrangement = Arrangement::new(manifest, lengths.0, lengths.1, volume_size)?;
        let (oci_layout, index) = layout::layout_files(&manifest.artifacts);
        let bundle = Digest::of(manifest_bytes);
        Ok(Self { manifest, manifest_bytes, signature, oci_layout, index, bundle, volume_size, arrangement })
    }

    /// Where everything will lie.
    pub fn arrangement(&self) -> &Arrangement {
        &self.arrangement
    }

    /// How many volumes there are.
    pub fn volumes(&self) -> u32 {
        // The arrangement has at most `MAX_VOLUMES`.
        self.arrangement.volumes().len() as u32
    }

    /// Final file name of the volume with this index, from 0.
    pub fn file_name(&self, index: u32) -> String {
        names::volume_file(
            &names::stem(&self.manifest.name, &self.manifest.version),
            index + 1,
            self.volumes(),
        )
    }

    /// Writes the volume with this index, from 0, to `target`, which must be empty. `copy` writes the bytes
    /// of a piece; given a file as target it may let the kernel copy them.
    pub fn write_volume<W: Write + Seek>(
        &self,
        index: u32,
        target: &mut W,
        mut copy: impl FnMut(&Piece, &mut W) -> Result<()>,
    ) -> Result<()> {
        let Some(volume) = self.arrangement.volumes().get(index as usize) else {
            return Err(Error::new(codes::INTERNAL, format!("there is no volume with index {index}")));
        };
        for member in &volume.members {
            self.write_header(member, target).map_err(|cause| self.write_error(index, cause))?;
            match piece(member, self.manifest) {
                Some((blob, start)) => copy(&Piece { blob, start, length: member.length }, target)?,
                None => target
                    .write_all(&self.head(index, member))
                    .map_err(|cause| self.write_error(index, cause))?,
            }
            self.expect_position(index, member, target)?;
            pad(member, target).map_err(|cause| self.write_error(index, cause))?;
        }
        target.write_all(&[0; TRAILER as usize]).map_err(|cause| self.write_error(index, cause))
    }

    fn write_header(&self, member: &Member, target: &mut impl Write) -> std::io::Result<()> {
        target.write_all(&ustar::header(&member.name(), member.length))
    }

    /// The content of a member that is not a piece of a blob.
    fn head(&self, index: u32, member: &Member) -> std::borrow::Cow<'_, [u8]> {
        let header = || {
            let (volume, volumes) = (index + 1, self.volumes());
            VolumeHeader { bundle: self.bundle, volume, volumes, size: self.volume_size }
        };
        match member.content {
            Content::Header => header().to_bytes().to_vec().into(),
            Content::Manifest => self.manifest_bytes.into(),
            Content::Signature => self.signature.unwrap_or_default().into(),
            Content::OciLayout => self.oci_layout.as_slice().into(),
            Content::Index => self.index.as_slice().into(),
            // `piece` has dealt with these.
            Content::Piece { .. } => Default::default(),
        }
    }

    /// A source that gives fewer or more bytes than its size would shift everything behind it.
    fn expect_position(&self, index: u32, member: &Member, target: &mut impl Seek) -> Result<()> {
        let position = target.stream_position().map_err(|cause| self.write_error(index, cause))?;
        if position == member.offset + member.length {
            return Ok(());
        }
        let written = position.saturating_sub(member.offset);
        let message = format!("{} gave {written} bytes instead of {}", member.name(), member.length);
        Err(Error::new(codes::BLOB_DAMAGED, message)
            .with_help("its source changed while it was read: run the build again"))
    }

    fn write_error(&self, index: u32, cause: std::io::Error) -> Error {
        super::write_error::write_error(&self.file_name(index), cause)
    }
}

fn pad(member: &Member, target: &mut impl Write) -> std::io::Result<()> {
    let padding = ustar::padded(member.length) - member.length;
    target.write_all(&[0; BLOCK as usize][..padding as usize])
}
