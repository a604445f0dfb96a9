//! Disks that are full, read-only or broken: each needs another remedy, wherever a file could not be read or written.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, codes};
use crate::quote::quote;

/// The error if a disk is to blame that `path` could not be read or written; `what` says so: "`/etc/hosts` cannot be
/// written". Otherwise gives the cause back.
///
/// # Errors
/// `error`, where it is about something else than the disk.
pub(crate) fn blamed(what: &str, path: &Path, error: io::Error) -> Result<Error, io::Error> {
    let above = path.parent().unwrap_or(Path::new("/")).to_string_lossy();
    let above = quote(&above);
    let told = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::new(codes::NO_SPACE, format!("{what}: its disk is full")).with_help(format!(
                "free space there, `df -h {above}` shows how much there is; then run the same command again, it continues"
            ))
        }
        ErrorKind::ReadOnlyFilesystem => {
            Error::new(codes::NODE_FILE, format!("{what}: its disk is read-only")).with_help(format!(
                "`findmnt -T {above}` names the disk, and `dmesg` says why if it was not asked for; make it writable, \
                 `mount -o remount,rw …`; then run the same command again, it continues"
            ))
        }
        _ if is(&error, Errno::IO) => {
            Error::new(codes::NODE_DISK, format!("{what}: its disk fails")).with_help(format!(
                "`findmnt -T {above}` names the disk, and `dmesg` says more; mend or replace it, then run the same \
                 command again, it continues"
            ))
        }
        _ => return Err(error),
    };
    Ok(told.with_source(error))
}

/// Whether an error has this number. `fs_err`, which names the file, keeps it in its text alone.
pub(crate) fn is(error: &io::Error, number: Errno) -> bool {
    let number = number.raw_os_error();
    error.raw_os_error() == Some(number) || error.to_string().ends_with(&format!("(os error {number})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_a_disk_has_its_own_remedy() {
        let path = "/etc/rancher/k3s/config.yaml";
        let expected = [
            (Errno::NOSPC, codes::NO_SPACE, 7, "its disk is full", "`df -h /etc/rancher/k3s`"),
            (Errno::DQUOT, codes::NO_SPACE, 7, "its disk is full", "`df -h /etc/rancher/k3s`"),
            (Errno::ROFS, codes::NODE_FILE, 7, "its disk is read-only", "remount,rw"),
            (Errno::IO, codes::NODE_DISK, 11, "its disk fails", "`dmesg`"),
        ];
        let what = format!("`{path}` cannot be written");
        assert!(blamed(&what, Path::new(path), Errno::PERM.into()).is_err(), "no disk is to blame for that");
        for (number, code, status, message, help) in expected {
            let error = blamed(&what, Path::new(path), number.into()).unwrap();
            assert_eq!((error.code(), error.kind().exit_status()), (code, status), "{number}");
            assert!(error.message().contains(path) && error.message().contains(message), "{error}");
            assert!(error.help().is_some_and(|text| text.contains(help)), "{:?}", error.help());
        }
    }

    #[test]
    fn a_broken_disk_is_seen_through_what_names_the_file() {
        // Nobody can read the memory of a process at address 0: the kernel says EIO.
        let error = fs_err::read("/proc/self/mem").unwrap_err();
        assert_eq!(error.raw_os_error(), None, "{error}");
        let error = blamed("it", Path::new("/a"), error).unwrap();
        assert_eq!(error.code(), codes::NODE_DISK);
        assert!(error.help().is_some_and(|text| text.contains("`findmnt -T /`")), "{:?}", error.help());
        let missing = fs_err::read("/no/such/file").unwrap_err();
        assert!(blamed("it", Path::new("/no/such/file"), missing).is_err());
    }
}
