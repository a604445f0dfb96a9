//! What goes over the connection when a bundle is sent to a node (`bundle-spec/receive.md`).
//!
//! The sender writes a line of JSON, a [`Head`], then the manifest, then the signatures. To the question what the node
//! lacks that is all, and the answer is [`Lacks`]. Otherwise the blobs that it lacks follow, each a line of JSON, a
//! [`BlobHead`], and the bytes from that offset to its end. Empty lines before it are signs of life.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};

use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{self, Blob, Manifest};
use crate::bundle::names;
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::store::Signed;
use crate::store::receive::{Arrivals, Lacking, cut};
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// The version of the format.
pub const VERSION: u32 = 1;

/// Most signatures of a bundle.
const MOST_SIGNATURES: usize = 64;

/// Longest line, in bytes.
const LONGEST_LINE: u64 = 4096;

/// The first line: lengths in bytes of what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// [`VERSION`].
    #[serde(rename = "airlockBundle")]
    pub version: u32,
    /// Length of the manifest.
    pub manifest: u64,
    /// Lengths of the signatures.
    pub signatures: Vec<u64>,
}

/// The line before the bytes of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlobHead {
    /// Which one.
    pub blob: Digest,
    /// Which of its bytes is the first that follows.
    pub offset: u64,
}

/// What a node lacks of a bundle, by the places of blobs in its manifest, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lacks {
    /// `NAME-VERSION`.
    pub bundle: String,
    /// The identity of the bundle.
    pub manifest: Digest,
    /// Bytes that have to be sent.
    pub bytes: u64,
    /// Blobs that have to be sent.
    pub missing: Vec<Range>,
    /// Those of them of which a part is there.
    pub begun: Vec<Begun>,
}

/// Blobs that follow one another in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first.
    pub first: usize,
    /// How many.
    pub count: usize,
}

/// A blob of which a part is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which one.
    pub index: usize,
    /// How many of its bytes.
    pub offset: u64,
}

/// Everything before the blobs.
pub fn beginning(signed: &Signed<'_>) -> Vec<u8> {
    let signatures = signed.signatures.iter().map(|signature| signature.bytes.len() as u64).collect();
    let head = Head { version: VERSION, manifest: signed.manifest.len() as u64, signatures };
    let mut bytes = line(&head);
    bytes.extend_from_slice(signed.manifest);
    signed.signatures.iter().for_each(|signature| bytes.extend_from_slice(&signature.bytes));
    bytes
}

/// Reads everything before the blobs. Nothing of it is believed yet.
///
/// # Errors
/// [`codes::RECEIVE_FORMAT`]; [`codes::RECEIVE_CUT`].
pub fn read_beginning(input: &mut dyn BufRead) -> Result<SignedManifest> {
    let head: Head = read_line(input)?.ok_or_else(cut)?;
    let is_sane = head.version == VERSION
        && head.manifest <= manifest::MAX_LENGTH
        && head.signatures.len() <= MOST_SIGNATURES
        && head.signatures.iter().all(|length| *length <= signature::MAX_LENGTH);
    if !is_sane {
        return Err(nonsense("of another version, or too long"));
    }
    let bytes = read(input, head.manifest)?;
    let mut signatures = Vec::new();
    for (number, length) in head.signatures.iter().enumerate() {
        let name = format!("signature {} that was sent", number + 1);
        signatures.push(SignatureFile { name, bytes: read(input, *length)? });
    }
    Ok(SignedManifest { bytes, signatures })
}

impl Lacks {
    /// What `lacking` is of a bundle, in the order of its manifest.
    pub fn new(verified: &VerifiedManifest, lacking: &[Lacking]) -> Lacks {
        let manifest = &verified.manifest;
        let mut lacks = Lacks {
            bundle: names::stem(&manifest.name, &manifest.version),
            manifest: verified.digest,
            bytes: lacking.iter().map(|lacking| lacking.blob.size - lacking.offset).sum(),
            missing: Vec::new(),
            begun: Vec::new(),
        };
        let mut left = lacking.iter().peekable();
        for (index, blob) in manifest.blobs.iter().enumerate() {
            let Some(Lacking { offset, .. }) = left.next_if(|lacking| lacking.blob == *blob) else {
                continue;
            };
            match lacks.missing.last_mut() {
                Some(range) if range.first + range.count == index => range.count += 1,
                _ => lacks.missing.push(Range { first: index, count: 1 }),
            }
            if *offset > 0 {
                lacks.begun.push(Begun { index, offset: *offset });
            }
        }
        lacks
    }

