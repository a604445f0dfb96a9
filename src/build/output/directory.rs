//! The directory a bundle is written to: one build at a time, names that appear last, nothing left over.

use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::build::existing::Expected;
use crate::build::medium::{self, failed, temporary};
use crate::build::volumes::Written;
use crate::bundle::names;
use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;
use crate::trust::signature;

/// The `airlock` program beside the volumes: started under this name it installs.
const INSTALLER: &str = "install";

/// `install`, or `install-amd64` and so on where a bundle serves several platforms.
pub(super) fn installer_name(platform: Platform, several: bool) -> String {
    if several { format!("{INSTALLER}-{}", platform.architecture()) } else { INSTALLER.to_owned() }
}

/// Keeps other builds out of the directory until dropped.
pub(super) fn lock(directory: &Path) -> Result<fs::File> {
    let file = fs::File::open(directory).map_err(|error| failed("open", directory, error))?;
    match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(Error::new(codes::LOCK_BUSY, format!("another build is writing to {}", directory.display()))
                .with_help("wait for it, or choose another directory"))
        }
        Err(error) => Err(failed("lock", directory, error.into())),
    }
}

/// Removes what a killed build of the same bundle left under temporary names.
pub(super) fn remove_leftovers(directory: &Path, stem: &str) -> Result<()> {
    let of_every_bundle = ["README.txt".to_owned(), INSTALLER.to_owned()];
    let of_this_bundle = [format!("{stem}.sha256"), format!("{stem}.sha256.sig")];
    let of_platforms = Platform::ALL.iter().map(|platform| installer_name(*platform, true));
    let ours: Vec<String> = of_every_bundle.into_iter().chain(of_this_bundle).chain(of_platforms).collect();
    for entry in list(directory)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_leftover = name.strip_suffix(".partial").is_some_and(|final_name| {
            names::belongs_to(final_name, stem) || ours.iter().any(|name| name == final_name)
        });
        if is_leftover {
            fs::remove_file(&entry).map_err(|error| failed("remove", &entry, error))?;
        }
    }
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = |error| failed("read", directory, error);
    let entries = fs::read_dir(directory).map_err(read)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(read)).collect()
}

/// Gives every file its name, volume 1 last, and afterwards removes what belonged to the bundle that was
/// replaced. `volumes` are among `files`.
pub(super) fn commit(
    directory: &Path,
    files: &[Written],
    small: &[Written],
    expected: &Expected,
) -> Result<()> {
    let rename = |file: &Written| {
        fs::rename(temporary(&file.path), &file.path).map_err(|error| failed("rename", &file.path, error))
    };
    let is_first = |file: &&Written| expected.volumes.first() == Some(&file.path);
    small.iter().chain(files.iter().filter(|file| !is_first(file))).try_for_each(rename)?;
    medium::sync_directory(directory)?;
    files.iter().filter(is_first).try_for_each(rename)?;
    medium::sync_directory(directory)?;
    let keep: Vec<&Path> = files.iter().chain(small).map(|file| file.path.as_path()).collect();
    for entry in list(directory)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_ours =
            names::belongs_to(&name, &expected.stem) || name == format!("{}.sha256.sig", expected.stem);
        if is_ours && !keep.contains(&entry.as_path()) && !signs(&entry, &expected.manifest) {
            fs::remove_file(&entry).map_err(|error| failed("remove", &entry, error))?;
        }
    }
    medium::sync_directory(directory)
}

/// Whether a file is somebody's signature over this very manifest: it stays valid when the same bundle is
/// cut anew. Whose key it is does not matter here; readers judge that.
fn signs(path: &Path, manifest: &[u8]) -> bool {
    let is_small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= signature::MAX_LENGTH);
    let armor = is_small.then(|| fs::read(path).ok()).flatten().unwrap_or_default();
    signature::check("signature", &armor, signature::MANIFEST_NAMESPACE, manifest).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_killed_build_of_this_bundle_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let ours = [
            "lab-1.tar.partial",
            "lab-1.2-of-3.tar.partial",
            "lab-1.sha256.partial",
            "lab-1.sha256.sig.partial",
            "install.partial",
            "install-arm64.partial",
            "README.txt.partial",
        ];
        let foreign = [
            "install-media.iso.partial",
            "lab-1.tar",
            "lab-1.2.tar.partial",
            "lab-1.iso.partial",
            "README.txt",
        ];
        for name in ours.iter().chain(&foreign) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_leftovers(directory.path(), "lab-1").unwrap();
        let left: Vec<PathBuf> = list(directory.path()).unwrap();
        assert_eq!(left.len(), foreign.len(), "{left:?}");
        assert!(foreign.iter().all(|name| directory.path().join(name).exists()), "{left:?}");
    }

    #[test]
    fn a_second_build_is_kept_out_until_the_first_ends() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).unwrap();
        assert_eq!(lock(directory.path()).unwrap_err().kind().exit_status(), 10);
        drop(first);
        assert!(lock(directory.path()).is_ok());
    }
}
