//! A bundle on other nodes: its signed manifest, and blobs by their digests. Where one does not answer, the next is
//! asked.
//!
//! A blob is fetched into `/var/lib/airlock/incoming` first, where it goes on behind what an earlier run has
//! left, and is handed out when its digest is right. The file is gone as soon as it is read.

use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use serde::Deserialize;

use super::{Origin, stored};
use crate::bundle::manifest::{self, Blob, Manifest};
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::error::{Error, Kind, Result, codes};
use crate::fetch::{self, Sink};
use crate::node::registry::peer::Peer;
use crate::oci::digest::{Digest, Hasher};
use crate::progress::{Event, Progress, Silent};
use crate::quote::quote;
use crate::store::import::Supply;
use crate::store::{Content as _, Incoming, Signed, Store};
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// Where blobs come in.
pub const INCOMING: &str = "/var/lib/airlock/incoming";

/// Most bytes of an answer with signatures: as many as anybody makes.
const MAX_SIGNATURES: u64 = 64 * signature::MAX_LENGTH;

/// A bundle that other nodes have.
pub struct Remote {
    peers: Vec<Peer>,
    /// The one of them that has answered last, and is asked first.
    preferred: AtomicUsize,
    signed: SignedManifest,
    verified: VerifiedManifest,
    incoming: PathBuf,
    store: Option<PathBuf>,
}

/// What a server answers about signatures.
#[derive(Deserialize)]
struct Signatures {
    bundle: Digest,
    signatures: Vec<String>,
}

impl Remote {
    /// A bundle as it was signed, from the first of `peers` that tells it: that with the digest, or the newest that it
    /// has. Nothing of it is believed yet.
    ///
    /// # Errors
    /// That of the first of them: [`codes::SERVER_BUNDLE`] if it has none or talks nonsense; those of fetching.
    pub fn signed(peers: &[Peer], bundle: Option<Digest>) -> Result<SignedManifest> {
        first_of(peers.iter(), |peer| signed_at(peer, bundle))
    }

    /// The bundle with this manifest on `peers`, one of which is enough; blobs come in at the directory `incoming`.
    pub fn new(
        peers: Vec<Peer>,
        signed: SignedManifest,
        verified: VerifiedManifest,
        incoming: &Path,
    ) -> Remote {
        let preferred = AtomicUsize::new(0);
        Remote { peers, preferred, signed, verified, incoming: incoming.to_owned(), store: None }
    }

    /// The same for a machine whose store, in the directory `store`, gets the bundle: what is there already is not
    /// fetched again.
    #[must_use]
    pub fn beside(self, store: PathBuf) -> Remote {
        Remote { store: Some(store), ..self }
    }

    /// Asks one peer after the other, that first which has answered last.
    fn ask<T>(&self, mut ask: impl FnMut(&Peer) -> Result<T>) -> Result<T> {
        let start = self.preferred.load(Ordering::Relaxed);
        let count = self.peers.len();
        let order = (0..count).map(|number| (start + number) % count);
        first_of(order, |number| {
            let answer = ask(&self.peers[number])?;
            self.preferred.store(number, Ordering::Relaxed);
            Ok(answer)
        })
    }

    /// The blob in the store of this machine, if it is there.
    fn stored(&self, digest: Digest) -> Option<Box<dyn Read + '_>> {
        let store = Store::open(self.store.as_deref()?).ok()?;
        let blob = store.blob(&digest.into()).ok()??;
        // A damaged one is fetched.
        blob.verify().ok()?;
        Some(stored::reader(blob))
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
        self.ask(|peer| {
            let mut part = Part::open(&path).map_err(failed)?;
            download(peer, digest, size, &mut part, &Silent)?;
            // Right or wrong, what is there is not continued any more.
            fs::remove_file(&path).map_err(failed)?;
            let found = part.hasher.clone().finish();
            if found != digest {
                return Err(wrong(peer, digest, found));
            }
            part.file.seek(SeekFrom::Start(0)).map_err(failed)?;
            Ok(part.file)
        })
    }
}

/// The first answer that is one. A server that does not answer, or has something else, does not keep the others from
/// being asked; other failures are of this machine.
fn first_of<P, T>(peers: impl Iterator<Item = P>, mut ask: impl FnMut(P) -> Result<T>) -> Result<T> {
    let mut failure = None;
    for peer in peers {
        match ask(peer) {
            Err(error) if matches!(error.kind(), Kind::Upstream | Kind::Corrupt) => {
                failure.get_or_insert(error);
            }
            result => return result,
        }
    }
    Err(failure.unwrap_or_else(|| {
        Error::new(codes::SERVER_BUNDLE, "no other node is known that has the bundle")
            .with_help("name one: `--from https://HOST:5443`")
    }))
}

