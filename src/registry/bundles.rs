//! What the server tells about imported bundles: their signed manifests, and the package repositories in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::json;

use super::answer::{self, Result};
use super::failure;
use super::pull::{self, Terms};
use super::refusal::{Reason, Refusal};
use super::service::{Asked, Inner};
use crate::bundle::manifest::apt::Apt;
use crate::bundle::manifest::{Artifact, Manifest};
use crate::bundle::{Bundle, Verified};
use crate::error;
use crate::oci::digest::Digest;
use crate::quote::quote;
use crate::store::{Blob, Store};

/// Bundles of the store whose package repositories are kept in memory; usual is the one that is installed, and
/// the next.
const MOST_KNOWN: usize = 4;

/// The bundles that are served: those read in place, and those of the store.
#[derive(Default)]
pub struct Shelf {
    in_place: Vec<InPlace>,
    store: Option<Store>,
    /// Of bundles of the store, the latest used last: a bundle never changes. Held while a manifest is read, so
    /// that of these large documents there is one in memory at a time.
    known: Mutex<Vec<(Digest, Arc<Repositories>)>>,
}

/// A bundle that is read in place.
struct InPlace {
    bundle: Arc<Bundle<Verified>>,
    repositories: Repositories,
}

/// The bytes of a manifest, which live as long as its bundle.
struct SignedBytes(Arc<Bundle<Verified>>);

impl AsRef<[u8]> for SignedBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.manifest_bytes()
    }
}

/// Package repositories by the names of their targets.
type Repositories = BTreeMap<String, Files>;

/// The files of a package repository: digests of their paths with what they name, sorted. There may be tens of
/// thousands, with long paths.
struct Files(Box<[(Digest, Digest)]>);

/// A manifest as it was signed.
enum Signed {
    Bytes(Bytes),
    Stored(Blob),
}

impl Shelf {
    /// The bundles of `store`, if there is one, behind those in place.
    pub fn new(in_place: &[Arc<Bundle<Verified>>], store: Option<Store>) -> Shelf {
        let in_place = in_place
            .iter()
            .map(|bundle| InPlace { bundle: bundle.clone(), repositories: repositories(bundle.manifest()) });
        Shelf { in_place: in_place.collect(), store, known: Mutex::default() }
    }

    /// The manifest of a bundle; without a digest, of the newest. Blocks on the disk.
    fn manifest(&self, digest: Option<Digest>) -> error::Result<Option<(Digest, Signed)>> {
        if let Some(found) = self.find_in_place(digest) {
            let bytes = Bytes::from_owner(SignedBytes(found.bundle.clone()));
            return Ok(Some((found.bundle.digest(), Signed::Bytes(bytes))));
        }
        let Some((store, digest)) = self.find_stored(digest)? else { return Ok(None) };
        Ok(store.signed_manifest_blob(&digest)?.map(|blob| (digest, Signed::Stored(blob))))
    }

    /// The signatures of a bundle; without a digest, of the newest. Blocks on the disk.
    fn signatures(&self, digest: Option<Digest>) -> error::Result<Option<(Digest, Vec<Vec<u8>>)>> {
        if let Some(found) = self.find_in_place(digest) {
            let signatures = found.bundle.signatures().iter().map(|signature| signature.bytes.clone());
            return Ok(Some((found.bundle.digest(), signatures.collect())));
        }
        let Some((store, digest)) = self.find_stored(digest)? else { return Ok(None) };
        Ok(Some((digest, store.signatures(&digest)?)))
    }

    fn find_in_place(&self, digest: Option<Digest>) -> Option<&InPlace> {
        self.in_place.iter().find(|bundle| digest.is_none_or(|digest| bundle.bundle.digest() == digest))
    }

    fn find_stored(&self, digest: Option<Digest>) -> error::Result<Option<(&Store, Digest)>> {
        let Some(store) = &self.store else { return Ok(None) };
        let found =
            store.bundle_digests()?.into_iter().find(|found| digest.is_none_or(|digest| *found == digest));
        Ok(found.map(|digest| (store, digest)))
    }

    /// The blob of a file of a package repository. Where several bundles have one of that name, the newest counts.
    fn file(&self, target: &str, path: &str) -> error::Result<Option<Digest>> {
        if let Some(files) = self.in_place.iter().find_map(|bundle| bundle.repositories.get(target)) {
            return Ok(files.get(path));
        }
        let Some(store) = &self.store else { return Ok(None) };
        for digest in store.bundle_digests()? {
            let repositories = self.repositories(store, digest)?;
            if let Some(files) = repositories.as_ref().and_then(|repositories| repositories.get(target)) {
                return Ok(files.get(path));
            }
        }
        Ok(None)
    }