    /// The blobs that are meant.
    ///
    /// # Errors
    /// [`codes::REMOTE_ANSWER`] if there are none such.
    pub fn blobs(&self, manifest: &Manifest) -> Result<Vec<Lacking>> {
        let begun: HashMap<usize, u64> = self.begun.iter().map(|begun| (begun.index, begun.offset)).collect();
        let mut blobs = Vec::new();
        for range in &self.missing {
            let end = range.first.checked_add(range.count).filter(|end| *end <= manifest.blobs.len());
            for index in range.first..end.ok_or_else(unknown)? {
                let blob = *manifest.blobs.get(index).ok_or_else(unknown)?;
                let offset = begun.get(&index).copied().unwrap_or_default();
                if offset > blob.size || blobs.len() == manifest.blobs.len() {
                    return Err(unknown());
                }
                blobs.push(Lacking { blob, offset });
            }
        }
        Ok(blobs)
    }
}

/// Blobs as they are sent.
pub struct Blobs<'a> {
    known: HashMap<Digest, Blob>,
    input: &'a mut dyn BufRead,
}

impl<'a> Blobs<'a> {
    /// Those of the bundle with this manifest.
    pub fn new(manifest: &Manifest, input: &'a mut dyn BufRead) -> Blobs<'a> {
        Blobs { known: manifest.blobs.iter().map(|blob| (blob.digest, *blob)).collect(), input }
    }
}

impl Arrivals for Blobs<'_> {
    fn next_blob(&mut self) -> Result<Option<Lacking>> {
        skip_empty_lines(self.input)?;
        let Some(BlobHead { blob, offset }) = read_line(self.input)? else { return Ok(None) };
        match self.known.get(&blob) {
            Some(blob) if offset <= blob.size => Ok(Some(Lacking { blob: *blob, offset })),
            _ => Err(nonsense("with a blob that the bundle does not have")),
        }
    }

    fn next_bytes(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.input.read(buffer).map_err(broken)? {
            0 => Err(cut()),
            count => Ok(count),
        }
    }
}

/// A value as a line.
pub fn line(value: &impl Serialize) -> Vec<u8> {
    // Numbers, digests and lists of them always serialise.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Signs of life of a sender that still looks for the next bytes.
fn skip_empty_lines(input: &mut dyn BufRead) -> Result<()> {
    while input.fill_buf().map_err(broken)?.first() == Some(&b'\n') {
        input.consume(1);
    }
    Ok(())
}

/// The value of the next line; nothing at the end.
fn read_line<T: for<'a> Deserialize<'a>>(input: &mut dyn BufRead) -> Result<Option<T>> {
    let mut text = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut text).map_err(broken)?;
    match text.last() {
        None => Ok(None),
        Some(b'\n') => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| nonsense("that cannot be understood").with_source(error)),
        Some(_) if text.len() as u64 == LONGEST_LINE => Err(nonsense("with a line that is too long")),
        Some(_) => Err(cut()),
    }
}

fn read(input: &mut dyn BufRead, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes).map_err(broken)?;
    if (bytes.len() as u64) < length { Err(cut()) } else { Ok(bytes) }
}

fn broken(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| cut().with_source(error))
}

fn nonsense(how: &str) -> Error {
    Error::new(codes::RECEIVE_FORMAT, format!("what comes in is a bundle {how}"))
        .with_help("it is sent by `airlock cluster`: use the same version of it as on the node")
}

fn unknown() -> Error {
    Error::new(codes::REMOTE_ANSWER, "the host lacks blobs that the bundle does not have")
        .with_help("the host has another version of the program: run the same command again")
}

#[cfg(test)]
mod tests;
