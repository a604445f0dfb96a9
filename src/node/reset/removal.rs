//! Taking things off a file system: nothing that is missing is an error, nothing mounted is ever gone through.

use std::io;

use fs_err as fs;

use super::failed;
use crate::error::{Error, Result, codes};
use crate::node::machine::{Machine, is_missing};
use crate::quote::quote;

/// Removes a file or link.
pub(super) fn file(machine: &Machine, path: &str) -> Result<()> {
    match fs::remove_file(machine.path(path)) {
        Err(error) if !is_missing(&error) => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Removes a directory if it is empty.
pub(super) fn empty_directory(machine: &Machine, path: &str) -> Result<()> {
    match fs::remove_dir(machine.path(path)) {
        Ok(()) => Ok(()),
        Err(error) if is_missing(&error) || is_not_empty(&error) => Ok(()),
        Err(error) => Err(failed("remove", path, error)),
    }
}

/// Removes a directory with everything in it, unless something is mounted in it. A directory that is a mount
/// itself is emptied.
pub(super) fn tree(machine: &Machine, path: &str) -> Result<()> {
    let mounts = super::mounts::below(machine, path)?;
    if let Some(mount) = mounts.iter().find(|mount| *mount != path) {
        let message = format!("`{}` is not removed: something is mounted at `{}`", quote(path), quote(mount));
        return Err(Error::new(codes::NODE_STILL_MOUNTED, message).with_help(format!(
            "see what it is, `findmnt {mount}`; `umount {mount}`; then run the same command again"
        )));
    }
    let real = machine.path(path);
    let remove = || -> io::Result<()> {
        if mounts.is_empty() {
            return match fs::symlink_metadata(&real)?.is_dir() {
                true => fs::remove_dir_all(&real),
                false => fs::remove_file(&real),
            };
        }
        for entry in fs::read_dir(&real)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    };
    match remove() {
        Err(error) if !is_missing(&error) => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Whether something of a tree is there. A directory that is a mount itself stays, empty.
pub(super) fn is_left(machine: &Machine, path: &str) -> Result<bool> {
    if machine.metadata(path)?.is_none() {
        return Ok(false);
    }
    let is_mount = super::mounts::below(machine, path)?.iter().any(|mount| mount == path);
    Ok(!(is_mount && is_empty_directory(machine, path)))
}

/// Whether it is a directory without anything in it.
pub(super) fn is_empty_directory(machine: &Machine, path: &str) -> bool {
    fs::read_dir(machine.path(path)).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_not_empty(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty)
}
