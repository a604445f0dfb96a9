//! Files of the provisioner: paths and patterns from the spec, checked before anything is read from them.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, Result, codes};
use crate::oci::digest::{Digest, Hasher};
use crate::quote::escape;
use crate::source::secrets;
use crate::store::cache::hash_rest;

/// A regular file that the spec names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name without directories, valid UTF-8.
    pub name: String,
    /// How it is called in lock and manifest: relative to the spec, as the user wrote it.
    pub origin: String,
}

/// Whether a path of the spec is a pattern for several files.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files that `path` stands for, sorted by name; `directory` is the spec's.
///
/// # Errors
/// When nothing matches, when something matched is not a regular file, or when a symbolic link leads a
/// pattern out of the directory it starts in. A path without pattern may point anywhere: it was typed.
pub fn expand(path: &str, directory: &Path) -> Result<Vec<LocalFile>> {
    if !is_pattern(path) {
        return Ok(vec![single(path, directory)?]);
    }
    let start = fixed_part(path, directory);
    let mut files = Vec::new();
    for found in matches(path, directory)? {
        files.push(matched(&found, &start, path, directory)?);
    }
    if files.is_empty() {
        return Err(pattern_error(path, "matches no file").with_help(format!(
            "look at `ls {}` in {}",
            escape(path),
            directory.display()
        )));
    }
    Ok(files)
}

fn single(path: &str, directory: &Path) -> Result<LocalFile> {
    let full = directory.join(path);
    let metadata = fs::metadata(&full).map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() {
        return Err(Error::new(codes::SOURCE_READ, format!("{} is not a regular file", full.display()))
            .with_help("name a file; for all files of a directory use a pattern such as `./certs/*`"));
    }
    Ok(LocalFile { name: file_name(&full, path)?, path: full, origin: path.to_owned() })
}

fn matches(pattern: &str, directory: &Path) -> Result<Vec<PathBuf>> {
    let directory = glob::Pattern::escape(&directory.to_string_lossy());
    let full = Path::new(&directory).join(pattern);
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    glob::glob_with(&full.to_string_lossy(), options)
        .map_err(|error| {
            pattern_error(pattern, "is not a pattern")
                .with_source(error)
                .with_help("use `*`, `?` and `[a-z]` only")
        })?
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| {
            pattern_error(pattern, "cannot be followed")
                .with_source(error)
                .with_help("make the directory readable")
        })
}

fn matched(found: &Path, start: &Path, pattern: &str, directory: &Path) -> Result<LocalFile> {
    let real = fs::canonicalize(found).map_err(|error| unreadable(pattern, error))?;
    let confined = fs::canonicalize(start).map_err(|error| unreadable(pattern, error))?;
    if !real.starts_with(&confined) {
        return Err(pattern_error(
            pattern,
            &format!("matches {}, a link out of {}", found.display(), confined.display()),
        )
        .with_help("name that file on its own if you want it in the bundle"));
    }
    if !fs::metadata(&real).map_err(|error| unreadable(pattern, error))?.is_file() {
        return Err(pattern_error(
            pattern,
            &format!("matches {}, which is not a regular file", found.display()),
        )
        .with_help("make the pattern narrower, for example by a file ending"));
    }
    let origin = found.strip_prefix(directory).unwrap_or(found).to_string_lossy().into_owned();
    Ok(LocalFile { path: found.to_owned(), name: file_name(found, pattern)?, origin })
}

/// The directory a pattern starts in: everything before the first element with a pattern character.
fn fixed_part(pattern: &str, directory: &Path) -> PathBuf {
    let fixed = Path::new(pattern).iter().take_while(|element| !is_pattern(&element.to_string_lossy()));
    directory.join(fixed.collect::<PathBuf>())
}

fn file_name(path: &Path, written: &str) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.filter(|name| !name.chars().any(char::is_control)).map(str::to_owned).ok_or_else(|| {
        Error::new(codes::SOURCE_READ, format!("{written} leads to a file name that is not plain text"))
            .with_help("rename the file")
    })
}

fn pattern_error(pattern: &str, what: &str) -> Error {
    Error::new(codes::SOURCE_GLOB, format!("the pattern `{}` {what}", escape(pattern)))
}

/// The error for a local file that cannot be read.
pub fn unreadable(path: &str, error: std::io::Error) -> Error {
    Error::new(codes::SOURCE_READ, format!("`{}` cannot be read", escape(path)))
        .with_source(error)
        .with_help("paths in bundle.yaml are relative to the directory of bundle.yaml")
}

/// Reads a whole file once: its digest, its length, and what kind of secret it seems to hold.
pub fn examine(file: &LocalFile) -> Result<(Digest, u64, Option<&'static str>)> {
    let mut reader = fs::File::open(&file.path).map_err(|error| unreadable(&file.origin, error))?;
    let mut hasher = Hasher::new();
    let mut head = Vec::new();
    let read = |error| unreadable(&file.origin, error);
    reader.by_ref().take(secrets::LOOK_AT as u64).read_to_end(&mut head).map_err(read)?;
    hasher.update(&head);
    hash_rest(&mut reader, &mut hasher).map_err(read)?;
    let length = hasher.length();
    Ok((hasher.finish(), length, secrets::find(&head)))
}

/// The error for a file that holds a secret nobody allowed; `destination` names the entry.
pub fn refuse_secret(origin: &str, kind: &str) -> Error {
    Error::new(codes::SOURCE_SECRET, format!("`{}` looks like {kind}", escape(origin))).with_help(
        "secrets are better made on the nodes; if this one must travel, add `allowSecret: true` to its entry",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("certs/sub")).unwrap();
        for name in ["certs/b.crt", "certs/a.crt", "certs/.hidden.crt", "certs/sub/c.crt", "motd"] {
            fs::write(root.join(name), name).unwrap();
        }
        directory
    }

    #[test]
    fn patterns_give_sorted_plain_files() {
        let directory = tree();
        let files = expand("./certs/*.crt", directory.path()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.crt", "b.crt"]);
        assert_eq!(expand("motd", directory.path()).unwrap()[0].origin, "motd");
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let directory = tree();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("certs/z.crt")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("s.sock")).unwrap();
        for (path, code) in [
            ("certs/*.pem", codes::SOURCE_GLOB),
            ("certs/z*", codes::SOURCE_GLOB),
            ("*.sock", codes::SOURCE_GLOB),
            ("cert*", codes::SOURCE_GLOB),
            ("certs/[", codes::SOURCE_GLOB),
            ("missing", codes::SOURCE_READ),
            ("certs", codes::SOURCE_READ),
            ("s.sock", codes::SOURCE_READ),
        ] {
            let error = expand(path, directory.path()).expect_err(path);
            assert_eq!(error.code(), code, "{path}: {error}");
            assert!(error.message().contains(path) || code == codes::SOURCE_READ, "{error}");
            assert_eq!(error.kind().exit_status(), 3);
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn examining_hashes_everything_and_sees_secrets() {
        let directory = tree();
        let body = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}", "x".repeat(3 << 20));
        fs::write(directory.path().join("key"), &body).unwrap();
        let (digest, size, secret) = examine(&expand("key", directory.path()).unwrap()[0]).unwrap();
        assert_eq!((digest, size), (Digest::of(body.as_bytes()), body.len() as u64));
        assert_eq!(secret, Some("a private key"));
    }
}
