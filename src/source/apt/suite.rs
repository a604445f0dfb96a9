//! One suite of a repository: its signed `Release`, and the indices that belong to it.
//!
//! Between the one and the others a mirror may have changed. Indices under their digest do not care; where there
//! are none, the suite is started over.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::Bench;
use super::index::{self, Index};
use super::upstream::{Upstream, at};
use crate::debian::index::{IndexFile, index_files};
use crate::debian::location::Suite;
use crate::debian::release::{Release, SignedRelease, unsigned};
use crate::error::{Error, Result, codes};
use crate::fetch::Limits;
use crate::lock::apt as lock;
use crate::progress::{Event, Stage};
use crate::quote::quote;

/// Largest `InRelease`, in bytes; that of Debian's unstable has 200 KiB.
const RELEASE_LIMIT: u64 = 16 << 20;

/// How often a suite is tried if its files do not belong together.
const ATTEMPTS: usize = 3;

/// Indices of one suite that are fetched at the same time.
const AT_ONCE: usize = 4;

/// What was found of a suite.
pub(super) struct Fetched {
    /// For the lock.
    pub(super) record: lock::Repository,
    /// Its packages.
    pub(super) indices: Vec<Index>,
}

/// What is asked of a suite.
pub(super) struct Asked<'a> {
    pub(super) upstream: &'a Upstream,
    /// The architectures of the packages; the first one must be there.
    pub(super) architectures: &'a [String],
    /// What an earlier lock knows of it.
    pub(super) seen: Option<&'a lock::Repository>,
}

/// Fetches, verifies and decodes everything of a suite.
pub(super) async fn fetch(bench: &Bench<'_>, asked: &Asked<'_>) -> Result<Fetched> {
    let Upstream { uri, suite, line, .. } = asked.upstream;
    let name = format!("{uri} {suite}");
    bench.progress.event(Event::ItemStarted { stage: Stage::Resolve, name: &name });
    let mut attempt = 1;
    loop {
        match fetch_once(bench, asked, &name).await {
            Err(error) if is_race(&error) && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(at(final_error(error, &name), *line)),
            Ok(fetched) => {
                bench.progress.event(Event::ItemFinished { stage: Stage::Resolve, name: &name });
                return Ok(fetched);
            }
        }
    }
}

