//! Lays out a repository as a directory.

use std::path::{Path, PathBuf};

use fs_err as fs;

/// A file of a repository: where it goes, relative to the repository, and where its bytes are.
pub type File = (String, Bytes);

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// In a file, such as a blob of the cache.
    At(PathBuf),
    /// Here.
    Here(Vec<u8>),
}

/// Writes `files` below `directory`, which must be new.
///
/// Files are copied, not linked: what runs in a root is root, and must not reach the cache.
pub(super) fn lay(files: &[File], directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    for (path, bytes) in files {
        let target = directory.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        match bytes {
            Bytes::At(source) => fs::copy(source, target).map(drop)?,
            Bytes::Here(bytes) => fs::write(target, bytes)?,
        }
    }
    Ok(())
}

/// How many bytes `files` have.
pub(super) fn size(files: &[File]) -> u64 {
    let length = |bytes: &Bytes| match bytes {
        Bytes::At(source) => fs::metadata(source).map_or(0, |metadata| metadata.len()),
        Bytes::Here(bytes) => bytes.len() as u64,
    };
    files.iter().map(|(_, bytes)| length(bytes)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_lies_as_its_paths_say() {
        let directory = tempfile::tempdir().unwrap();
        let blob = directory.path().join("blob");
        fs::write(&blob, "deb").unwrap();
        let files = [
            ("pool/a_1_all.deb".to_owned(), Bytes::At(blob)),
            ("Packages".to_owned(), Bytes::Here(b"text".to_vec())),
        ];
        lay(&files, &directory.path().join("r")).unwrap();
        assert_eq!(fs::read(directory.path().join("r/pool/a_1_all.deb")).unwrap(), b"deb");
        assert_eq!(fs::read(directory.path().join("r/Packages")).unwrap(), b"text");
        assert_eq!(size(&files), 7);
    }
}
