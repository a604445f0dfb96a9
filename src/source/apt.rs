//! Packages: from the targets of the spec to a pinned repository for each.
//!
//! Nothing here is believed before it is proven: `Release` files by their signatures, indices and packages by
//! digests, the chosen set by the checker, and what the lock says by the signature it holds.

mod archives;
mod baseline;
mod index;
mod indices;
mod keys;
mod machine;
mod recorded;
mod release;
mod repository;
mod request;
mod selection;
mod suite;
mod upstream;
mod wishes;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::indices::Indices;
use self::release::Release;
use self::repository::{Signature, Verdict};
use self::selection::{Order, Selection};
use crate::bundle::manifest::apt::KEYRING;
use crate::debian::repository::{IN_RELEASE, Listing};
use crate::debian::universe::Universe;
use crate::error::{Error, Result};
use crate::fetch::Location;
use crate::lock::apt as lock;
use crate::oci::digest::Digest;
use crate::progress::{Event, Progress};
use crate::source::gather::Gatherer;
use crate::source::shelf::{Blob, Origin};
use crate::spec::apt::Target;
use crate::spec::nvidia::Nvidia;

/// What this machine's own apt is configured with, by which the archive of a distribution is found. Read by the
/// command line; empty on a machine without apt.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Texts of `/etc/apt/sources.list` and of the files of `sources.list.d`, with their paths, in apt's order.
    pub sources: Vec<(PathBuf, String)>,
    /// Directories in which keyrings without a path are looked for: `/usr/share/keyrings`, `/etc/apt/trusted.gpg.d`.
    pub keyring_directories: Vec<PathBuf>,
}

/// What targets are resolved with.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Fetches indices into the cache.
    pub gatherer: &'a Gatherer,
    /// Knows where the archives of distributions are.
    pub machine: &'a Machine,
    /// Directory of the spec, for relative paths.
    pub directory: &'a Path,
    /// The time by this machine's clock, by which signatures are judged.
    pub now: Timestamp,
    /// The time that new repositories are given.
    pub date: Timestamp,
    /// Hears about repositories and warnings.
    pub progress: &'a dyn Progress,
}

/// A target whose every byte is pinned.
#[derive(Debug)]
pub struct Opened {
    /// Its entry in the lock.
    pub locked: lock::Apt,
    /// The `.deb`s, in the order of `locked.packages`: their paths within the repository and their bytes.
    pub packages: Vec<(String, Blob)>,
    /// The metadata in the order in which it may be published, the keyring first and `InRelease` last.
    pub files: Vec<(String, Blob)>,
}

/// Resolves a target to what its repositories have today. `nvidia` is the section of that name if nodes of this
/// target have GPUs, `old` what an earlier lock says of the target: what it has seen may not become older, and if
/// nothing else changed it is kept as it is.
///
/// # Errors
/// Of kind `Untrusted`, `Rollback`, `Corrupt` or `Upstream` for repositories that are not what they should be, and
/// those of the solver with the lines of the spec.
pub async fn resolve(
    bench: &Bench<'_>,
    target: &Target,
    nvidia: Option<&Nvidia>,
    old: Option<&lock::Apt>,
) -> Result<Opened> {
    let release = Release::of(&target.host).map_err(|error| upstream::at(error, target.line))?;
    let request = request::digest(bench, target, nvidia)?;
    let baseline = baseline::Text::read(bench, target).map_err(|error| upstream::at(error, target.line))?;
    let upstreams = upstream::all(bench, target, &release).await?;
    let architectures = selection::architectures(target, &baseline)?;
    let (indices, repositories) = Indices::fetch(bench, target, &upstreams, &architectures, old).await?;
    let order = Order { target: target.clone(), nvidia: nvidia.cloned(), release, baseline, indices };
    let selection = index::on_thread(move || selection::select(&order)).await?;
    for text in &selection.warnings {
        bench.progress.event(Event::Warning { text: &format!("{}: {text}", target.name) });
    }
    let packages = archives::pin(bench, selection.packages.clone(), old).await?;
    let listing = repository::listing(&packages)?;
    let stored = old
        .map(Signature::of)
        .filter(|stored| stored.check(&listing, bench.now).ok() == Some(Verdict::Valid));
    let signature = stored.map_or_else(|| Signature::make(&listing, &release, bench.date), Ok)?;
    let entry = entry(target, request, selection, repositories, packages, signature);
    let entry = match old {
        Some(old) => kept(entry, old),
        None => entry,
    };
    opened(bench, entry, &listing)
}

