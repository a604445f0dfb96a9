//! Executes a plan: fetches and writes at the same time, checks what the medium kept, and only then gives
//! the files their names. Whatever stops it, the medium still holds the older bundle, and the cache holds
//! everything that was fetched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::build::board::Board;
use crate::build::existing::{self, Expected};
use crate::build::medium::{self, MediumFile, failed, temporary};
use crate::build::plan::Plan;
use crate::build::sidecar::{self, Listed};
use crate::build::target::{self, Probe, VolumeSize};
use crate::build::volumes::{self, Written};
use crate::bundle::manifest::Artifact;
use crate::bundle::names;
use crate::bundle::writer::VolumeWriter;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::progress::{Event, Progress, Stage};
use crate::source::gather::{Cost, Gatherer};
use crate::source::shelf::Origin;
use crate::trust::signature::{CHECKSUMS_NAMESPACE, MANIFEST_NAMESPACE, Signer, sign};

/// Room for headers, sidecars and directory entries beside the volumes, in bytes.
const SLACK: u64 = 1 << 20;

/// Where and how to write.
pub struct Target<'a> {
    /// The directory; created if missing.
    pub directory: PathBuf,
    /// How to cut volumes.
    pub volume_size: VolumeSize,
    /// Read everything back before it gets its name.
    pub check: bool,
    /// Looks at the file system.
    pub probe: &'a dyn Probe,
}

/// What a build did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The volumes, in order.
    pub volumes: Vec<PathBuf>,
    /// Bytes of all volumes together.
    pub size: u64,
    /// The bundle was there already, complete and undamaged; nothing was written.
    pub unchanged: bool,
    /// What was fetched.
    pub cost: Cost,
    /// Fingerprint of the signing key.
    pub signer: Option<String>,
}

/// The bytes of a bundle that exist before any blob is there.
struct Head {
    manifest: Vec<u8>,
    signature: Option<Vec<u8>>,
    limit: Option<u64>,
}

/// Builds the bundle of `plan`. Without `signer` it is unsigned.
pub async fn build(
    plan: Plan,
    gatherer: &Gatherer,
    target: &Target<'_>,
    signer: Option<&dyn Signer>,
    progress: Arc<dyn Progress>,
) -> Result<Outcome> {
    let plan = Arc::new(plan);
    let directory = &target.directory;
    target::prepare(directory)?;
    let _lock = lock(directory)?;
    let head = Arc::new(head(&plan, target, signer)?);
    let fingerprint = signer.map(|signer| signer.public_key().fingerprint());
    let writer = VolumeWriter::new(&plan.manifest, &head.manifest, head.signature.as_deref(), head.limit)?;
    let expected = expected(&plan, &head, &writer, directory);
    let size = expected.arrangement.total_length();
    if existing::is_complete(&expected, signer.map(Signer::public_key), progress.as_ref())? {
        plan.check_local_files()?;
        return Ok(Outcome {
            volumes: expected.volumes,
            size,
            unchanged: true,
            cost: Cost::default(),
            signer: fingerprint,
        });
    }
    remove_leftovers(directory, &expected.stem)?;
    let needed = size + expected.installers.iter().map(|installer| installer.size).sum::<u64>() + SLACK;
    target::require_space(target.probe, directory, needed, "the bundle")?;
    let cut = cut_blobs(&plan, &writer);
    drop(writer);

    let (cost, volumes) = fetch_and_write(&plan, &head, gatherer, directory, &progress).await?;
    let mut files: Vec<Written> = Vec::new();
    for installer in &expected.installers {
        files.push(write_installer(&plan, installer)?);
    }
    files.extend(volumes.iter().cloned());
    let small = write_sidecars(&plan, &files, signer, &cut, directory, &expected.stem)?;
    if target.check {
        check(files.iter().chain(&small), progress.as_ref())?;
    }
    commit(directory, &files, &small, &expected)?;
    Ok(Outcome { volumes: expected.volumes, size, unchanged: false, cost, signer: fingerprint })
}

fn head(plan: &Plan, target: &Target<'_>, signer: Option<&dyn Signer>) -> Result<Head> {
    let manifest = plan.manifest.to_bytes();
    let signature = signer.map(|signer| sign(signer, MANIFEST_NAMESPACE, &manifest)).transpose()?;
    let file_system = target::look(target.probe, &target.directory)?;
    Ok(Head {
        manifest,
        signature: signature.map(String::into_bytes),
        limit: target.volume_size.limit(file_system)?,
    })
}

