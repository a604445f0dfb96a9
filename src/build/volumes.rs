//! Writes the volumes onto the medium while their blobs are still being fetched: in the order of the
//! manifest, each blob as soon as it is complete.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::build::board::Board;
use crate::build::medium::{MediumFile, failed, temporary};
use crate::build::plan::Plan;
use crate::bundle::writer::{Piece, VolumeWriter};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Digest, Hasher};
use crate::progress::{Event, Progress, Stage};
use crate::source::local::unreadable;
use crate::source::shelf::Origin;
use crate::store::cache::{BUFFER, Cache};

/// A complete file on the medium that does not have its final name yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it will be.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// Writes every volume below `directory` under its temporary name.
pub fn write(
    writer: &VolumeWriter<'_>,
    directory: &Path,
    plan: &Plan,
    cache: &Cache,
    board: &Board,
    progress: &dyn Progress,
) -> Result<Vec<Written>> {
    let mut copier = Copier { plan, cache, board, progress, unproven: None, buffer: vec![0; BUFFER] };
    let mut volumes = Vec::new();
    for index in 0..writer.volumes() {
        let path = directory.join(writer.file_name(index));
        progress.event(Event::ItemStarted { stage: Stage::Write, name: &writer.file_name(index) });
        let mut file = MediumFile::create(&temporary(&path))?;
        writer.write_volume(index, &mut file, |piece, file| copier.copy(piece, file))?;
        let (digest, size) = file.finish()?;
        progress.event(Event::ItemFinished { stage: Stage::Write, name: &writer.file_name(index) });
        volumes.push(Written { path, digest, size });
    }
    Ok(volumes)
}

/// Copies pieces of blobs from where they are.
struct Copier<'a> {
    plan: &'a Plan,
    cache: &'a Cache,
    board: &'a Board,
    progress: &'a dyn Progress,
    /// A local file whose digest nobody checked in this run, so far as it was copied.
    unproven: Option<(Digest, Hasher)>,
    buffer: Vec<u8>,
}

impl Copier<'_> {
    fn copy(&mut self, piece: &Piece, target: &mut MediumFile) -> Result<()> {
        let digest = piece.blob.digest;
        let plan = self.plan;
        let Some((origin, name)) = plan.origins.get(&digest) else {
            return Err(Error::new(
                codes::INTERNAL,
                format!("nothing is known about the origin of {digest}"),
            ));
        };
        match origin {
            Origin::File(path) => self.copy_unproven(piece, path, name, target),
            Origin::Cached => self.copy_from(piece, &self.cache.path(&digest), name, target),
            Origin::Remote(_) if self.board.wait_for(&digest) => {
                self.copy_from(piece, &self.cache.path(&digest), name, target)
            }
            Origin::Remote(_) => {
                Err(Error::new(codes::INTERRUPTED, "writing stopped because fetching failed"))
            }
        }
    }

    /// Copies from a file that was checked in this run.
    fn copy_from(&mut self, piece: &Piece, path: &Path, name: &str, target: &mut MediumFile) -> Result<()> {
        let read = |error| unreadable(&path.display().to_string(), error);
        let mut file = fs::File::open(path).map_err(read)?;
        file.seek(SeekFrom::Start(piece.start)).map_err(read)?;
        let mut left = piece.length;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let count = file.read(&mut self.buffer[..wanted]).map_err(read)?;
            if count == 0 {
                return Err(changed(path, name));
            }
            let bytes = &self.buffer[..count];
            if let Some((_, hasher)) = &mut self.unproven {
                hasher.update(bytes);
            }
            target.write_all(bytes).map_err(|error| failed("write", Path::new(name), error))?;
            self.progress.event(Event::Advanced { stage: Stage::Write, bytes: count as u64 });
            left -= count as u64;
        }
        Ok(())
    }

    /// Copies from a local file, and compares its digest once its last piece is through.
    fn copy_unproven(
        &mut self,
        piece: &Piece,
        path: &Path,
        name: &str,
        target: &mut MediumFile,
    ) -> Result<()> {
        let digest = piece.blob.digest;
        if piece.start == 0 {
            self.unproven = Some((digest, Hasher::new()));
        }
        self.copy_from(piece, path, name, target)?;
        if piece.start + piece.length < piece.blob.size {
            return Ok(());
        }
        match self.unproven.take() {
            Some((expected, hasher)) if expected == digest && hasher.clone().finish() == digest => Ok(()),
            _ => Err(changed(path, name)),
        }
    }
}

/// The error for a local file that is not what the lock pins any more; `name` is that of its artifact.
pub(super) fn changed(path: &Path, name: &str) -> Error {
    Error::new(codes::SOURCE_CHANGED, format!("{} is not what bundle.lock pins", path.display())).with_help(format!(
        "if the new content is meant: `airlock bundle lock --update {name}`, review bundle.lock, build again"
    ))
}
