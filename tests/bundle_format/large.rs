//! Payloads around 2^32 bytes (row 61 of the list of bad inputs), in sparse files.

use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use airlock::bundle::Bundle;
use airlock::bundle::manifest::{Artifact, Blob, File, Manifest};
use airlock::bundle::writer::VolumeWriter;
use airlock::oci::digest::Hasher;

use crate::support::*;

const SIZES: [u64; 3] = [(1 << 32) - 1, 1 << 32, (1 << 32) + 1];

/// So many zeros, each with its digest; hashed in one go.
fn zeros() -> Vec<Blob> {
    let buffer = vec![0; 1 << 20];
    let mut hasher = Hasher::new();
    let mut blobs = Vec::new();
    for size in SIZES {
        while hasher.length() < size {
            let left = (size - hasher.length()).min(buffer.len() as u64);
            hasher.update(&buffer[..left as usize]);
        }
        blobs.push(Blob { digest: hasher.clone().finish(), size });
    }
    blobs
}

fn manifest_of(blobs: &[Blob]) -> Manifest {
    let artifact = |(number, blob): (usize, &Blob)| {
        let Artifact::File(file) = file(&format!("/srv/{number}"), b"") else { unreachable!() };
        Artifact::File(File { blob: *blob, ..file })
    };
    let mut manifest = manifest(blobs.iter().enumerate().map(artifact).collect(), &[]);
    manifest.blobs = blobs.to_vec();
    manifest
}

/// Writes the volumes as files with holes.
fn write_sparse(manifest: &Manifest, size: Option<u64>, directory: &Path) -> Vec<PathBuf> {
    let bytes = manifest.to_bytes();
    let signature = Contents { manifest: manifest.clone(), blobs: Vec::new() }.sign();
    let writer = VolumeWriter::new(manifest, &bytes, Some(&signature), size).unwrap();
    let write = |index| {
        let path = directory.join(writer.file_name(index));
        let mut target = fs_err::File::create(&path).unwrap();
        writer
            .write_volume(index, &mut target, |piece, target| {
                target.seek(SeekFrom::Current(piece.length as i64)).unwrap();
                Ok(())
            })
            .unwrap();
        path
    };
    (0..writer.volumes()).map(write).collect()
}

#[test]
#[ignore = "hashes 52 GiB: cargo test --test bundle_format large -- --ignored"]
fn payloads_around_four_gigabytes_verify_and_their_last_byte_counts() {
    let blobs = zeros();
    let manifest = manifest_of(&blobs);
    for size in [None, Some((1 << 32) - 512)] {
        let directory = tempfile::tempdir().unwrap();
        let paths = write_sparse(&manifest, size, directory.path());
        let open = || Bundle::open_volumes(&paths).unwrap().verify(&test_policy()).unwrap();
        let bundle = open();
        assert_eq!(check(&bundle).unwrap().bytes, SIZES.iter().sum::<u64>());
        for blob in 0..blobs.len() {
            let last = bundle.arrangement().extents(blob).last().unwrap();
            let file = fs_err::OpenOptions::new().write(true).open(&paths[last.volume]).unwrap();
            file.file().write_at(&[1], last.offset + last.length - 1).unwrap();
        }
        expect_error(check(&open()), 4, "the bundle is damaged in 3 places");
    }
}