fn expected(plan: &Plan, head: &Head, writer: &VolumeWriter<'_>, directory: &Path) -> Expected {
    let stem = names::stem(&plan.manifest.name, &plan.manifest.version);
    let platforms = plan.manifest.artifacts.iter().filter_map(|artifact| match artifact {
        Artifact::Installer(installer) => Some((installer.platform, installer.blob)),
        _ => None,
    });
    let several = platforms.clone().count() > 1;
    let installers = platforms.map(|(platform, blob)| Written {
        path: directory.join(installer_name(platform, several)),
        digest: blob.digest,
        size: blob.size,
    });
    Expected {
        directory: directory.to_owned(),
        volumes: (0..writer.volumes()).map(|index| directory.join(writer.file_name(index))).collect(),
        arrangement: writer.arrangement().clone(),
        manifest: head.manifest.clone(),
        installers: installers.collect(),
        stem,
    }
}

/// `install`, or `install-amd64` and so on where a bundle serves several platforms.
fn installer_name(platform: Platform, several: bool) -> String {
    if several { format!("install-{}", platform.architecture()) } else { "install".to_owned() }
}

/// Keeps other builds out of the directory until dropped.
fn lock(directory: &Path) -> Result<fs::File> {
    let file = fs::File::open(directory).map_err(|error| failed("open", directory, error))?;
    match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(Error::new(codes::LOCK_BUSY, format!("another build is writing to {}", directory.display()))
                .with_help("wait for it, or choose another directory"))
        }
        Err(error) => Err(failed("lock", directory, error.into())),
    }
}

/// Removes what a killed build left under temporary names.
fn remove_leftovers(directory: &Path, stem: &str) -> Result<()> {
    for entry in list(directory)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = name.starts_with(&format!("{stem}."))
            || name.starts_with("install")
            || name.starts_with("README.txt");
        if ours && name.ends_with(".partial") {
            fs::remove_file(&entry).map_err(|error| failed("remove", &entry, error))?;
        }
    }
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = |error| failed("read", directory, error);
    let entries = fs::read_dir(directory).map_err(read)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(read)).collect()
}

/// The blobs that lie in more than one piece.
fn cut_blobs(plan: &Plan, writer: &VolumeWriter<'_>) -> Vec<Digest> {
    let blobs = plan.manifest.blobs.iter().enumerate();
    blobs
        .filter(|(index, _)| writer.arrangement().extents(*index).len() > 1)
        .map(|(_, blob)| blob.digest)
        .collect()
}

