//! Copies things out of a bundle: one artifact, or the whole OCI image layout.
//!
//! Everything is verified as it passes and written under a temporary name beside the target; the target
//! gets its name only when it is complete.

mod repository;

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::layout;
use super::manifest::Artifact;
use super::names::shown;
use super::reader::{Bundle, Verified};
use super::write_error::write_error;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::progress::{Event, Progress, Stage};
pub use repository::source_line;

/// What to do if a file is there already. Directories are never replaced, as their content is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and stop.
    Keep,
    /// Replace it, once the new one is complete.
    Replace,
}

/// Copies one artifact to `target`: an image becomes an OCI image layout directory that names it, the packages for
/// apt a directory from which apt can install, anything else a file with its permission bits. Nothing of another
/// artifact is read.
pub fn artifact(
    bundle: &Bundle<Verified>,
    artifact: &Artifact,
    target: &Path,
    existing: Existing,
    progress: &dyn Progress,
) -> Result<()> {
    let extraction = Extraction { bundle, progress };
    match artifact {
        Artifact::Image(image) => extraction.layout(std::slice::from_ref(artifact), &image.blobs, target),
        Artifact::File(file) => {
            // The manifest has been validated: four octal digits.
            let mode = u32::from_str_radix(&file.mode, 8).unwrap_or(0o600);
            extraction.single_file(file.blob.digest, mode, target, existing)
        }
        Artifact::K3s(k3s) => extraction.single_file(k3s.blob.digest, 0o755, target, existing),
        Artifact::Installer(installer) => {
            extraction.single_file(installer.blob.digest, 0o755, target, existing)
        }
        Artifact::Apt(apt) => extraction.repository(apt, target),
    }
}

/// Copies the whole OCI image layout, with every blob, to the directory `target`, which must not exist or
/// be empty.
pub fn whole_layout(bundle: &Bundle<Verified>, target: &Path, progress: &dyn Progress) -> Result<()> {
    let manifest = bundle.manifest();
    let digests: Vec<_> = manifest.blobs.iter().map(|blob| blob.digest).collect();
    Extraction { bundle, progress }.layout(&manifest.artifacts, &digests, target)
}

struct Extraction<'a> {
    bundle: &'a Bundle<Verified>,
    progress: &'a dyn Progress,
}

impl Extraction<'_> {
    fn single_file(&self, digest: Digest, mode: u32, target: &Path, existing: Existing) -> Result<()> {
        if existing == Existing::Keep && fs_err::symlink_metadata(target).is_ok() {
            let help = format!("remove {} first, or use --force", shown(target));
            return Err(exists(target).with_help(help));
        }
        let total = self.bundle.blob_reader(digest)?.blob().size;
        self.progress.event(Event::Started { stage: Stage::Extract, bytes: Some(total) });
        let temporary = temporary_beside(target)?;
        let written = self.blob(digest, mode, &temporary);
        let placed = written.and_then(|()| self.place(&temporary, target));
        if placed.is_err() {
            // Ours, incomplete, and of no use to anybody.
            let _ = fs_err::remove_file(&temporary);
        }
        placed
    }

    /// A layout of these artifacts. What an interrupted run has left under the temporary name is written
    /// over, so running the command again is enough.
    fn layout(&self, artifacts: &[Artifact], digests: &[Digest], target: &Path) -> Result<()> {
        let sizes =
            digests.iter().map(|digest| self.bundle.blob_reader(*digest).map(|reader| reader.blob().size));
        let total = sizes.sum::<Result<u64>>()?;
        let temporary = temporary_directory(target)?;
        self.progress.event(Event::Started { stage: Stage::Extract, bytes: Some(total) });
        let blobs = temporary.join("blobs/sha256");
        fs_err::create_dir_all(&blobs).map_err(|cause| write_error(&shown(&blobs), cause))?;
        for digest in digests {
            self.blob(*digest, 0o644, &blobs.join(digest.hex()))?;
        }
        let (marker, index) = layout::layout_files(artifacts);
        for (name, bytes) in [(layout::OCI_LAYOUT, marker), (layout::INDEX, index)] {
            let path = temporary.join(name);
            fs_err::write(&path, bytes).map_err(|cause| write_error(&shown(&path), cause))?;
        }
        self.place(&temporary, target)
    }

    /// Writes one blob to a file, hashing it on the way, and makes it durable.
    fn blob(&self, digest: Digest, mode: u32, path: &Path) -> Result<()> {
        let failed = |cause| write_error(&shown(path), cause);
        let mut options = fs_err::OpenOptions::new();
        // Nobody may lead us elsewhere by a link of the temporary name.
        let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        options.options_mut().write(true).create(true).truncate(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(path).map_err(failed)?;
        self.bundle.blob_reader(digest)?.for_each(|bytes| {
            file.write_all(bytes).map_err(failed)?;
            self.progress.event(Event::Advanced { stage: Stage::Extract, bytes: bytes.len() as u64 });
            Ok(())
        })?;
        file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    fn place(&self, temporary: &Path, target: &Path) -> Result<()> {
        self.bundle.check_unchanged()?;
        let failed = |cause| write_error(&shown(target), cause);
        fs_err::rename(temporary, target).map_err(failed)?;
        let directory = parent(target);
        fs_err::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.progress.event(Event::Finished { stage: Stage::Extract });
        Ok(())
    }
}

/// Where to put together what becomes the directory `target`, if that is free. It may have been begun already.
fn temporary_directory(target: &Path) -> Result<PathBuf> {
    check_directory_is_free(target)?;
    let temporary = temporary_beside(target)?;
    if fs_err::symlink_metadata(&temporary).is_ok_and(|found| !found.is_dir()) {
        return Err(exists(&temporary).with_help("remove it: airlock needs this name for a while"));
    }
    Ok(temporary)
}

fn check_directory_is_free(target: &Path) -> Result<()> {
    let free = match fs_err::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) => cause.kind() == std::io::ErrorKind::NotFound,
    };
    if free {
        return Ok(());
    }
    Err(exists(target).with_help("name a directory that does not exist yet, or an empty one"))
}

fn exists(target: &Path) -> Error {
    Error::new(codes::TARGET_EXISTS, format!("{} exists already", shown(target)))
}

/// A hidden name in the same directory, so that a rename suffices.
fn temporary_beside(target: &Path) -> Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(Error::new(codes::USAGE, format!("{} does not name a file or directory", shown(target)))
            .with_help("give a path that ends in a name"));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".airlock-partial");
    Ok(parent(target).join(hidden))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
