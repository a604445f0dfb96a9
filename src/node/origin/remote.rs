//! A bundle on another node: its signed manifest, and blobs by their digests.
//!
//! A blob is fetched into `/var/lib/airlock/incoming` first, where it goes on behind what an earlier run has
//! left, and is handed out when its digest is right. The file is gone as soon as it is read.

use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::Deserialize;

use super::Origin;
use crate::bundle::manifest::{self, Manifest};
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::error::{Error, Result, codes};
use crate::fetch::{self, Sink};
use crate::node::registry::peer::Peer;
use crate::oci::digest::{Digest, Hasher};
use crate::progress::Silent;
use crate::quote::quote;
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// Where blobs come in.
pub const INCOMING: &str = "/var/lib/airlock/incoming";

/// Most bytes of an answer with signatures: as many as anybody makes.
const MAX_SIGNATURES: u64 = 64 * signature::MAX_LENGTH;

/// A bundle that a server has.
pub struct Remote {
    peer: Peer,
    verified: VerifiedManifest,
    incoming: PathBuf,
}

/// What the server answers about signatures.
#[derive(Deserialize)]
struct Signatures {
    bundle: Digest,
    signatures: Vec<String>,
}

impl Remote {
    /// The newest bundle of a server, as it was signed. Nothing of it is believed yet.
    ///
    /// # Errors
    /// [`codes::SERVER_BUNDLE`] if the server has none or talks nonsense; those of fetching.
    pub fn latest(peer: &Peer) -> Result<SignedManifest> {
        let bytes =
            peer.document("/airlock/v1/manifest", manifest::MAX_LENGTH).map_err(|error| {
                match error.code() {
                    codes::FETCH_NOT_FOUND => no_bundle(peer, "it has no bundle").with_source(error),
                    _ => error,
                }
            })?;
        let bundle = Digest::of(&bytes);
        let path = format!("/airlock/v1/signatures?bundle={bundle}");
        let answer = peer.document(&path, MAX_SIGNATURES)?;
        let answer: Signatures = serde_json::from_slice(&answer)
            .map_err(|error| no_bundle(peer, "its signatures cannot be understood").with_source(error))?;
        let decoded: std::result::Result<Vec<_>, _> =
            answer.signatures.iter().map(|text| STANDARD.decode(text)).collect();
        let decoded = decoded.ok().filter(|_| answer.bundle == bundle);
        let decoded = decoded.ok_or_else(|| no_bundle(peer, "its signatures are of something else"))?;
        let named = decoded.into_iter().enumerate().map(|(number, bytes)| SignatureFile {
            name: format!("signature {} of {}", number + 1, peer.address()),
            bytes,
        });
        Ok(SignedManifest { bytes, signatures: named.collect() })
    }

    /// The bundle with this manifest; blobs come in at the directory `incoming`.
    pub fn new(peer: Peer, verified: VerifiedManifest, incoming: &Path) -> Remote {
        Remote { peer, verified, incoming: incoming.to_owned() }
    }

    fn size(&self, digest: Digest) -> Result<u64> {
        let blob = self.verified.manifest.blobs.iter().find(|blob| blob.digest == digest);
        blob.map(|blob| blob.size).ok_or_else(|| {
            Error::new(codes::ARTIFACT_UNKNOWN, format!("the bundle has no blob {digest}"))
                .with_help("this is a bug of airlock: tell what you did")
        })
    }

    fn fetch(&self, digest: Digest) -> Result<fs::File> {
        let size = self.size(digest)?;
        let path = self.incoming.join(digest.hex());
        let failed = |error: io::Error| {
            Error::new(codes::NODE_FILE, format!("`{}` cannot be written", quote(&path.to_string_lossy())))
                .with_help("make room on the disk; then run the same command again, it continues")
                .with_source(error)
        };
        let mut part = Part::open(&path).map_err(failed)?;
        let location = self.peer.location(&format!("/airlock/v1/blobs/{digest}"))?;
        let fetched = fetch::download(self.peer.client(), &location, Some(size), size, &mut part, &Silent);
        self.peer.runtime().block_on(fetched)?;
        // Right or wrong, what is there is not continued any more.
        fs::remove_file(&path).map_err(failed)?;
        let found = part.hasher.clone().finish();
        if found != digest {
            return Err(self.wrong(digest, found));
        }
        part.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(part.file)
    }

    fn wrong(&self, digest: Digest, found: Digest) -> Error {
        Error::new(codes::WRONG_DIGEST, "the bytes received are not those that were asked for")
            .with_detail(format!("asked {} for {digest}", self.peer.address()))
            .with_detail(format!("received {found}"))
            .with_help("check the store of that node: `airlock store verify`")
    }
}

impl Origin for Remote {
    fn manifest(&self) -> &Manifest {
        &self.verified.manifest
    }

    fn digest(&self) -> Digest {
        self.verified.digest
    }

    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.fetch(digest)?))
    }

    fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.peer.document(&format!("/airlock/v1/blobs/{digest}"), limit)?;
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(self.wrong(digest, found)) }
    }

    fn name(&self) -> String {
        self.peer.address().to_owned()
    }
}

/// A file that comes in. Nobody else writes it: it is made by root in a directory of root, under the lock.
struct Part {
    file: fs::File,
    hasher: Hasher,
}

impl Part {
    fn open(path: &Path) -> io::Result<Part> {
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Part { file, hasher }),
                count => hasher.update(&buffer[..count]),
            }
        }
    }
}

impl Sink for Part {
    fn length(&self) -> u64 {
        self.hasher.length()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Hasher::new();
        Ok(())
    }
}

fn no_bundle(peer: &Peer, why: &str) -> Error {
    let message = format!("no bundle can be taken from {}: {why}", quote(peer.address()));
    Error::new(codes::SERVER_BUNDLE, message)
        .with_help("see `airlock store list` on that node; its registry has to be that of `airlock install`")
}