/// Opens what the lock pins for a target; `None` when that does not answer the target as it is written now.
///
/// If this airlock packs the list of packages into other bytes than the one that wrote the lock, the repository
/// is signed anew: then the entry is another one.
///
/// # Errors
/// [`APT_LOCK_CONTRADICTS`](crate::error::codes::APT_LOCK_CONTRADICTS) if somebody edited the entry; if a file that
/// the spec names cannot be read.
pub fn open(
    bench: &Bench<'_>,
    target: &Target,
    nvidia: Option<&Nvidia>,
    locked: &lock::Apt,
) -> Result<Option<Opened>> {
    if locked.name != target.name || locked.request != request::digest(bench, target, nvidia)? {
        return Ok(None);
    }
    let release = Release::of(&target.host).map_err(|error| upstream::at(error, target.line))?;
    let listing = repository::listing(&locked.packages)?;
    let stored = Signature::of(locked);
    if stored.check(&listing, bench.now)? == Verdict::Valid {
        return opened(bench, locked.clone(), &listing).map(Some);
    }
    let text = format!(
        "{}: this airlock packs the list of packages differently, so the repository is signed anew",
        target.name
    );
    bench.progress.event(Event::Note { text: &text });
    let Signature { keyring, in_release } = Signature::make(&listing, &release, bench.date)?;
    let locked = lock::Apt { keyring, in_release, evidence: None, ..locked.clone() };
    opened(bench, locked, &listing).map(Some)
}

/// The universe of a target with its baseline in it, from [`Indices`] that were loaded: what was assumed to be
/// installed when the lock was made.
///
/// # Errors
/// If the baseline cannot be read or does not fit the indices.
pub fn with_baseline<T>(
    bench: &Bench<'_>,
    target: &Target,
    indices: &Indices,
    look: impl FnOnce(&Universe<'_>) -> Result<T>,
) -> Result<T> {
    let baseline = baseline::Text::read(bench, target)?;
    let mut universe = indices.universe(&|_| {})?;
    let mut options = selection::options(target, &Release::of(&target.host)?);
    baseline.add_to(&mut universe, &mut options)?;
    look(&universe)
}

/// The status file of the node that is the baseline of `target`, if it is one.
///
/// # Errors
/// [`APT_BASELINE`](crate::error::codes::APT_BASELINE) if it cannot be read.
pub fn status_of_node(bench: &Bench<'_>, target: &Target) -> Result<Option<Vec<u8>>> {
    match baseline::Text::read(bench, target)? {
        baseline::Text::Status(status) => Ok(Some(status)),
        _ => Ok(None),
    }
}

fn entry(
    target: &Target,
    request: Digest,
    selection: Selection,
    repositories: Vec<lock::Repository>,
    packages: Vec<lock::Package>,
    signature: Signature,
) -> lock::Apt {
    lock::Apt {
        name: target.name.clone(),
        host: target.host.clone(),
        platform: target.platform,
        request,
        baseline: lock::Baseline { name: baseline::name(&target.baseline), packages: selection.baseline },
        recommends: target.recommends,
        repositories,
        install: selection.install,
        nvidia: selection.nvidia,
        packages,
        keyring: signature.keyring,
        in_release: signature.in_release,
        evidence: None,
    }
}

/// The new entry, or the old one if nothing that reaches a node differs: that the repositories have moved on in
/// other respects is not worth a new serial.
fn kept(new: lock::Apt, old: &lock::Apt) -> lock::Apt {
    let evidence =
        old.evidence.clone().filter(|evidence| evidence.in_release == Digest::of(new.in_release.as_bytes()));
    let new = lock::Apt { evidence, ..new };
    let same = lock::Apt { repositories: old.repositories.clone(), ..new.clone() };
    if same == *old { same } else { new }
}

/// Puts the metadata into the cache and says where everything is.
fn opened(bench: &Bench<'_>, locked: lock::Apt, listing: &Listing) -> Result<Opened> {
    let cache = bench.gatherer.cache();
    let stored = |path: &str, bytes: &[u8]| -> Result<(String, Blob)> {
        let blob = Blob { digest: cache.put(bytes)?, size: bytes.len() as u64, origin: Origin::Cached };
        Ok((path.to_owned(), blob))
    };
    let mut files = vec![stored(KEYRING, locked.keyring.as_bytes())?];
    for (path, bytes) in listing.indices() {
        files.push(stored(path, bytes)?);
    }
    files.push(stored(IN_RELEASE, locked.in_release.as_bytes())?);
    let packages = listing.archives().iter().zip(&locked.packages).map(|(archive, package)| {
        let origin = Origin::Remote(Location::url(&package.url)?);
        Ok::<_, Error>((archive.path.clone(), Blob { digest: package.digest, size: package.size, origin }))
    });
    let packages = packages.collect::<Result<_>>()?;
    Ok(Opened { locked, packages, files })
}
