//! Reading below one root directory: bounded, and remembering what could not be read.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quote::quote;

/// Largest file that is read unless somebody says otherwise, in bytes.
const USUAL_LIMIT: u64 = 4 << 20;
/// Most entries of a directory that are looked at.
const MOST_ENTRIES: usize = 65_536;
/// Most notes that are kept.
const MOST_NOTES: usize = 100;

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What it is.
    pub path: String,
    /// Why it could not be read.
    pub reason: String,
}

/// A machine's files. Paths are given as the machine has them: absolute.
pub(super) struct Root<'a> {
    path: &'a Path,
    notes: RefCell<Vec<Note>>,
}

impl<'a> Root<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Root { path, notes: RefCell::default() }
    }

    /// Where a file of the machine lies for this process.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    /// The text of a file; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.bytes(path, USUAL_LIMIT).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first line of a file, without white space around it; `None` if that is empty.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.lines().next()?.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The number that a file holds.
    pub(super) fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.line(path)?.parse().ok()
    }

    /// The bytes of a file of at most `limit` bytes.
    pub(super) fn bytes(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let read = || {
            let mut bytes = Vec::new();
            fs_err::File::open(self.at(path))?.take(limit + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = self.noted(path, read())?;
        if bytes.len() as u64 > limit {
            self.note(path, format!("larger than {limit} bytes"));
            return None;
        }
        Some(bytes)
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Some(entries) = self.noted(path, fs_err::read_dir(self.at(path))) else { return Vec::new() };
        let names = entries.take(MOST_ENTRIES).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    /// Whether there is anything, even a link to nothing.
    pub(super) fn exists(&self, path: &str) -> bool {
        fs_err::symlink_metadata(self.at(path)).is_ok()
    }

    /// What a symbolic link says; `None` if it is none.
    pub(super) fn link(&self, path: &str) -> Option<PathBuf> {
        fs_err::read_link(self.at(path)).ok()
    }

    /// The last element of what a symbolic link says.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        Some(self.link(path)?.file_name()?.to_str()?.to_owned())
    }

    /// Remembers why something is absent from the facts.
    pub(super) fn note(&self, path: &str, reason: impl Into<String>) {
        let mut notes = self.notes.borrow_mut();
        let note = Note { path: path.to_owned(), reason: reason.into() };
        if notes.len() < MOST_NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }

    pub(super) fn into_notes(self) -> Vec<Note> {
        self.notes.into_inner()
    }

    /// What is not there needs no note, and processes end while one looks at them.
    fn noted<T>(&self, path: &str, result: io::Result<T>) -> Option<T> {
        let absent = |kind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        let ended = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
        match result {
            Ok(value) => Some(value),
            Err(error) if absent(error.kind()) || ended(&error) => None,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.note(path, "only root may read it");
                None
            }
            Err(error) => {
                self.note(path, quote(&error.to_string()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_silent_and_what_is_too_large_is_noted() {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("file"), "  42 \nmore\n").unwrap();
        let root = Root::new(directory.path());
        assert_eq!(root.number::<u32>("/file"), Some(42));
        assert_eq!(root.line("/none"), None);
        assert_eq!(root.names("/file"), [""; 0]);
        assert_eq!(root.bytes("/file", 3), None);
        let notes = root.into_notes();
        assert_eq!(notes, [Note { path: "/file".into(), reason: "larger than 3 bytes".into() }]);
    }
}
