//! Where every byte of a bundle lies: arithmetic over the manifest, its length, the length of its
//! signature and the volume size, and nothing else (`bundle-spec/v1.md`, "Arrangement").
//!
//! Writer and reader both compute it. A reader therefore never searches a volume, and a volume that does
//! not look as computed is damaged.

mod cut;

use super::manifest::{Blob, Manifest};
use super::{layout, volume};
use crate::error::Result;
use crate::oci::digest::Digest;

/// Name of the member that holds the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Name of the member that holds its signature.
pub const SIGNATURE: &str = "manifest.json.sig";

/// The most pieces into which one blob may be cut; their numbers have five digits.
pub const MAX_PIECES: u32 = 99_999;

/// The smallest piece worth starting at the end of a volume, in bytes.
pub const MIN_PIECE: u64 = 64 * 1024;

/// The place of every byte of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement {
    volumes: Vec<Volume>,
    extents: Vec<Extent>,
}

/// One volume file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its members, front to back, without gaps.
    pub members: Vec<Member>,
    /// Length of the whole file in bytes, trailer included.
    pub length: u64,
}

/// One member of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it holds.
    pub content: Content,
    /// Offset of its content in the volume; its tar header lies 512 bytes before.
    pub offset: u64,
    /// Length of its content in bytes, padding excluded.
    pub length: u64,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum Content {
    /// The volume header.
    Header,
    /// `manifest.json`.
    Manifest,
    /// `manifest.json.sig`.
    Signature,
    /// `oci-layout`.
    OciLayout,
    /// `index.json`.
    Index,
    /// A blob or a piece of one: the blob's index in the manifest, its digest, the first byte of the
    /// piece in the blob, and the number of the piece (from 1) if the blob was cut.
    Piece { blob: usize, digest: Digest, start: u64, number: Option<u32> },
}

/// A stretch of one blob in one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Index of the blob in the manifest.
    pub blob: usize,
    /// Index of the volume, from 0.
    pub volume: usize,
    /// Offset in the volume.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Arrangement {
    /// Computes the arrangement. Lengths and `volume_size` are in bytes; without `volume_size` the bundle
    /// is one volume of any length.
    ///
    /// Fails if the volume size is not one of the format, if the head of the bundle does not fit into the
    /// first volume, or if more volumes or pieces would be needed than the format can number.
    pub fn new(
        manifest: &Manifest,
        manifest_length: u64,
        signature_length: Option<u64>,
        volume_size: Option<u64>,
    ) -> Result<Self> {
        let mut cutter = cut::Cutter::new(volume_size)?;
        cutter.head(Content::Manifest, manifest_length)?;
        if let Some(length) = signature_length {
            cutter.head(Content::Signature, length)?;
        }
        cutter.head(Content::OciLayout, manifest.layout.oci_layout.size)?;
        cutter.head(Content::Index, manifest.layout.index.size)?;
        for (index, blob) in manifest.blobs.iter().enumerate() {
            cutter.blob(index, blob)?;
        }
        Ok(cutter.finish())
    }

    /// The volumes in order.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Where the bytes of the blob with this index in the manifest lie, in order.
    pub fn extents(&self, blob: usize) -> &[Extent] {
        let start = self.extents.partition_point(|extent| extent.blob < blob);
        let count = self.extents[start..].partition_point(|extent| extent.blob == blob);
        &self.extents[start..start + count]
    }

    /// Length of all volume files together, in bytes.
    pub fn total_length(&self) -> u64 {
        self.volumes.iter().map(|volume| volume.length).sum()
    }
}

impl Member {
    /// Name of the member in the tar.
    pub fn name(&self) -> String {
        match self.content {
            Content::Header => volume::MEMBER.to_owned(),
            Content::Manifest => MANIFEST.to_owned(),
            Content::Signature => SIGNATURE.to_owned(),
            Content::OciLayout => layout::OCI_LAYOUT.to_owned(),
            Content::Index => layout::INDEX.to_owned(),
            Content::Piece { digest, number: None, .. } => format!("blobs/sha256/{}", digest.hex()),
            Content::Piece { digest, number: Some(number), .. } => {
                format!("blobs/sha256/{}.{number:05}", digest.hex())
            }
        }
    }
}

/// A blob and the bytes of it that one member holds.
pub(super) fn piece(member: &Member, manifest: &Manifest) -> Option<(Blob, u64)> {
    match member.content {
        Content::Piece { blob, start, .. } => manifest.blobs.get(blob).map(|blob| (*blob, start)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
