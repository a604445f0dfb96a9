//! Bundles of any size that do not compress and of which no two blocks are equal, written front to back.

use std::io::Write;
use std::path::{Path, PathBuf};

use airlock::bundle::manifest::{Artifact, Blob, File, Manifest};
use airlock::bundle::writer::VolumeWriter;
use airlock::oci::digest::{Digest, Hasher};
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, sign};

use super::Result;
use super::bundles;

/// Bytes that are made at once.
const PART: usize = 1 << 20;

/// A bundle on the disk.
pub struct NoiseBundle {
    /// Its only volume.
    pub path: PathBuf,
    /// The signers who may have signed it.
    pub signers: PathBuf,
    /// Its blobs.
    pub blobs: Vec<Blob>,
}

/// Writes a bundle of files of these sizes into `directory`, and waits until the disk has it.
pub fn make(directory: &Path, sizes: &[u64]) -> Result<NoiseBundle> {
    let block: Vec<u8> =
        (0..PART as u64 / 32).flat_map(|number| *Digest::of(&number.to_le_bytes()).bytes()).collect();
    let mut blobs = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let mut hasher = Hasher::new();
        each_part(&block, number, *size, &mut |part| {
            hasher.update(part);
            Ok(())
        })?;
        blobs.push(Blob { digest: hasher.finish(), size: *size });
    }
    let artifacts = blobs.iter().enumerate().map(|(number, blob)| artifact(number, *blob)).collect();
    write(directory, Manifest { blobs, ..bundles::manifest(artifacts, &[]) }, &block)
}

fn write(directory: &Path, manifest: Manifest, block: &[u8]) -> Result<NoiseBundle> {
    let key = bundles::test_key();
    let bytes = manifest.to_bytes();
    let signature = sign(&key, MANIFEST_NAMESPACE, &bytes)?.into_bytes();
    let writer = VolumeWriter::new(&manifest, &bytes, Some(&signature), None)?;
    let path = directory.join(writer.file_name(0));
    let mut file = fs_err::File::create(&path)?;
    writer.write_volume(0, &mut file, |piece, target| {
        let number = manifest.blobs.iter().position(|blob| *blob == piece.blob).unwrap_or_default();
        each_part(block, number, piece.length, &mut |part| target.write_all(part))
            .map_err(|error| airlock::error::Error::new(airlock::error::codes::INTERNAL, error.to_string()))
    })?;
    file.sync_all()?;
    let signers = directory.join("allowed_signers");
    fs_err::write(&signers, key.public_key().allowed_line("bench"))?;
    Ok(NoiseBundle { path, signers, blobs: manifest.blobs })
}

fn artifact(number: usize, blob: Blob) -> Artifact {
    Artifact::File(File {
        path: format!("/srv/noise-{number}"),
        mode: "0640".to_owned(),
        origin: "noise".to_owned(),
        authenticated_by: "local file".to_owned(),
        blob,
    })
}

/// The bytes of a blob: the same block again and again, each time with other first bytes.
fn each_part(
    block: &[u8],
    blob: usize,
    size: u64,
    take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut part = block.to_vec();
    for start in (0..size).step_by(PART) {
        part[..8].copy_from_slice(&(blob as u64).to_le_bytes());
        part[8..16].copy_from_slice(&start.to_le_bytes());
        take(&part[..(size - start).min(PART as u64) as usize])?;
    }
    Ok(())
}
