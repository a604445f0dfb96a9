//! Small files that commands read and write: keys, lists of signers, passphrases.

use std::io::{self, Read, Write};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{CWD, RenameFlags};

use crate::error::{Error, Result, codes};
use crate::ui::text::escape;

/// A path as it is shown: escaped, and with replacement characters where it is not UTF-8.
pub(super) fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

/// The bytes of a file of at most `limit` bytes. `what` says what it should be: `allowed signers file`.
pub(super) fn read(path: &Path, what: &str, limit: u64) -> Result<Vec<u8>> {
    let refused = |reason: &str| {
        Error::new(codes::FILE_READ, format!("`{}` {reason}", shown(path)))
            .with_help(format!("name the {what}; it is a small text file"))
    };
    let failed = |error: io::Error| refused("cannot be read").with_source(error);
    let file = fs_err::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused("does not exist"),
        _ => failed(error),
    })?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(refused("is a directory, not a file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(refused(&format!("is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The text of a file; otherwise like [`read`].
pub(super) fn read_text(path: &Path, what: &str, limit: u64) -> Result<String> {
    String::from_utf8(read(path, what, limit)?).map_err(|error| {
        Error::new(codes::FILE_READ, format!("`{}` is not text", shown(path)))
            .with_help(format!("name the {what}; it is UTF-8 text"))
            .with_source(error.utf8_error())
    })
}

/// Fails when something is at `path` already.
pub(super) fn refuse_existing(path: &Path, help: &str) -> Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Err(exists(path, help)),
        Err(_) => Ok(()),
    }
}

/// Creates a file that is there completely or not at all, and never in place of another.
/// `mode` is its permission bits, `help` what to do when it is there already.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32, help: &str) -> Result<()> {
    refuse_existing(path, help)?;
    write_then(path, bytes, mode, |temporary| {
        match rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
            // Not every file system can tell; the check above must do there.
            Err(rustix::io::Errno::INVAL) => fs_err::rename(temporary, path),
            result => result.map_err(io::Error::from),
        }
    })
    .map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path, help),
        _ => not_written(path, error),
    })
}

/// Replaces a file as a whole, or creates it.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_then(path, bytes, mode, |temporary| fs_err::rename(temporary, path))
        .map_err(|error| not_written(path, error))
}

/// Creates a directory for the user alone, and those above it.
pub(super) fn create_private_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| not_written(path, error))
}

fn write_then(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(format!(".{}.partial", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        put(&temporary)
    };
    write().inspect_err(|_| {
        let _ = fs_err::remove_file(&temporary);
    })
}

fn exists(path: &Path, help: &str) -> Error {
    Error::new(codes::FILE_EXISTS, format!("`{}` is there already", shown(path))).with_help(help)
}

fn not_written(path: &Path, error: io::Error) -> Error {
    Error::new(codes::FILE_WRITE, format!("`{}` cannot be written", shown(path)))
        .with_help("choose a directory that exists, is yours and has room")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_created_file_has_its_mode_and_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create(&path, b"one", 0o600, "choose another name").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = create(&path, b"two", 0o600, "choose another name").expect_err("it exists");
        assert_eq!((error.code(), error.help()), (codes::FILE_EXISTS, Some("choose another name")));
        assert_eq!(fs_err::read(&path).unwrap(), b"one");
        replace(&path, b"three", 0o644).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"three");
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let large = directory.path().join("large");
        fs_err::write(&large, [0xff; 11]).unwrap();
        let missing = directory.path().join("none\u{1b}");
        for (path, reason) in [
            (directory.path(), "is a directory, not a file"),
            (&large, "is larger than 10 bytes"),
            (&missing, "none\\u{1b}` does not exist"),
        ] {
            let error = read(path, "list", 10).expect_err(reason);
            assert_eq!(error.kind().exit_status(), 3);
            assert!(error.message().ends_with(reason), "{}", error.message());
        }
        assert!(read_text(&large, "list", 11).expect_err("0xff").message().ends_with("is not text"));
    }
}
