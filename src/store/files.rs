//! Files that are there completely or not at all, and durable when they have to be.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use crate::error::{Error, codes};
use crate::quote::escape;

/// How often a directory is made again that somebody else removed because it was empty.
const ATTEMPTS: usize = 16;

/// How many files of a bulk wait to be synced together.
const BULK: usize = 1024;

/// So many files of a bulk are synced one by one.
const FEW: usize = 64;

/// Writes into a store: files appear by rename, [`Batch::sync`] makes all of it last.
pub(super) struct Batch {
    scratch: PathBuf,
    /// Directories whose entries changed.
    directories: BTreeSet<PathBuf>,
    /// Files that get their names after all of them were synced at once; only in bulk.
    waiting: Option<Vec<(PathBuf, PathBuf)>>,
}

impl Batch {
    /// A batch whose unfinished files lie in the directory `scratch`, on the same file system.
    pub(super) fn new(scratch: &Path) -> Batch {
        Batch { scratch: scratch.to_owned(), directories: BTreeSet::new(), waiting: None }
    }

    /// The same for thousands of files: their file system is synced instead of each of them, and they
    /// appear at [`Batch::sync`] at the latest.
    pub(super) fn in_bulk(scratch: &Path) -> Batch {
        let mut batch = Batch::new(scratch);
        batch.waiting = Some(Vec::new());
        batch
    }

    /// Gives `path` this content. What is equal already is left as it is, but made young.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if has_content(path, bytes) && make_young(path)? {
            self.changed(parent(path));
            return Ok(());
        }
        let (temporary, mut file) = create_unique(&self.scratch)?;
        let written = file.write_all(bytes).and_then(|()| match self.waiting {
            Some(_) => Ok(()),
            None if bytes.is_empty() => Ok(()),
            None => file.sync_data(),
        });
        let placed = written.and_then(|()| match &mut self.waiting {
            Some(waiting) => {
                waiting.push((temporary.clone(), path.to_owned()));
                if waiting.len() < BULK { Ok(()) } else { self.place_waiting() }
            }
            None => self.place(&temporary, path),
        });
        placed.inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    /// Makes an empty file, or an existing one young.
    pub(super) fn join(&mut self, path: &Path) -> io::Result<()> {
        for _ in 1..ATTEMPTS {
            self.create_directories(parent(path))?;
            match fs::OpenOptions::new().write(true).create(true).truncate(true).open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                file => {
                    self.changed(parent(path));
                    return file?.file().set_modified(SystemTime::now());
                }
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    fn place_waiting(&mut self) -> io::Result<()> {
        let waiting = self.waiting.replace(Vec::new()).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        let placed = self
            .sync_waiting(&waiting)
            .and_then(|()| waiting.iter().try_for_each(|(temporary, path)| self.place(temporary, path)));
        placed.inspect_err(|_| give_up(&waiting))
    }

    /// Syncing the file system also waits for what everybody else has written, which few files should not.
    fn sync_waiting(&self, waiting: &[(PathBuf, PathBuf)]) -> io::Result<()> {
        if waiting.len() > FEW {
            return Ok(rustix::fs::syncfs(fs::File::open(&self.scratch)?.file())?);
        }
        waiting.iter().try_for_each(|(temporary, _)| fs::File::open(temporary)?.sync_data())
    }

    /// Renames a complete and synced file to its final name.
    pub(super) fn place(&mut self, temporary: &Path, path: &Path) -> io::Result<()> {
        let parent = parent(path);
        for _ in 1..ATTEMPTS {
            self.create_directories(parent)?;
            match fs::rename(temporary, path) {
                Err(error) if error.kind() == ErrorKind::NotFound && temporary.exists() => {}
                result => {
                    self.directories.insert(parent.to_owned());
                    return result;
                }
            }
        }
        fs::rename(temporary, path)
    }

    /// Makes a directory and those above it.
    pub(super) fn create_directories(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.create_directories(parent(path))?;
                self.create_directories(path)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => {
                self.directories.insert(parent(path).to_owned());
                result
            }
        }
    }

    /// Removes a file; whether it was there.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<bool> {
        self.changed(parent(path));
        remove(path)
    }

    /// Remembers that an entry of the directory changed.
    pub(super) fn changed(&mut self, directory: &Path) {
        self.directories.insert(directory.to_owned());
    }

    /// Waits until everything so far is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.waiting.is_some() {
            self.place_waiting()?;
        }
        for directory in std::mem::take(&mut self.directories) {
            match fs::File::open(&directory).and_then(|directory| directory.sync_all()) {
                // Removed meanwhile because it became empty: then nothing in it has to last.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }
}

/// Whatever did not get its name would be waste, and the disk may be full.
impl Drop for Batch {
    fn drop(&mut self) {
        give_up(self.waiting.as_deref().unwrap_or_default());
    }
}

fn give_up(waiting: &[(PathBuf, PathBuf)]) {
    for (temporary, _) in waiting {
        // If that fails, it is collected as a leftover.
        let _ = fs::remove_file(temporary);
    }
}

/// Creates a file under a name that nobody else uses.
fn create_unique(directory: &Path) -> io::Result<(PathBuf, fs::File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{}-{number}", std::process::id()));
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            // Of an earlier process with our number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (path, file)),
        }
    }
}