async fn fetch_once(bench: &Bench<'_>, asked: &Asked<'_>, name: &str) -> Result<Fetched> {
    let Upstream { uri, suite, components, .. } = asked.upstream;
    let place = Suite::new(uri, suite, &asked.architectures[0])?;
    let signed = signed_release(bench, asked, &place, name).await?;
    let release = signed.release()?;
    check_name(asked.upstream, &release, name)?;
    check_time(bench, asked, &release, name)?;
    let wanted = wanted_indices(&release, components, asked.architectures, &place)?;
    let described = described(&release);
    let indices: Vec<Index> = stream::iter(wanted)
        .map(|(component, file)| {
            let known = asked.seen.and_then(|seen| seen.indices.iter().find(|index| index.path == file.path));
            let provenance = index::provenance(&described, &place, component.as_deref());
            index::fetch(bench, &place, component, file, provenance, known)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let indices = indices.into_iter().map(|index| Index { only: asked.upstream.only.clone(), ..index });
    let indices: Vec<Index> = indices.collect();
    let signer = signed.signer();
    let record = lock::Repository {
        uri: uri.clone(),
        suite: suite.clone(),
        components: components.clone(),
        release: described,
        authenticated_by: format!("OpenPGP key {}, {}, {}", signer.primary, signer.algorithm, signer.hash),
        date: release.date.map(|date| date.to_string()),
        indices: indices.iter().map(|index| index.record.clone()).collect(),
    };
    Ok(Fetched { record, indices })
}

/// `InRelease`, or `Release` with `Release.gpg`. There is no way to an unsigned one.
async fn signed_release(
    bench: &Bench<'_>,
    asked: &Asked<'_>,
    place: &Suite,
    name: &str,
) -> Result<SignedRelease> {
    let keyring = &asked.upstream.keyring;
    let url = place.metadata_url("InRelease");
    if let Some(message) = document(bench, &url).await? {
        return SignedRelease::verify_inline(&message, &url, keyring, bench.now);
    }
    let url = place.metadata_url("Release");
    let Some(text) = document(bench, &url).await? else { return Err(no_repository(name, &url)) };
    let Some(signature) = document(bench, &place.metadata_url("Release.gpg")).await? else {
        return Err(unsigned(name, asked.seen.is_some()));
    };
    SignedRelease::verify_detached(text, &signature, &url, keyring, bench.now)
}

/// A small file; `None` if the server does not have it.
async fn document(bench: &Bench<'_>, url: &str) -> Result<Option<Vec<u8>>> {
    match bench.gatherer.client().document(url, Limits { max_size: RELEASE_LIMIT }).await {
        Ok(document) => Ok(Some(document.bytes)),
        Err(error) if error.code() == codes::FETCH_NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// Another suite of the same owners is signed as well: one without the latest fixes could take the place of the one
/// that has them. Other repositories often are called differently than their directory.
fn check_name(upstream: &Upstream, release: &Release<'_>, name: &str) -> Result<()> {
    let asked = upstream.suite.trim_end_matches("/updates");
    if !upstream.is_archive || [release.suite, release.codename].contains(&asked) {
        return Ok(());
    }
    let found = quote(if release.codename.is_empty() { release.suite } else { release.codename });
    Err(Error::new(codes::APT_OTHER_SUITE, format!("{name} is really the suite `{found}`")).with_help(
        "the mirror mixes up suites, or somebody hides newer packages: use another mirror, or name the suite that is \
         meant: `archive: {suites: [...]}`",
    ))
}

fn check_time(bench: &Bench<'_>, asked: &Asked<'_>, release: &Release<'_>, name: &str) -> Result<()> {
    match release.check_time(bench.now, name) {
        Err(error) if error.code() == codes::DEBIAN_RELEASE_EXPIRED && asked.upstream.allow_expired => {
            let text = format!("{error}; `allowExpired` in bundle.yaml says to use it");
            bench.progress.event(Event::Warning { text: &text });
        }
        Err(error) if error.code() == codes::DEBIAN_RELEASE_EXPIRED => {
            return Err(error.with_detail("a snapshot of the past has always expired: `allowExpired: true` in bundle.yaml uses it all the same"));
        }
        other => other?,
    }
    let seen: Option<Timestamp> = asked.seen.and_then(|seen| seen.date.as_deref()?.parse().ok());
    seen.map_or(Ok(()), |seen| release.check_not_older(seen, name))
}

/// The indices of all components and architectures. A foreign architecture may be missing, and empty indices
/// are not worth a request: some mirrors list them without having them.
fn wanted_indices(
    release: &Release<'_>,
    components: &[String],
    architectures: &[String],
    place: &Suite,
) -> Result<Vec<(Option<String>, IndexFile)>> {
    let components: Vec<Option<&str>> = match place.is_flat() {
        true => vec![None],
        false => components.iter().map(|component| Some(component.as_str())).collect(),
    };
    let mut wanted: Vec<(Option<String>, IndexFile)> = Vec::new();
    for component in components {
        for (number, architecture) in architectures.iter().enumerate() {
            let files = match index_files(release, component, architecture) {
                Err(error) if number > 0 && error.code() == codes::DEBIAN_INDEX_MISSING => continue,
                files => files?,
            };
            let fresh = files.into_iter().filter(|file| file.unpacked.is_none_or(|plain| plain.size != 0));
            for file in fresh {
                if wanted.iter().all(|(_, known)| known.path != file.path) {
                    wanted.push((component.map(str::to_owned), file));
                }
            }
        }
    }
    Ok(wanted)
}

fn described(release: &Release<'_>) -> lock::Release {
    lock::Release {
        origin: release.origin.to_owned(),
        label: release.label.to_owned(),
        suite: release.suite.to_owned(),
        codename: release.codename.to_owned(),
        version: release.version.to_owned(),
        not_automatic: release.not_automatic,
        but_automatic_upgrades: release.but_automatic_upgrades,
    }
}

/// Whether the error is what a mirror shows that changes while it is read.
fn is_race(error: &Error) -> bool {
    [codes::APT_INDEX_MISMATCH, codes::APT_INDEX_LENGTH, codes::APT_INDEX_GONE].contains(&error.code())
}

/// What is still wrong after all attempts lies with the mirror.
fn final_error(error: Error, name: &str) -> Error {
    if !is_race(&error) {
        return error;
    }
    error
        .with_detail(format!("{name} was read {ATTEMPTS} times from its InRelease on, with the same result"))
        .with_help(
            "the mirror is inconsistent, as most are for minutes while they update: run the same command again \
             later, or use another mirror",
        )
}

fn no_repository(name: &str, url: &str) -> Error {
    Error::new(codes::APT_NO_REPOSITORY, format!("there is no repository at {name}: it has neither InRelease nor Release"))
        .with_help(format!(
            "compare address and suite with what its owners document; airlock asked for {url}; one without `dists` is \
             flat, and its suite ends in `/`"
        ))
}
