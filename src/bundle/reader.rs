//! Opens a bundle. Trust is a type: `Bundle<Unverified>` offers nothing but [`Bundle::verify`], and only
//! `Bundle<Verified>` has a manifest, blobs and a way out.

mod assemble;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::arrangement::{Arrangement, Extent};
use super::blob::BlobReader;
use super::envelope::COPY_AGAIN;
use super::manifest::{Blob, Manifest};
use super::source::{self, Source};
use super::volume::VolumeHeader;
use super::{discover, names};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::trust::key::PublicKey;
use crate::trust::policy::{Policy, SignatureFile, TrustedSigner};

/// A bundle whose volumes are open; `State` is [`Unverified`] or [`Verified`].
pub struct Bundle<State> {
    /// In the order of their numbers, complete.
    pub(super) volumes: Vec<Box<dyn Source>>,
    /// What all volume headers agree in.
    pub(super) header: VolumeHeader,
    pub(super) state: State,
}

/// Nothing is known of the bundle but that its volumes belong together.
pub struct Unverified {
    manifest_bytes: Vec<u8>,
    signatures: Vec<SignatureFile>,
    embedded_signature: Option<u64>,
}

/// The manifest is authentic and keeps the rules of the format. Blobs are checked as they are read.
pub struct Verified {
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) arrangement: Arrangement,
    signers: Vec<TrustedSigner>,
    signatures: Vec<SignatureFile>,
    blobs: HashMap<Digest, usize>,
}

impl Bundle<Unverified> {
    /// Opens the bundle at `path`: one of its volumes, the others lying beside it, or the directory that
    /// holds it and no other bundle. Reads headers, manifest bytes and signatures, and parses none of them.
    pub fn open(path: &Path) -> Result<Self> {
        let found = discover::at(path)?;
        Self::from_sources(found.volumes, found.signatures)
    }

    /// Opens a bundle of exactly these volumes, in any order; a directory stands for the volumes in it.
    pub fn open_volumes(paths: &[PathBuf]) -> Result<Self> {
        let found = discover::of_paths(paths)?;
        Self::from_sources(found.volumes, found.signatures)
    }

    /// Opens a bundle of these volumes, in any order; `signatures` are additional ones from beside it.
    pub fn from_sources(volumes: Vec<Box<dyn Source>>, mut signatures: Vec<SignatureFile>) -> Result<Self> {
        let (header, volumes) = assemble::in_order(volumes)?;
        let (manifest_bytes, embedded) = super::envelope::manifest(volumes[0].as_ref(), header.bundle)?;
        let embedded_signature = embedded.as_ref().map(|signature| signature.bytes.len() as u64);
        signatures.splice(0..0, embedded);
        Ok(Bundle { volumes, header, state: Unverified { manifest_bytes, signatures, embedded_signature } })
    }

    /// The keys that have signed, each once; whether anybody should believe them is another question. For
    /// showing fingerprints, and for looking up one that a person has named.
    pub fn claimed_signers(&self) -> Vec<PublicKey> {
        super::signed::claimed_signers(&self.state.manifest_bytes, &self.state.signatures)
    }

    /// Checks the signatures, then reads the manifest, then computes where everything has to lie.
    ///
    /// Blobs are not read: [`Bundle::check_all`] does that, or each reader for itself.
    pub fn verify(self, policy: &Policy) -> Result<Bundle<Verified>> {
        let Unverified { manifest_bytes, signatures, embedded_signature } = self.state;
        let (manifest, signers) = super::signed::verify(&manifest_bytes, &signatures, policy)?;
        let length = manifest_bytes.len() as u64;
        let arrangement = Arrangement::new(&manifest, length, embedded_signature, self.header.size)
            .ok()
            .filter(|arrangement| arrangement.volumes().len() == self.volumes.len())
            .ok_or_else(|| wrong_header(self.volumes[0].as_ref()))?;
        let blobs = manifest.blobs.iter().enumerate().map(|(index, blob)| (blob.digest, index)).collect();
        let state = Verified { manifest, manifest_bytes, arrangement, signers, signatures, blobs };
        Ok(Bundle { volumes: self.volumes, header: self.header, state })
    }
}

