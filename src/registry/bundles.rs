//! What the server tells about imported bundles: their signed manifests, and the package repositories in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
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
use crate::store::Store;

/// The bundles that are served: those read in place, and those of the store.
#[derive(Default)]
pub struct Shelf {
    in_place: Vec<Arc<Imported>>,
    store: Option<Store>,
    /// Of bundles of the store, by digest: a bundle never changes.
    known: Mutex<HashMap<Digest, Arc<Imported>>>,
}

/// What is known of one bundle.
struct Imported {
    digest: Digest,
    /// Of bundles in place only; the store has what was signed of its own.
    in_place: Option<Arc<Bundle<Verified>>>,
    repositories: BTreeMap<String, Files>,
}

/// Paths in a package repository, and what they name.
type Files = HashMap<String, Digest>;

/// A manifest as it was signed.
struct Signed {
    manifest: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Shelf {
    /// The bundles of `store`, if there is one, behind those in place.
    pub fn new(in_place: &[Arc<Bundle<Verified>>], store: Option<Store>) -> Shelf {
        let in_place = in_place
            .iter()
            .map(|bundle| Arc::new(Imported::new(bundle.digest(), Some(bundle.clone()), bundle.manifest())));
        Shelf { in_place: in_place.collect(), store, known: Mutex::default() }
    }

    /// All bundles, the newest first. Blocks on the disk.
    fn all(&self) -> error::Result<Vec<Arc<Imported>>> {
        let mut all = self.in_place.clone();
        if let Some(store) = &self.store {
            for digest in store.bundle_digests()? {
                all.extend(self.of_store(store, digest)?);
            }
        }
        Ok(all)
    }

    fn of_store(&self, store: &Store, digest: Digest) -> error::Result<Option<Arc<Imported>>> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&digest) {
            return Ok(Some(found.clone()));
        }
        let Some(bytes) = store.signed_manifest(&digest)? else { return Ok(None) };
        let imported = Arc::new(Imported::new(digest, None, &Manifest::parse(&bytes)?));
        known().insert(digest, imported.clone());
        Ok(Some(imported))
    }

    fn find(&self, digest: Option<Digest>) -> error::Result<Option<Arc<Imported>>> {
        Ok(self.all()?.into_iter().find(|bundle| digest.is_none_or(|digest| bundle.digest == digest)))
    }

    /// The blob of a file of a package repository. Where several bundles have one of that name, the newest counts.
    fn file(&self, target: &str, path: &str) -> error::Result<Option<Digest>> {
        let all = self.all()?;
        let repository = all.iter().find_map(|bundle| bundle.repositories.get(target));
        Ok(repository.and_then(|files| files.get(path)).copied())
    }
}

impl Imported {
    fn new(digest: Digest, in_place: Option<Arc<Bundle<Verified>>>, manifest: &Manifest) -> Imported {
        let repositories = manifest.artifacts.iter().filter_map(|artifact| match artifact {
            Artifact::Apt(apt) => Some((apt.name.clone(), files(apt))),
            _ => None,
        });
        Imported { digest, in_place, repositories: repositories.collect() }
    }
}

/// Every path of a repository. Metadata is there under its digest as well, so that an update of the repository
/// never pulls a file from under a client that has just read what it should be.
fn files(apt: &Apt) -> Files {
    let packages = apt.packages.iter().map(|package| (package.path.clone(), package.blob.digest));
    let metadata = apt.files.iter().flat_map(|file| {
        let by_hash = format!("by-hash/SHA256/{}", file.blob.digest.hex());
        [(file.path.clone(), file.blob.digest), (by_hash, file.blob.digest)]
    });
    packages.chain(metadata).collect()
}

/// The manifest of a bundle, exactly as it was signed.
pub(super) async fn manifest(inner: &Arc<Inner>, digest: Option<Digest>) -> Result {
    inner
        .blocking(move |inner| {
            let (digest, signed) = signed(inner, digest)?;
            let answered = answer::typed(StatusCode::OK, "application/json", signed.manifest);
            Ok(answer::with(answered, answer::CONTENT_DIGEST, digest))
        })
        .await
}

/// The signatures of that manifest: `{"bundle": DIGEST, "signatures": [BASE64]}`.
pub(super) async fn signatures(inner: &Arc<Inner>, digest: Option<Digest>) -> Result {
    inner
        .blocking(move |inner| {
            let (digest, signed) = signed(inner, digest)?;
            let signatures: Vec<String> =
                signed.signatures.iter().map(|bytes| STANDARD.encode(bytes)).collect();
            let body = json!({"bundle": digest, "signatures": signatures}).to_string();
            Ok(answer::typed(StatusCode::OK, "application/json", body))
        })
        .await
}

fn signed(inner: &Inner, digest: Option<Digest>) -> Result<(Digest, Signed)> {
    let shelf = &inner.settings.bundles;
    let failed = |error| failure::refusal(inner, error);
    let unknown = || Refusal::new(Reason::ManifestUnknown, "there is no such bundle here");
    let found = shelf.find(digest).map_err(failed)?.ok_or_else(unknown)?;
    let signed = match (&found.in_place, &shelf.store) {
        (Some(bundle), _) => {
            let signatures = bundle.signatures().iter().map(|signature| signature.bytes.clone()).collect();
            Signed { manifest: bundle.manifest_bytes().to_vec(), signatures }
        }
        (None, Some(store)) => {
            let manifest = store.signed_manifest(&found.digest).map_err(failed)?.ok_or_else(unknown)?;
            Signed { manifest, signatures: store.signatures(&found.digest).map_err(failed)? }
        }
        (None, None) => return Err(unknown()),
    };
    Ok((found.digest, signed))
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
