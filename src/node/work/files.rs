//! Files, directories and links of a step: complete or not there, durable, and recorded before they exist.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::Work;
use crate::error::{Error, Result, codes};
use crate::node::machine::{failed, is_missing};
use crate::node::owned::Owned;
use crate::oci::digest::Digest;
use crate::quote::quote;

/// Where files are kept that were in the way.
const REPLACED: &str = "/var/lib/airlock/replaced";

impl Work<'_> {
    /// Writes a file of root with these permission bits, in place of what may be there; that is kept for the
    /// reset if it is not ours.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`]; [`codes::NODE_IN_THE_WAY`] if there is something else than a file.
    pub fn write_file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        self.copy_file(path, &mut &content[..], mode)
    }

    /// The same, read from `content`, which has been checked when it ends.
    ///
    /// # Errors
    /// As for [`Work::write_file`].
    pub fn copy_file(&mut self, path: &str, content: &mut dyn Read, mode: u32) -> Result<()> {
        self.make_directories_above(path)?;
        self.take_over(path)?;
        let real = self.machine.path(path);
        write(&real, mode, None, |file| io::copy(content, file).map(drop))
            .map_err(|error| failed("write", path, error))
    }

    /// Writes a file of somebody else anew, with the permissions and the owner that it has.
    ///
    /// # Errors
    /// As for [`Work::write_file`].
    pub fn rewrite(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let found = self.machine.metadata(path)?;
        let (mode, owner) =
            found.map_or((0o644, None), |found| (found.mode() & 0o7777, Some((found.uid(), found.gid()))));
        let real = self.machine.path(path);
        let written = match write(&real, mode, owner, |file| file.write_all(content)) {
            // A file that was mounted alone cannot be renamed over.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => write_in_place(&real, content),
            written => written,
        };
        written.map_err(|error| failed("write", path, error))
    }

    /// Puts a file back that was there before us.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn put_back(&mut self, path: &str, content: &[u8], mode: u32, owner: (u32, u32)) -> Result<()> {
        let real = self.machine.path(path);
        write(&real, mode, Some(owner), |file| file.write_all(content))
            .map_err(|error| failed("write", path, error))
    }

    /// Makes a directory of root with these permission bits, and those above it.
    ///
    /// # Errors
    /// As for [`Work::write_file`].
    pub fn make_directory(&mut self, path: &str, mode: u32) -> Result<()> {
        match self.machine.metadata(path)? {
            Some(found) if found.is_dir() => return Ok(()),
            Some(_) if self.machine.path(path).is_dir() => return Ok(()),
            Some(_) => return Err(in_the_way(path)),
            None => {}
        }
        self.make_directories_above(path)?;
        self.own(Owned::Directory { path: path.to_owned() })?;
        let real = self.machine.path(path);
        let make = || -> io::Result<()> {
            match fs::create_dir(&real) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made?,
            }
            fs::set_permissions(&real, Permissions::from_mode(mode))?;
            sync_above(&real)
        };
        make().map_err(|error| failed("write", path, error))
    }

    /// Makes a symbolic link, in place of one of ours.
    ///
    /// # Errors
    /// As for [`Work::write_file`].
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.make_directories_above(path)?;
        match self.machine.metadata(path)? {
            Some(found) if !found.is_symlink() => return Err(in_the_way(path)),
            _ => self.own(Owned::File { path: path.to_owned() })?,
        }
        let real = self.machine.path(path);
        let make = || -> io::Result<()> {
            let temporary = temporary(&real)?;
            let _ = fs::remove_file(&temporary);
            fs::os::unix::fs::symlink(target, &temporary)?;
            fs::rename(&temporary, &real)?;
            sync_above(&real)
        };
        make().map_err(|error| failed("write", path, error))
    }

    /// Removes a file or link, if it is there.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn remove_file(&mut self, path: &str) -> Result<()> {
        let real = self.machine.path(path);
        match fs::remove_file(&real).and_then(|()| sync_above(&real)) {
            Err(error) if !is_missing(&error) => Err(failed("remove", path, error)),
            _ => Ok(()),
        }
    }

    pub(super) fn make_directories_above(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => self.make_directory(above, 0o755),
            _ => Ok(()),
        }
    }

    /// Makes a path ours. What is there now, and is not ours, is kept first.
    fn take_over(&mut self, path: &str) -> Result<()> {
        let Some(found) = self.machine.metadata(path)? else {
            return self.own(Owned::File { path: path.to_owned() });
        };
        if !found.is_file() {
            return Err(in_the_way(path));
        }
        if self.journal.owned().has_file(path) {
            return Ok(());
        }
        let original = self.keep(path)?;
        let (mode, owner) = (found.mode() & 0o7777, (found.uid(), found.gid()));
        self.own(Owned::Replaced { path: path.to_owned(), original, mode, owner })
    }

    /// Keeps a copy of a file under its digest.
    fn keep(&mut self, path: &str) -> Result<Digest> {
        let content = self.machine.read(path)?.unwrap_or_default();
        let digest = Digest::of(&content);
        self.make_directory(REPLACED, 0o700)?;
        let copy = self.machine.path(&replaced(&digest));
        write(&copy, 0o600, None, |file| file.write_all(&content))
            .map_err(|error| failed("write", &replaced(&digest), error))?;
        Ok(digest)
    }
}