impl Bundle<Verified> {
    /// What the bundle holds.
    pub fn manifest(&self) -> &Manifest {
        &self.state.manifest
    }

    /// The exact bytes that were signed.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.state.manifest_bytes
    }

    /// SHA-256 of the manifest bytes: the identity of the bundle.
    pub fn digest(&self) -> Digest {
        self.header.bundle
    }

    /// Whose signatures counted, each key once; empty only for an unsigned bundle that the policy let pass.
    pub fn signers(&self) -> &[TrustedSigner] {
        &self.state.signers
    }

    /// All signatures that were found in and beside the bundle, whether they counted or not.
    pub fn signatures(&self) -> &[SignatureFile] {
        &self.state.signatures
    }

    /// Where everything lies.
    pub fn arrangement(&self) -> &Arrangement {
        &self.state.arrangement
    }

    /// The names of the volume files as they were found, in order.
    pub fn volume_names(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().map(|volume| volume.name())
    }

    /// `NAME-VERSION`, with which the names of all its files begin.
    pub fn stem(&self) -> String {
        names::stem(&self.manifest().name, &self.manifest().version)
    }

    /// A reader of one blob that checks its length and digest as the bytes pass.
    pub fn blob_reader(&self, digest: Digest) -> Result<BlobReader<'_>> {
        let Some(index) = self.state.blobs.get(&digest) else {
            let message = format!("the bundle has no blob {digest}");
            return Err(Error::new(codes::ARTIFACT_UNKNOWN, message)
                .with_help("`airlock bundle inspect --json` lists all blobs"));
        };
        Ok(self.reader_at(*index))
    }

    /// A blob and where its bytes lie, if the bundle has it. Whoever reads them there checks them himself.
    pub(crate) fn extents(&self, digest: Digest) -> Option<(Blob, &[Extent])> {
        let index = *self.state.blobs.get(&digest)?;
        Some((self.state.manifest.blobs[index], self.state.arrangement.extents(index)))
    }

    /// The volume with this index, from 0.
    pub(crate) fn volume(&self, index: usize) -> Option<&dyn Source> {
        self.volumes.get(index).map(Box::as_ref)
    }

    /// Whether the volumes of these extents are still what was opened.
    pub(crate) fn is_unchanged(&self, extents: &[Extent]) -> bool {
        extents.iter().all(|extent| self.volumes[extent.volume].is_unchanged())
    }

    /// The whole of a small blob, verified. Fails if it has more than `limit` bytes.
    pub fn read_blob(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        self.blob_reader(digest)?.read_to_vec(limit)
    }

    /// Fails if a volume file is shorter or longer than it has to be. Cheap: nothing is read.
    pub fn check_lengths(&self) -> Result<()> {
        let expected = self.arrangement().volumes().iter().map(|volume| volume.length);
        for (volume, expected) in self.volumes.iter().zip(expected) {
            if let Some(what) = wrong_length(volume.length(), expected) {
                let message = format!("{}: {what}", volume.name());
                return Err(Error::new(codes::VOLUME_LENGTH, message).with_help(COPY_AGAIN));
            }
        }
        Ok(())
    }

    /// Fails if a volume was replaced, truncated or written to since it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let changed = self.volumes.iter().find(|volume| !volume.is_unchanged());
        changed.map_or(Ok(()), |volume| Err(source::changed(volume.as_ref())))
    }

    /// A reader of the blob with this index in the manifest, which must exist.
    pub(super) fn reader_at(&self, index: usize) -> BlobReader<'_> {
        let blob: Blob = self.state.manifest.blobs[index];
        BlobReader::new(blob, self.state.arrangement.extents(index), &self.volumes)
    }
}

/// What is wrong with a volume file of this length.
pub(super) fn wrong_length(found: u64, expected: u64) -> Option<String> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match found.cmp(&expected) {
        Less => Some(format!("truncated: the file is {found} bytes, the manifest says {expected}")),
        Greater => Some(format!("{} unexpected bytes after the end at {expected}", found - expected)),
        Equal => None,
    }
}

fn wrong_header(source: &dyn Source) -> Error {
    let message = format!("the header of {} does not fit its manifest", source.name());
    Error::new(codes::BUNDLE_FRAME, message).with_help(COPY_AGAIN)
}
