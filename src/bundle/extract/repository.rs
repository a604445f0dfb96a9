//! The packages for one kind of node as a directory from which apt can install.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Extraction, shown, temporary_directory, write_error};
use crate::bundle::manifest::Blob;
use crate::bundle::manifest::apt::{Apt, KEYRING};
use crate::error::Result;
use crate::progress::{Event, Stage};

impl Extraction<'_> {
    /// The whole tree: first the packages, then the metadata, `InRelease` last. Directories and files can be read by
    /// everybody, as apt reads them as the user `_apt`.
    pub(super) fn repository(&self, apt: &Apt, target: &Path) -> Result<()> {
        let packages = apt.packages.iter().map(|package| (package.path.as_str(), package.blob));
        let metadata = apt.files.iter().map(|file| (file.path.as_str(), file.blob));
        let files: Vec<(&str, Blob)> = packages.chain(metadata).collect();
        let temporary = temporary_directory(target)?;
        let total = files.iter().map(|(_, blob)| blob.size).sum();
        self.progress.event(Event::Started { stage: Stage::Extract, bytes: Some(total) });
        // What an interrupted run has left may be of another bundle, and names here say nothing of content.
        remove(&temporary)?;
        let written = self.tree(&files, &temporary).and_then(|()| self.place(&temporary, target));
        if written.is_err() {
            // Ours, incomplete, and of no use to anybody.
            let _ = remove(&temporary);
        }
        written
    }

    fn tree(&self, files: &[(&str, Blob)], root: &Path) -> Result<()> {
        // A directory comes before those below it.
        let parents = files.iter().flat_map(|(path, _)| Path::new(path).ancestors().skip(1));
        for directory in parents.collect::<BTreeSet<_>>() {
            make_directory(&root.join(directory))?;
        }
        files.iter().try_for_each(|(path, blob)| self.blob(blob.digest, 0o644, &root.join(path)))
    }
}

fn remove(directory: &Path) -> Result<()> {
    match fs_err::remove_dir_all(directory) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(write_error(&shown(directory), cause)),
        _ => Ok(()),
    }
}

/// Its mode does not depend on the umask.
fn make_directory(path: &Path) -> Result<()> {
    fs_err::create_dir(path)
        .and_then(|()| fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .map_err(|cause| write_error(&shown(path), cause))
}

/// The line of sources.list(5) by which apt takes the repository in `directory`, an absolute path, and believes nobody
/// but the key beside it. `None` if the path has characters that cannot stand in such a line, such as spaces.
///
/// `check-date=no`: machines behind an air gap often have a clock in the past.
pub fn source_line(directory: &Path) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+~@-".contains(&byte);
    let path = directory.to_str().filter(|path| path.starts_with('/') && path.bytes().all(allowed))?;
    let path = path.trim_end_matches('/');
    Some(format!("deb [signed-by={path}/{KEYRING} check-date=no] file:{path} ./"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_line_has_what_apt_can_read() {
        assert_eq!(
            source_line(Path::new("/srv/lab-1.0/debian-12/")).unwrap(),
            "deb [signed-by=/srv/lab-1.0/debian-12/airlock.asc check-date=no] file:/srv/lab-1.0/debian-12 ./"
        );
        for path in ["relative", "/srv/two words", "/srv/a]b", "/srv/a,b", "/srv/50%", "/srv/line\nbreak"] {
            assert_eq!(source_line(Path::new(path)), None, "{path}");
        }
    }
}