/// Wakes the writing thread when the build is given up at whatever point.
struct Abandon(Arc<Board>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn fetch_and_write(
    plan: &Arc<Plan>,
    head: &Arc<Head>,
    gatherer: &Gatherer,
    directory: &Path,
    progress: &Arc<dyn Progress>,
) -> Result<(Cost, Vec<Written>)> {
    let board = Arc::new(Board::default());
    let guard = Abandon(board.clone());
    let wanted = plan.wanted();
    let bytes = wanted.iter().map(|blob| blob.size).sum();
    progress.event(Event::Started { stage: Stage::Fetch, bytes: Some(bytes) });
    progress.event(Event::Started { stage: Stage::Write, bytes: Some(plan.size()) });
    let writing = {
        let (plan, head, cache) = (plan.clone(), head.clone(), gatherer.cache().clone());
        let (directory, board, progress) = (directory.to_owned(), board.clone(), progress.clone());
        tokio::task::spawn_blocking(move || {
            let writer =
                VolumeWriter::new(&plan.manifest, &head.manifest, head.signature.as_deref(), head.limit)?;
            volumes::write(&writer, &directory, &plan, &cache, &board, progress.as_ref())
        })
    };
    let fetching = async {
        let outcome = gatherer.all(wanted, move |digest| board.ready(digest)).await;
        match &outcome {
            Ok(_) => progress.event(Event::Finished { stage: Stage::Fetch }),
            Err(_) => guard.0.abandon(),
        }
        outcome
    };
    let writing = async {
        let outcome = writing
            .await
            .map_err(|error| {
                Error::new(codes::INTERNAL, "the writing thread ended unexpectedly").with_source(error)
            })
            .and_then(|outcome| outcome);
        match &outcome {
            Ok(_) => progress.event(Event::Finished { stage: Stage::Write }),
            Err(_) => gatherer.stop(),
        }
        outcome
    };
    match tokio::join!(fetching, writing) {
        (Ok(cost), Ok(volumes)) => Ok((cost, volumes)),
        // The side that was merely told to stop is not the one that failed.
        (Err(error), Err(other)) if error.code() == codes::INTERRUPTED => Err(other),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn write_installer(plan: &Plan, installer: &Written) -> Result<Written> {
    let Some((Origin::File(source), _)) = plan.origins.get(&installer.digest) else {
        return Err(Error::new(codes::INTERNAL, "the origin of the airlock program is not a file"));
    };
    let path = temporary(&installer.path);
    let mut file = MediumFile::create(&path)?;
    let mut reader = fs::File::open(source).map_err(|error| failed("read", source, error))?;
    std::io::copy(&mut reader, &mut file).map_err(|error| failed("write", &path, error))?;
    let (digest, size) = file.finish()?;
    if digest != installer.digest {
        return Err(Error::new(
            codes::SOURCE_CHANGED,
            format!("{} changed during the build", source.display()),
        )
        .with_help("run the build again"));
    }
    medium::make_executable(&path)?;
    Ok(Written { path: installer.path.clone(), digest, size })
}

/// Writes checksums, their signature and the README; returns them as [`Written`].
fn write_sidecars(
    plan: &Plan,
    files: &[Written],
    signer: Option<&dyn Signer>,
    cut: &[Digest],
    directory: &Path,
    stem: &str,
) -> Result<Vec<Written>> {
    let listed: Vec<Listed> = files.iter().map(listed).collect();
    let sums = sidecar::sums(&listed);
    let fingerprint = signer.map(|signer| signer.public_key().fingerprint());
    let mut small = vec![(format!("{stem}.sha256"), sums.clone())];
    if let Some(signer) = signer {
        small.push((format!("{stem}.sha256.sig"), sign(signer, CHECKSUMS_NAMESPACE, sums.as_bytes())?));
    }
    small.push((
        "README.txt".to_owned(),
        sidecar::readme(&plan.manifest, &listed, fingerprint.as_deref(), cut),
    ));
    let write = |(name, text): (String, String)| {
        let path = directory.join(name);
        medium::write_small(&temporary(&path), text.as_bytes())?;
        Ok(Written { path, digest: Digest::of(text.as_bytes()), size: text.len() as u64 })
    };
    small.into_iter().map(write).collect()
}

fn listed(file: &Written) -> Listed {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Listed { name, digest: file.digest }
}

fn check<'a>(files: impl Iterator<Item = &'a Written> + Clone, progress: &dyn Progress) -> Result<()> {
    let bytes = files.clone().map(|file| file.size).sum();
    progress.event(Event::Started { stage: Stage::Check, bytes: Some(bytes) });
    for file in files {
        medium::read_back(&temporary(&file.path), (file.digest, file.size), progress)?;
    }
    progress.event(Event::Finished { stage: Stage::Check });
    Ok(())
}

/// Gives every file its name, volume 1 last, and afterwards removes what belonged to the bundle that was
/// replaced. `volumes` are among `files`.
fn commit(directory: &Path, files: &[Written], small: &[Written], expected: &Expected) -> Result<()> {
    let rename = |file: &Written| {
        fs::rename(temporary(&file.path), &file.path).map_err(|error| failed("rename", &file.path, error))
    };
    let is_first = |file: &&Written| expected.volumes.first() == Some(&file.path);
    small.iter().chain(files.iter().filter(|file| !is_first(file))).try_for_each(rename)?;
    medium::sync_directory(directory)?;
    files.iter().filter(is_first).try_for_each(rename)?;
    medium::sync_directory(directory)?;
    let keep: Vec<&Path> = files.iter().chain(small).map(|file| file.path.as_path()).collect();
    for entry in list(directory)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_ours =
            names::belongs_to(&name, &expected.stem) || name == format!("{}.sha256.sig", expected.stem);
        if is_ours && !keep.contains(&entry.as_path()) {
            fs::remove_file(&entry).map_err(|error| failed("remove", &entry, error))?;
        }
    }
    medium::sync_directory(directory)
}
