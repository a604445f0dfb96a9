//! One index of a repository: fetched by digest where that is possible, checked on both sides of its compression.

use fs_err as fs;

use super::Bench;
use crate::debian::index::{Compression, IndexFile};
use crate::debian::location::Suite;
use crate::debian::release::Checksum;
use crate::debian::universe::Provenance;
use crate::error::{Error, Result, codes};
use crate::fetch::Location;
use crate::lock::apt as lock;
use crate::oci::digest::Digest;
use crate::quote::quote;
use crate::source::gather::Wanted;

/// The text of an index, and where it is from.
#[derive(Debug)]
pub(super) struct Index {
    /// What it says.
    pub(super) text: Vec<u8>,
    /// For the lock.
    pub(super) record: lock::Index,
    pub(super) provenance: Provenance,
    /// Where its packages are.
    pub(super) place: Suite,
    /// Patterns of the only packages that are taken; empty for all.
    pub(super) only: Vec<String>,
}

/// Brings an index and reads it. `known` is what an earlier lock has under its path.
pub(super) async fn fetch(
    bench: &Bench<'_>,
    place: &Suite,
    component: Option<String>,
    file: IndexFile,
    provenance: Provenance,
    known: Option<&lock::Index>,
) -> Result<Index> {
    let (text, digest) = match file.packed.sha256 {
        Some(digest) => {
            bring(bench, place, &file, digest).await?;
            (decode(bench, &file, digest).await?, digest)
        }
        None => without_sha256(bench, place, &file, known).await?,
    };
    let record = lock::Index { component, path: file.path, digest, size: file.packed.size };
    Ok(Index { text, record, provenance, place: place.clone(), only: Vec::new() })
}

/// Brings an index into the cache under its digest, if it is not there.
async fn bring(bench: &Bench<'_>, place: &Suite, file: &IndexFile, digest: Digest) -> Result<()> {
    let name = place.metadata_url(&file.path);
    let outcome = at_first_place(place, file, async |url: String| {
        let location = Location::url(&url)?;
        bench.gatherer.one(&Wanted { digest, size: file.packed.size, location, name: name.clone() }).await
    });
    outcome.await.map(drop).map_err(|error| explained(error, &name))
}

/// A few repositories have no SHA-256, so nothing in the cache can be found by what they say. What the last lock
/// took is the same if it has the right SHA-512.
async fn without_sha256(
    bench: &Bench<'_>,
    place: &Suite,
    file: &IndexFile,
    known: Option<&lock::Index>,
) -> Result<(Vec<u8>, Digest)> {
    if let Some(known) = known.filter(|known| bench.gatherer.cache().has(&known.digest, file.packed.size))
        && let Ok(text) = decode(bench, file, known.digest).await
    {
        return Ok((text, known.digest));
    }
    let outcome = at_first_place(place, file, async |url: String| {
        bench.gatherer.unpinned(&url, file.packed.size).await
    });
    let (digest, _) = outcome.await.map_err(|error| explained(error, &place.metadata_url(&file.path)))?;
    Ok((decode(bench, file, digest).await?, digest))
}

/// Under its digest an index cannot change in the middle; not every mirror that promises to have it so does.
async fn at_first_place<T>(
    place: &Suite,
    file: &IndexFile,
    get: impl AsyncFn(String) -> Result<T>,
) -> Result<T> {
    if let Some(path) = &file.by_hash {
        match get(place.metadata_url(path)).await {
            Err(error) if error.code() == codes::FETCH_NOT_FOUND => {}
            outcome => return outcome,
        }
    }
    get(place.metadata_url(&file.path)).await
}

async fn decode(bench: &Bench<'_>, file: &IndexFile, digest: Digest) -> Result<Vec<u8>> {
    let (path, file) = (bench.gatherer.cache().path(&digest), file.clone());
    let name = file.path.clone();
    let decoded = on_thread(move || {
        let packed = fs::File::open(&path)
            .map_err(|cause| Error::new(codes::CACHE_IO, "the cache cannot be read").with_source(cause))?;
        file.decode(packed)
    });
    decoded.await.map_err(|error| explained(error, &name))
}

/// Work that would keep the network waiting.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| {
        Error::new(codes::INTERNAL, "a thread that works on packages ended unexpectedly").with_source(cause)
    })?
}

/// Says what a failed transfer means for an index: that it does not belong to its `Release`.
fn explained(error: Error, name: &str) -> Error {
    let (code, what) = match error.code() {
        codes::WRONG_DIGEST | codes::DEBIAN_INDEX_DAMAGED => {
            (codes::APT_INDEX_MISMATCH, "is not the one that its Release file lists")
        }
        codes::FETCH_LENGTH => (codes::APT_INDEX_LENGTH, "has another length than its Release file says"),
        codes::FETCH_NOT_FOUND => (codes::APT_INDEX_GONE, "is listed in its Release file, and not there"),
        _ => return error,
    };
    let explained = Error::new(code, format!("the index {} {what}", quote(name)));
    error
        .details()
        .iter()
        .fold(explained, |explained, detail| explained.with_detail(detail))
        .with_source(error)
}

/// Where the packages of an index come from, as far as choices depend on it.
pub(super) fn provenance(release: &lock::Release, place: &Suite, component: Option<&str>) -> Provenance {
    Provenance {
        suite: release.suite.clone(),
        codename: release.codename.clone(),
        origin: release.origin.clone(),
        label: release.label.clone(),
        version: release.version.clone(),
        component: component.unwrap_or_default().to_owned(),
        site: site(place),
        not_automatic: release.not_automatic,
        but_automatic_upgrades: release.but_automatic_upgrades,
    }
}

/// The host name, without port, as pins name it.
fn site(place: &Suite) -> String {
    let url = crate::fetch::Url::parse(&place.metadata_url(""));
    url.ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// The index that a lock pins, to be fetched again.
pub(super) fn pinned(record: &lock::Index) -> IndexFile {
    let directory =
        record.path.rsplit_once('/').map(|(directory, _)| format!("{directory}/")).unwrap_or_default();
    let ending = |compression: &Compression| record.path.ends_with(compression.suffix());
    let compressions = [Compression::Xz, Compression::Zstd, Compression::Gzip];
    IndexFile {
        path: record.path.clone(),
        by_hash: Some(format!("{directory}by-hash/SHA256/{}", record.digest.hex())),
        compression: compressions.into_iter().find(ending).unwrap_or(Compression::None),
        packed: Checksum { size: record.size, sha256: Some(record.digest), sha512: None },
        unpacked: None,
    }
}
