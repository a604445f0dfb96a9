//! Every entry of a root file system, byte for byte: what has changed on a node, and what a reset has left.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::Result;

/// The entries of a file system, by their absolute paths in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

/// What is known of one entry. Times are left out: they change without anybody having changed anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    kind: &'static str,
    /// Permission bits, with those for set-uid, set-gid and sticky.
    mode: u32,
    owner: (u32, u32),
    /// SHA-256 and size of a file, the target of a link, the numbers of a device.
    content: String,
}

/// What differs between two snapshots, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    lines: Vec<(PathBuf, String)>,
}

impl Snapshot {
    /// Reads all below `root`.
    pub fn of(root: &Path) -> Result<Snapshot> {
        let mut entries = BTreeMap::new();
        let mut pending = vec![root.to_path_buf()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                let metadata = fs::symlink_metadata(&path)?;
                let name = Path::new("/").join(path.strip_prefix(root)?);
                entries.insert(name, Entry::of(&path, &metadata)?);
                if metadata.is_dir() {
                    pending.push(path);
                }
            }
        }
        Ok(Snapshot { entries })
    }

    /// What is different in `later`: `+` is new, `-` is gone, `~` has changed.
    pub fn diff(&self, later: &Snapshot) -> Difference {
        let paths: std::collections::BTreeSet<&PathBuf> =
            self.entries.keys().chain(later.entries.keys()).collect();
        let mut lines = Vec::new();
        for path in paths {
            let line = match (self.entries.get(path), later.entries.get(path)) {
                (Some(before), Some(after)) if before == after => continue,
                (Some(before), Some(after)) => format!("~ {}: {before} -> {after}", path.display()),
                (Some(before), None) => format!("- {}: {before}", path.display()),
                (None, Some(after)) => format!("+ {}: {after}", path.display()),
                (None, None) => continue,
            };
            lines.push((path.clone(), line));
        }
        Difference { lines }
    }
}

impl Entry {
    fn of(path: &Path, metadata: &std::fs::Metadata) -> Result<Entry> {
        let file_type = metadata.file_type();
        let (kind, content) = if file_type.is_dir() {
            ("directory", String::new())
        } else if file_type.is_symlink() {
            ("link", fs::read_link(path)?.display().to_string())
        } else if file_type.is_file() {
            ("file", format!("{} bytes {}", metadata.len(), sha256(path)?))
        } else if file_type.is_block_device() || file_type.is_char_device() {
            ("device", metadata.rdev().to_string())
        } else {
            ("socket or pipe", String::new())
        };
        let mode = metadata.permissions().mode() & 0o7777;
        Ok(Entry { kind, mode, owner: (metadata.uid(), metadata.gid()), content })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, group) = self.owner;
        write!(formatter, "{} {:04o} {user}:{group} {}", self.kind, self.mode, self.content)
    }
}

impl Difference {
    /// Without what is at or below one of these paths.
    pub fn without(mut self, allowed: &[&str]) -> Difference {
        self.lines.retain(|(path, _)| !allowed.iter().any(|prefix| path.starts_with(prefix)));
        self
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|(_, line)| writeln!(formatter, "{line}"))
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_missing_and_changed_entries_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["kept", "gone", "bytes", "mode"] {
            fs::write(path(name), "1").unwrap();
        }
        let before = Snapshot::of(root.path()).unwrap();
        assert!(before.diff(&Snapshot::of(root.path()).unwrap()).is_empty());
        fs::remove_file(path("gone")).unwrap();
        fs::write(path("bytes"), "2").unwrap();
        fs::set_permissions(path("mode"), std::fs::Permissions::from_mode(0o4755)).unwrap();
        fs::create_dir_all(path("new/inner")).unwrap();
        let difference = before.diff(&Snapshot::of(root.path()).unwrap());
        let shown = difference.to_string();
        let heads: Vec<_> = shown.lines().map(|line| line.split_once(':').unwrap().0).collect();
        assert_eq!(heads, ["~ /bytes", "- /gone", "~ /mode", "+ /new", "+ /new/inner"]);
        assert!(shown.contains("-> file 4755"), "{shown}");
        assert!(!difference.clone().without(&["/new"]).is_empty());
        assert!(difference.without(&["/new", "/bytes", "/gone", "/mode"]).is_empty());
    }
}