fn signed_at(peer: &Peer, bundle: Option<Digest>) -> Result<SignedManifest> {
    let path = match bundle {
        Some(digest) => format!("/airlock/v1/manifest?bundle={digest}"),
        None => "/airlock/v1/manifest".to_owned(),
    };
    let bytes = peer.document(&path, manifest::MAX_LENGTH).map_err(|error| match error.code() {
        codes::FETCH_NOT_FOUND => no_bundle(peer, "it does not have it").with_source(error),
        _ => error,
    })?;
    let found = Digest::of(&bytes);
    if bundle.is_some_and(|bundle| bundle != found) {
        return Err(no_bundle(peer, "it gives another one"));
    }
    let answer = peer.document(&format!("/airlock/v1/signatures?bundle={found}"), MAX_SIGNATURES)?;
    let answer: Signatures = serde_json::from_slice(&answer)
        .map_err(|error| no_bundle(peer, "its signatures cannot be understood").with_source(error))?;
    let decoded: std::result::Result<Vec<_>, _> =
        answer.signatures.iter().map(|text| STANDARD.decode(text)).collect();
    let decoded = decoded.ok().filter(|_| answer.bundle == found);
    let decoded = decoded.ok_or_else(|| no_bundle(peer, "its signatures are of something else"))?;
    let named = decoded.into_iter().enumerate().map(|(number, bytes)| SignatureFile {
        name: format!("signature {} of {}", number + 1, peer.address()),
        bytes,
    });
    Ok(SignedManifest { bytes, signatures: named.collect() })
}

fn download(
    peer: &Peer,
    digest: Digest,
    size: u64,
    sink: &mut dyn Sink,
    progress: &dyn Progress,
) -> Result<()> {
    let location = peer.location(&format!("/airlock/v1/blobs/{digest}"))?;
    let fetched = fetch::download(peer.client(), &location, Some(size), size, sink, progress);
    peer.runtime().block_on(fetched).map(drop)
}

fn wrong(peer: &Peer, digest: Digest, found: Digest) -> Error {
    Error::new(codes::WRONG_DIGEST, "the bytes received are not those that were asked for")
        .with_detail(format!("asked {} for {digest}", peer.address()))
        .with_detail(format!("received {found}"))
        .with_help("check the store of that node: `airlock store verify`")
}

impl Origin for Remote {
    fn manifest(&self) -> &Manifest {
        &self.verified.manifest
    }

    fn digest(&self) -> Digest {
        self.verified.digest
    }

    fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
        match self.stored(digest) {
            Some(reader) => Ok(reader),
            None => Ok(Box::new(self.fetch(digest)?)),
        }
    }

    fn document(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        self.ask(|peer| {
            let bytes = peer.document(&format!("/airlock/v1/blobs/{digest}"), limit)?;
            let found = Digest::of(&bytes);
            if found == digest { Ok(bytes) } else { Err(wrong(peer, digest, found)) }
        })
    }

    fn supply(&self) -> Option<&dyn Supply> {
        Some(self)
    }

    fn name(&self) -> String {
        self.peers.first().map(Peer::address).unwrap_or_default().to_owned()
    }
}

impl Supply for Remote {
    fn manifest(&self) -> &Manifest {
        &self.verified.manifest
    }

    fn signed(&self) -> Signed<'_> {
        Signed::from(&self.signed)
    }

    fn bring(&self, blob: Blob, incoming: &mut Incoming<'_>, advance: &(dyn Fn(u64) + Sync)) -> Result<()> {
        // What an earlier run has fetched.
        advance(Sink::length(incoming));
        self.ask(|peer| {
            download(peer, blob.digest, blob.size, incoming, &Advance(advance))?;
            incoming.check().inspect_err(|_| drop(Sink::restart(incoming)))
        })
    }

    fn continues(&self) -> bool {
        true
    }
}

/// Hears of bytes that were fetched, and passes on how many.
struct Advance<'a>(&'a (dyn Fn(u64) + Sync));

impl Progress for Advance<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { bytes, .. } = event {
            (self.0)(bytes);
        }
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
