//! The targets of a lock as candidates: the packages of baseline and bundle are fetched, as the lock pins them.

use super::root::Root;
use super::tree::{Bytes, File};
use super::{Candidate, Status, prove};
use crate::debian::baseline::of_node;
use crate::debian::package::Package;
use crate::debian::repository::Offered;
use crate::debian::universe::Universe;
use crate::error::{Error, Result, codes};
use crate::fetch::Location;
use crate::lock::apt::{Apt, Evidence};
use crate::oci::digest::Digest;
use crate::progress::{Event, Stage};
use crate::source::apt::{Bench, Indices, Opened, with_baseline};
use crate::source::gather::{Gatherer, Wanted};
use crate::source::shelf::{Blob, Origin};
use crate::spec::apt::{Baseline, Target};

/// Tries every target whose evidence is missing, one after the other, and puts what apt said into `locked`. Whatever
/// is proved already, about the same `InRelease`, is not proved again.
///
/// # Errors
/// Those of fetching, and those of [`prove`].
pub async fn prove_all(
    bench: &Bench<'_>,
    targets: &[Target],
    opened: &[Opened],
    locked: &mut [Apt],
) -> Result<()> {
    bench.progress.event(Event::Started { stage: Stage::Prove, bytes: None });
    for opened in opened {
        let name = &opened.locked.name;
        let target = targets.iter().find(|target| target.name == *name);
        let entry = locked.iter_mut().find(|entry| entry.name == *name);
        let (Some(target), Some(entry)) = (target, entry) else { continue };
        if entry.evidence.as_ref().is_none_or(|evidence| evidence.in_release != in_release(entry)) {
            entry.evidence = Some(prove_one(bench, target, opened).await?);
        }
    }
    bench.progress.event(Event::Finished { stage: Stage::Prove });
    Ok(())
}

fn in_release(entry: &Apt) -> Digest {
    Digest::of(entry.in_release.as_bytes())
}

async fn prove_one(bench: &Bench<'_>, target: &Target, opened: &Opened) -> Result<Evidence> {
    let indices = Indices::load(bench, target, &opened.locked).await?;
    let (root, mut wanted, size) = with_baseline(bench, &of_root(target), &indices, |universe| {
        root(bench.gatherer, universe, |package| indices.url(package))
    })?;
    wanted.extend(opened.packages.iter().filter_map(|(_, blob)| remote(blob, &target.name)));
    fetch(bench, wanted).await?;
    let carried: u64 = opened.locked.packages.iter().map(|package| installed_size(&package.stanza)).sum();
    let candidate = Candidate {
        name: target.name.clone(),
        host: target.host.clone(),
        platform: target.platform,
        repository: repository(bench.gatherer, opened),
        in_release: in_release(&opened.locked),
        install: opened.locked.install.iter().map(|it| format!("{}={}", it.package, it.version)).collect(),
        recommends: target.recommends,
        root,
        status: status(bench, target)?,
        installed_size: size + carried,
    };
    prove(&candidate, bench.gatherer.cache().root(), bench.progress).await
}

async fn fetch(bench: &Bench<'_>, wanted: Vec<Wanted>) -> Result<()> {
    let bytes = wanted.iter().map(|blob| blob.size).sum();
    bench.progress.event(Event::Started { stage: Stage::Fetch, bytes: Some(bytes) });
    bench.gatherer.all(wanted, |_| {}).await?;
    bench.progress.event(Event::Finished { stage: Stage::Fetch });
    Ok(())
}

/// Nobody has the packages of a node whose status is known, so apt simulates in the least root it runs in.
fn of_root(target: &Target) -> Target {
    let baseline = match &target.baseline {
        Baseline::Status(_) => Baseline::Essential,
        other => other.clone(),
    };
    Target { baseline, ..target.clone() }
}

/// The root of the baseline in `universe`, what to fetch for it, and its size when installed.
fn root(
    gatherer: &Gatherer,
    universe: &Universe<'_>,
    url: impl Fn(&Package<'_>) -> Option<String>,
) -> Result<(Root, Vec<Wanted>, u64)> {
    let (mut offered, mut wanted, mut size) = (Vec::new(), Vec::new(), 0);
    for version in universe.baseline() {
        let package = universe.stanza(*version);
        let archive = package.archive.and_then(|archive| Some((archive.sha256?, archive.size)));
        let (Some((digest, length)), Some(url)) = (archive, url(package)) else {
            return Err(no_archive(package));
        };
        size += installed_size(&String::from_utf8_lossy(package.stanza.text()));
        offered.push(Offered { package, digest });
        let name = format!("root: {}", package.name);
        wanted.push(Wanted { digest, size: length, location: Location::url(&url)?, name });
    }
    let cache = gatherer.cache();
    Ok((Root::new(&offered, |digest| cache.path(digest))?, wanted, size))
}

fn no_archive(package: &Package<'_>) -> Error {
    let message = format!("the package {} of the baseline has no .deb with a SHA-256", package.name);
    Error::new(codes::PROVE_ROOT, message).with_help("choose another `baseline`, or build without `--prove`")
}

fn remote(blob: &Blob, target: &str) -> Option<Wanted> {
    let Origin::Remote(location) = &blob.origin else { return None };
    Some(Wanted {
        digest: blob.digest,
        size: blob.size,
        location: location.clone(),
        name: format!("apt {target}"),
    })
}

/// The repository as it will lie on a node, from the cache.
fn repository(gatherer: &Gatherer, opened: &Opened) -> Vec<File> {
    let files = opened.packages.iter().chain(&opened.files);
    files.map(|(path, blob)| (path.clone(), Bytes::At(gatherer.cache().path(&blob.digest)))).collect()
}

/// The status of the node that is the baseline, if it is one.
fn status(bench: &Bench<'_>, target: &Target) -> Result<Option<Status>> {
    let Some(text) = crate::source::apt::status_of_node(bench, target)? else { return Ok(None) };
    let native = target.platform.architecture();
    let mut architectures = vec![native.to_owned()];
    for package in of_node(&text)?.packages {
        if package.architecture != "all" && !architectures.iter().any(|known| known == package.architecture) {
            architectures.push(package.architecture.to_owned());
        }
    }
    Ok(Some(Status { text, architectures }))
}

/// Bytes of a package when it is installed: its `Installed-Size` is in KiB (Debian Policy, 5.6.20). What it does not
/// say counts nothing.
fn installed_size(stanza: &str) -> u64 {
    let lines = stanza.lines().filter_map(|line| line.strip_prefix("Installed-Size:"));
    lines.filter_map(|size| size.trim().parse::<u64>().ok()).map(|size| size.saturating_mul(1024)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_how_much_room_it_takes() {
        assert_eq!(installed_size("Package: a\nInstalled-Size: 42\nDescription: x\n"), 43_008);
        assert_eq!(installed_size("Package: a\nDescription: x\n"), 0);
        assert_eq!(installed_size("Package: a\nInstalled-Size: many\n"), 0);
    }
}
