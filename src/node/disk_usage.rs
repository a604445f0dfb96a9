//! How much a directory takes on its disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fs_err as fs;

/// Bytes per block of `st_blocks`, whatever the file system has (inode(7)).
const BLOCK: u64 = 512;

/// What everything below `path` takes on its disk, in bytes. Other file systems that are mounted in it do not
/// count, nor does what cannot be read.
pub fn of_tree(path: &Path) -> u64 {
    let Ok(top) = fs::symlink_metadata(path) else { return 0 };
    let mut total = top.blocks() * BLOCK;
    let mut open = if top.is_dir() { vec![path.to_owned()] } else { Vec::new() };
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.dev() != top.dev() {
                continue;
            }
            total += found.blocks() * BLOCK;
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_counts_and_what_is_missing_does_not() {
        let root = tempfile::tempdir().unwrap();
        let empty = of_tree(root.path());
        fs::create_dir(root.path().join("below")).unwrap();
        fs::write(root.path().join("below/file"), [1; 100_000]).unwrap();
        assert!(of_tree(root.path()) >= empty + 100_000);
        assert_eq!(of_tree(&root.path().join("missing")), 0);
    }
}