/// Where the file with this digest is kept that was in the way.
pub fn replaced(digest: &Digest) -> String {
    format!("{REPLACED}/{}", digest.hex())
}

fn write(
    path: &Path,
    mode: u32,
    owner: Option<(u32, u32)>,
    fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary(path)?;
    // One that a killed run has left may have other permissions, or be a link.
    let _ = fs::remove_file(&temporary);
    let place = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        fill(&mut file)?;
        if let Some((user, group)) = owner {
            std::os::unix::fs::fchown(file.file(), Some(user), Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_above(path)
    };
    place().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// For want of a better way: a kill in the middle leaves a part of it.
fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The name under which a file is written; always the same, so that a killed run leaves one at most.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
    Ok(path.with_file_name(format!(".{}.airlock", name.to_string_lossy())))
}

fn sync_above(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn in_the_way(path: &str) -> Error {
    Error::new(codes::NODE_IN_THE_WAY, format!("something else is at `{}`", quote(path)))
        .with_help(format!("see what it is, `ls -ld {path}`, and move it away"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::node::journal::Journal;
    use crate::node::machine::{Machine, SystemPrograms};
    use crate::progress::Silent;

    fn with_work(root: &Path, test: impl FnOnce(&mut Work<'_>)) -> Vec<Owned> {
        let machine = Machine::new(root, Arc::new(SystemPrograms));
        let mut journal = Journal::open(&machine).unwrap();
        test(&mut Work::new(&machine, &mut journal, &Silent, Duration::from_secs(10)));
        journal.owned().iter().cloned().collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_ours_with_the_directories_made_for_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let owned = with_work(root.path(), |work| {
            work.write_file("/etc/rancher/k3s/token", b"secret", 0o600).unwrap();
            work.write_file("/etc/rancher/k3s/token", b"other", 0o600).unwrap();
        });
        let directory = |path: &str| Owned::Directory { path: path.to_owned() };
        let file = Owned::File { path: "/etc/rancher/k3s/token".to_owned() };
        assert_eq!(owned, [directory("/etc/rancher"), directory("/etc/rancher/k3s"), file]);
        let path = root.path().join("etc/rancher/k3s/token");
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"other".to_vec(), 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_was_there_before_us_is_kept_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("hosts");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let owned = with_work(root.path(), |work| {
            work.write_file("/hosts", b"ours", 0o644).unwrap();
            work.write_file("/hosts", b"ours again", 0o644).unwrap();
        });
        let Some(Owned::Replaced { original, mode: 0o640, .. }) = owned.last() else { panic!("{owned:?}") };
        let kept = root.path().join(replaced(original).trim_start_matches('/'));
        assert_eq!((fs::read(&kept).unwrap(), mode(&kept)), (b"before".to_vec(), 0o600));
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"ours again".to_vec(), 0o644));
    }

    #[test]
    fn a_file_of_somebody_else_keeps_its_permissions() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("hosts");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let owned = with_work(root.path(), |work| work.rewrite("/hosts", b"after").unwrap());
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"after".to_vec(), 0o640));
        assert!(owned.is_empty());
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("directory")).unwrap();
        fs::os::unix::fs::symlink("/dev/null", root.path().join("link")).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        with_work(root.path(), |work| {
            for path in ["/directory", "/link"] {
                let error = work.write_file(path, b"", 0o644).unwrap_err();
                assert_eq!(error.code(), codes::NODE_IN_THE_WAY);
            }
            assert_eq!(work.link("/file", "k3s").unwrap_err().code(), codes::NODE_IN_THE_WAY);
            assert_eq!(work.make_directory("/file", 0o755).unwrap_err().code(), codes::NODE_IN_THE_WAY);
            work.link("/link", "k3s").unwrap();
            work.remove_file("/link").unwrap();
            work.remove_file("/link").unwrap();
        });
    }
}
