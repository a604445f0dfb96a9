//! The files beside the volumes: the airlock program, checksums, their signature, the README.

use std::path::Path;

use fs_err as fs;

use crate::build::medium::{self, MediumFile, failed, temporary};
use crate::build::plan::Plan;
use crate::build::sidecar::{self, Listed};
use crate::build::volumes::Written;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::progress::{Event, Progress, Stage};
use crate::source::shelf::Origin;
use crate::trust::signature::{CHECKSUMS_NAMESPACE, Signer, sign};

/// Writes the `airlock` program that travels along, under its temporary name.
pub(super) fn write_installer(plan: &Plan, installer: &Written) -> Result<Written> {
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
pub(super) fn write_sidecars(
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

/// Reads every file back from the medium and compares.
pub(super) fn check<'a>(
    files: impl Iterator<Item = &'a Written> + Clone,
    progress: &dyn Progress,
) -> Result<()> {
    let bytes = files.clone().map(|file| file.size).sum();
    progress.event(Event::Started { stage: Stage::Check, bytes: Some(bytes) });
    for file in files {
        medium::read_back(&temporary(&file.path), (file.digest, file.size), progress)?;
    }
    progress.event(Event::Finished { stage: Stage::Check });
    Ok(())
}