/// Whether the file was still there to be dated.
fn make_young(path: &Path) -> io::Result<bool> {
    match open(path)? {
        Some(file) => file.file().set_modified(SystemTime::now()).map(|()| true),
        None => Ok(false),
    }
}

fn has_content(path: &Path, bytes: &[u8]) -> bool {
    let same_length =
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    same_length && fs::read(path).is_ok_and(|found| found == bytes)
}

/// Opens a regular file for reading; a link is not followed, since nothing in a store is one.
pub(super) fn open(path: &Path) -> io::Result<Option<fs::File>> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    match options.open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The content of a small file; nothing if there is none.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let Some(file) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// The names in a directory, in no order; none if it does not exist.
pub(super) fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // What is not UTF-8 was not written by us.
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// Removes a file; whether it was there.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes `directory` and those above it as long as they are empty, up to but without `root`.
pub(super) fn remove_empty(directory: &Path, root: &Path) {
    let mut next = Some(directory);
    while let Some(path) = next.filter(|path| *path != root && path.starts_with(root)) {
        // A directory with something in it stays, and so does everything above it.
        if fs::remove_dir(path).is_err() && path.exists() {
            return;
        }
        next = path.parent();
    }
}

/// Whether an error says that a file is not there.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.kind() == io::Error::from(rustix::io::Errno::LOOP).kind()
}

/// An I/O error of a store; running out of space is told apart, since the remedy differs.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::new(codes::NO_SPACE, "the disk of the store is full").with_source(error).with_help(
                "remove bundles that are no longer needed, `airlock store remove BUNDLE`, then run `airlock store gc`; \
                 it needs no space itself",
            )
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::new(codes::STORE_IO, format!("`{}` may not be read or written", shown(path)))
                .with_source(error)
                .with_help("run as root, or name a store of your own: `--store DIR`")
        }
        _ => Error::new(codes::STORE_IO, format!("`{}` cannot be read or written", shown(path)))
            .with_source(error)
            .with_help("look for I/O errors in `dmesg`; `airlock store verify` finds what is damaged"),
    }
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_with_their_directories_and_go_with_them() {
        let root = tempfile::tempdir().unwrap();
        let mut batch = Batch::new(root.path());
        let path = root.path().join("a/b/c");
        batch.write(&path, b"one").unwrap();
        batch.write(&path, b"two").unwrap();
        batch.sync().unwrap();
        assert_eq!(read(&path, 3).unwrap().as_deref(), Some(b"two".as_slice()));
        assert!(read(&path, 2).is_err());
        assert_eq!(names(root.path()).unwrap(), ["a"], "no unfinished file stays");
        assert!(remove(&path).unwrap() && !remove(&path).unwrap());
        remove_empty(path.parent().unwrap(), root.path());
        assert!(names(root.path()).unwrap().is_empty());
        assert_eq!(names(&path).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn links_and_directories_are_not_files() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), b"x").unwrap();
        fs::os::unix::fs::symlink("file", root.path().join("link")).unwrap();
        assert!(open(&root.path().join("file")).unwrap().is_some());
        assert!(open(&root.path().join("link")).unwrap().is_none());
        assert!(open(root.path()).unwrap().is_none());
        assert!(open(&root.path().join("file/below")).unwrap().is_none());
    }
}
