//! Executes a plan: fetches and writes at the same time, checks what the medium kept, and only then gives
//! the files their names. Whatever stops it, the medium still holds the older bundle, and the cache holds
//! everything that was fetched.

mod directory;
mod files;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::existing::{self, Expected};
use crate::build::plan::Plan;
use crate::build::target::{self, Probe, VolumeSize};
use crate::build::volumes::Written;
use crate::bundle::manifest::Artifact;
use crate::bundle::names;
use crate::bundle::writer::VolumeWriter;
use crate::error::Result;
use crate::oci::digest::Digest;
use crate::progress::Progress;
use crate::source::gather::{Cost, Gatherer};
use crate::trust::signature::{MANIFEST_NAMESPACE, Signer, sign};

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
    let _lock = directory::lock(directory)?;
    let head = Arc::new(head(&plan, target, signer)?);
    let (expected, cut) = {
        let writer =
            VolumeWriter::new(&plan.manifest, &head.manifest, head.signature.as_deref(), head.limit)?;
        (expected(&plan, &head, &writer, directory), cut_blobs(&plan, &writer))
    };
    let mut outcome = Outcome {
        volumes: expected.volumes.clone(),
        size: expected.arrangement.total_length(),
        unchanged: existing::is_complete(&expected, signer.map(Signer::public_key), progress.as_ref())?,
        cost: Cost::default(),
        signer: signer.map(|signer| signer.public_key().fingerprint()),
    };
    if outcome.unchanged {
        plan.check_local_files()?;
        return Ok(outcome);
    }
    directory::remove_leftovers(directory, &expected.stem)?;
    require_space(target, &expected)?;
    let (cost, volumes) = transfer::fetch_and_write(&plan, &head, gatherer, directory, &progress).await?;
    outcome.cost = cost;
    let programs = expected.installers.iter().map(|installer| files::write_installer(&plan, installer));
    let mut large = programs.collect::<Result<Vec<Written>>>()?;
    large.extend(volumes);
    let small = files::write_sidecars(&plan, &large, signer, &cut, directory, &expected.stem)?;
    if target.check {
        files::check(large.iter().chain(&small), progress.as_ref())?;
    }
    directory::commit(directory, &large, &small, &expected)?;
    Ok(outcome)
}

fn require_space(target: &Target<'_>, expected: &Expected) -> Result<()> {
    let programs: u64 = expected.installers.iter().map(|installer| installer.size).sum();
    let needed = expected.arrangement.total_length() + programs + SLACK;
    target::require_space(target.probe, &target.directory, needed, "the bundle")
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
        path: directory.join(directory::installer_name(platform, several)),
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

/// The blobs that lie in more than one piece.
fn cut_blobs(plan: &Plan, writer: &VolumeWriter<'_>) -> Vec<Digest> {
    let blobs = plan.manifest.blobs.iter().enumerate();
    blobs
        .filter(|(index, _)| writer.arrangement().extents(*index).len() > 1)
        .map(|(_, blob)| blob.digest)
        .collect()
}