    fn repositories(&self, store: &Store, digest: Digest) -> error::Result<Option<Arc<Repositories>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known.iter().position(|(found, _)| *found == digest);
        let found = match place {
            Some(place) => known.remove(place).1,
            None => {
                let Some(bytes) = store.signed_manifest(&digest)? else { return Ok(None) };
                Arc::new(repositories(&Manifest::parse(&bytes)?))
            }
        };
        if known.len() == MOST_KNOWN {
            known.remove(0);
        }
        known.push((digest, found.clone()));
        Ok(Some(found))
    }
}

fn repositories(manifest: &Manifest) -> Repositories {
    let repositories = manifest.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Apt(apt) => Some((apt.name.clone(), Files::of(apt))),
        _ => None,
    });
    repositories.collect()
}

impl Files {
    /// Every path of a repository. Metadata is there under its digest as well, so that an update of the repository
    /// never pulls a file from under a client that has just read what it should be.
    fn of(apt: &Apt) -> Files {
        let entry = |path: &str, digest: Digest| (Digest::of(path.as_bytes()), digest);
        let packages = apt.packages.iter().map(|package| entry(&package.path, package.blob.digest));
        let metadata = apt.files.iter().flat_map(|file| {
            let by_hash = format!("by-hash/SHA256/{}", file.blob.digest.hex());
            [entry(&file.path, file.blob.digest), entry(&by_hash, file.blob.digest)]
        });
        let mut files: Vec<_> = packages.chain(metadata).collect();
        files.sort_unstable();
        Files(files.into_boxed_slice())
    }

    fn get(&self, path: &str) -> Option<Digest> {
        let path = Digest::of(path.as_bytes());
        let place = self.0.binary_search_by_key(&path, |(path, _)| *path).ok()?;
        self.0.get(place).map(|(_, digest)| *digest)
    }
}

/// The manifest of a bundle, exactly as it was signed.
pub(super) async fn manifest(inner: &Arc<Inner>, digest: Option<Digest>, asked: &Asked) -> Result {
    const MEDIA_TYPE: &str = "application/json";
    let terms = Terms::of(asked);
    inner
        .blocking(move |inner| {
            let found = inner.settings.bundles.manifest(digest);
            let found = found.map_err(|error| failure::refusal(inner, error))?.ok_or_else(unknown)?;
            match found {
                (digest, Signed::Bytes(bytes)) => pull::send_bytes(bytes, &digest.into(), MEDIA_TYPE, &terms),
                (_, Signed::Stored(blob)) => pull::send(inner, blob, MEDIA_TYPE, &terms),
            }
        })
        .await
}

/// The signatures of that manifest: `{"bundle": DIGEST, "signatures": [BASE64]}`.
pub(super) async fn signatures(inner: &Arc<Inner>, digest: Option<Digest>) -> Result {
    inner
        .blocking(move |inner| {
            let found = inner.settings.bundles.signatures(digest);
            let (digest, signatures) =
                found.map_err(|error| failure::refusal(inner, error))?.ok_or_else(unknown)?;
            let signatures: Vec<String> = signatures.iter().map(|bytes| STANDARD.encode(bytes)).collect();
            let body = json!({"bundle": digest, "signatures": signatures}).to_string();
            Ok(answer::typed(StatusCode::OK, "application/json", body))
        })
        .await
}

fn unknown() -> Refusal {
    Refusal::new(Reason::ManifestUnknown, "there is no such bundle here")
}

/// A file of a package repository.
pub(super) async fn apt(inner: &Arc<Inner>, target: String, path: String, asked: &Asked) -> Result {
    let terms = Terms::of(asked);
    inner
        .blocking(move |inner| {
            let failed = |error| failure::refusal(inner, error);
            let missing = || {
                Refusal::new(
                    Reason::NameUnknown,
                    format!("there is no `{}` for target `{}`", quote(&path), quote(&target)),
                )
            };
            let digest = inner.settings.bundles.file(&target, &path).map_err(failed)?.ok_or_else(missing)?;
            let blob = inner.settings.content.blob(&digest.into()).map_err(failed)?.ok_or_else(missing)?;
            pull::send(inner, blob, media_type(&path), &terms)
        })
        .await
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "deb")) => "application/vnd.debian.binary-package",
        Some((_, "xz")) => "application/x-xz",
        _ => "text/plain; charset=utf-8",
    }
}
