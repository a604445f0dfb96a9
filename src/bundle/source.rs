//! Bytes that can be read at any place: a volume file, or memory.

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::names;
use crate::error::{Error, Result, codes};

/// How finely a failed read is repeated, to find the first bytes that cannot be read.
const SMALL_READ: usize = 4096;

/// A volume as bytes. Readers share it between threads.
pub trait Source: Send + Sync {
    /// File name for messages.
    fn name(&self) -> &str;

    /// Length in bytes when it was opened.
    fn length(&self) -> u64;

    /// Reads up to `buffer.len()` bytes at `offset`; zero means the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Whether it is still what was opened: not replaced, truncated or rewritten since.
    fn is_unchanged(&self) -> bool;

    /// The open file, if it is one.
    fn file(&self) -> Option<&std::fs::File> {
        None
    }
}

/// Why bytes could not be had.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// The source ends at this offset.
    End(u64),
    /// The medium failed at this offset.
    Io(u64, io::Error),
}

/// Fills `buffer` from `offset`. A failing read is repeated once in small steps, as media often fail for
/// one block only and the user should learn which.
pub(super) fn read_exact(source: &dyn Source, buffer: &mut [u8], offset: u64) -> Result<(), ReadFailure> {
    let (mut done, mut step) = (0, buffer.len());
    while done < buffer.len() {
        let end = buffer.len().min(done + step);
        let position = offset + done as u64;
        match source.read_at(&mut buffer[done..end], position) {
            Ok(0) => return Err(ReadFailure::End(position)),
            Ok(count) => done += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if step > SMALL_READ => step = SMALL_READ,
            Err(cause) => return Err(ReadFailure::Io(position, cause)),
        }
    }
    Ok(())
}

impl ReadFailure {
    /// The error for a user who waits for exactly these bytes.
    pub(super) fn into_error(self, source: &dyn Source) -> Error {
        match self {
            ReadFailure::End(_) => truncated(source),
            ReadFailure::Io(offset, cause) => {
                unreadable(source.name(), cause).with_detail(format!("at byte {offset}"))
            }
        }
    }
}

fn truncated(source: &dyn Source) -> Error {
    if !source.is_unchanged() {
        return changed(source);
    }
    let message = format!("{} ends too early, after {} bytes", source.name(), source.length());
    Error::new(codes::VOLUME_LENGTH, message).with_help("copy the file again from where the bundle was built")
}

/// The error for a volume that is not what was opened any more.
pub(super) fn changed(source: &dyn Source) -> Error {
    let message = format!("{} was changed or replaced while it was read", source.name());
    Error::new(codes::BUNDLE_CHANGED, message)
        .with_help("wait until copying has ended, check who else writes there, then run the command again")
}

/// An I/O error says nothing about the bundle, only that it could not be checked.
pub(super) fn unreadable(name: &str, cause: io::Error) -> Error {
    let help = match cause.raw_os_error() {
        Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() => {
            "allow more open files: ulimit -n 16384"
        }
        _ => {
            "try another port or reader, look for I/O errors in `dmesg`, or copy the bundle to another medium"
        }
    };
    Error::new(codes::BUNDLE_READ, format!("{name} cannot be read")).with_source(cause).with_help(help)
}

/// A volume file. It stays open, so what was verified is what is used.
pub struct FileSource {
    file: fs_err::File,
    path: PathBuf,
    name: String,
    identity: Identity,
}

/// What changes when a file is replaced or written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl FileSource {
    /// Opens a regular file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let name = names::shown(path.file_name().map_or(path, Path::new));
        let missing = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => {
                Error::new(codes::BUNDLE_PATH, format!("{} does not exist", names::shown(path)))
                    .with_help("name a volume of the bundle, or the directory it is in")
            }
            _ => unreadable(&names::shown(path), cause),
        };
        // Looked at before it is opened: opening a pipe would wait for ever.
        let kind = fs_err::metadata(path).map_err(missing)?;
        if !kind.is_file() {
            return Err(Error::new(codes::BUNDLE_PATH, format!("{} is not a file", names::shown(path)))
                .with_help("name a volume of the bundle, or the directory it is in"));
        }
        let file = fs_err::File::open(path).map_err(missing)?;
        let identity = Identity::of(&file.metadata().map_err(|cause| unreadable(&name, cause))?);
        Ok(FileSource { file, path: path.to_owned(), name, identity })
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn length(&self) -> u64 {
        self.identity.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.file().read_at(buffer, offset)
    }

    fn is_unchanged(&self) -> bool {
        let same = |metadata: io::Result<std::fs::Metadata>| {
            metadata.is_ok_and(|metadata| Identity::of(&metadata) == self.identity)
        };
        same(self.file.metadata()) && same(fs_err::metadata(&self.path))
    }

    fn file(&self) -> Option<&std::fs::File> {
        Some(self.file.file())
    }
}

/// A volume in memory, for tests and fuzzing.
pub struct MemorySource {
    name: String,
    bytes: Vec<u8>,
}

impl MemorySource {
    /// Takes the bytes of a volume and a file name for messages.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        MemorySource { name: name.into(), bytes }
    }
}

impl Source for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).map_or(self.bytes.len(), |offset| offset.min(self.bytes.len()));
        let count = buffer.len().min(self.bytes.len() - start);
        buffer[..count].copy_from_slice(&self.bytes[start..start + count]);
        Ok(count)
    }

    fn is_unchanged(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A medium with one bad place.
    struct Scratched;

    impl Source for Scratched {
        fn name(&self) -> &str {
            "scratched.tar"
        }
        fn length(&self) -> u64 {
            100_000
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let bad = offset <= 50_000 && 50_000 < offset + buffer.len() as u64;
            if bad { Err(io::Error::from_raw_os_error(5)) } else { Ok(buffer.len()) }
        }
        fn is_unchanged(&self) -> bool {
            true
        }
    }

    #[test]
    fn the_first_unreadable_block_is_found() {
        let failure = read_exact(&Scratched, &mut [0; 65_536], 0).unwrap_err();
        let ReadFailure::Io(offset, _) = &failure else { panic!("{failure:?}") };
        assert_eq!(*offset, 50_000 / 4096 * 4096);
        assert_eq!(failure.into_error(&Scratched).kind().exit_status(), 11);
        assert!(read_exact(&Scratched, &mut [0; 1000], 60_000).is_ok());
    }

    #[test]
    fn replacing_truncating_and_touching_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        let fresh = || {
            fs_err::write(&path, b"content").unwrap();
            FileSource::open(&path).unwrap()
        };
        assert!(fresh().is_unchanged());
        let source = fresh();
        fs_err::write(directory.path().join("other"), b"content").unwrap();
        fs_err::rename(directory.path().join("other"), &path).unwrap();
        assert!(!source.is_unchanged(), "replaced");
        let source = fresh();
        fs_err::write(&path, b"short").unwrap();
        assert!(!source.is_unchanged(), "truncated");
        let failure = read_exact(&source, &mut [0; 7], 0).unwrap_err().into_error(&source);
        assert_eq!(failure.code(), codes::BUNDLE_CHANGED);
        let source = fresh();
        fs_err::remove_file(&path).unwrap();
        assert!(!source.is_unchanged(), "gone");
    }

    #[test]
    fn what_is_not_a_file_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("none")] {
            assert_eq!(FileSource::open(&path).err().unwrap().kind().exit_status(), 2);
        }
    }
}
