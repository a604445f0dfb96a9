//! Failures of file systems: a full disk, one that is read-only, and one that breaks each need another remedy.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::error::{Error, codes};
use crate::quote::quote;

/// What goes on where a command was stopped.
const CONTINUES: &str = "then run the same command again, it continues";

/// The error for a file of the machine, `action` being `read`, `write` or `remove`.
pub(in crate::node) fn failed(action: &str, path: &str, error: io::Error) -> Error {
    // What was to be written comes from a reader of ours that has found damage: that is what has happened.
    let error = match error.downcast::<Error>() {
        Ok(own) => return own.with_detail(format!("`{}` is as it was", quote(path))),
        Err(error) => error,
    };
    let what = format!("`{}` cannot be {}", quote(path), past(action));
    let above =
        quote(path.rsplit_once('/').map_or("/", |(above, _)| if above.is_empty() { "/" } else { above }));
    let told = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::new(codes::NO_SPACE, format!("{what}: its disk is full"))
                .with_help(format!("free space there, `df -h {above}` shows how much there is; {CONTINUES}"))
        }
        ErrorKind::ReadOnlyFilesystem => {
            Error::new(codes::NODE_FILE, format!("{what}: its disk is read-only")).with_help(format!(
                "`findmnt -T {above}` names the disk, and `dmesg` says why if it was not asked for; make it \
                 writable, `mount -o remount,rw …`; {CONTINUES}"
            ))
        }
        _ if is_broken(&error) => {
            Error::new(codes::NODE_DISK, format!("{what}: its disk fails")).with_help(format!(
                "`findmnt -T {above}` names the disk, and `dmesg` says more; mend or replace it, {CONTINUES}"
            ))
        }
        _ => Error::new(codes::NODE_FILE, what).with_help(format!("see the cause above; {CONTINUES}")),
    };
    told.with_source(error)
}

fn past(action: &str) -> &str {
    match action {
        "write" => "written",
        "remove" => "removed",
        _ => "read",
    }
}

/// Nothing is there, nor can anything be: part of the path is a file.
pub(in crate::node) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether the device itself has failed. The number is that of the innermost error: around it stands the path.
fn is_broken(error: &io::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let number = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if number == Some(Errno::IO.raw_os_error()) {
            return true;
        }
        next = cause.source();
    }
    false
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
            (Errno::PERM, codes::NODE_FILE, 7, "cannot be written", "the cause above"),
        ];
        for (number, code, status, message, help) in expected {
            let error = failed("write", path, number.into());
            assert_eq!((error.code(), error.kind().exit_status()), (code, status), "{number}");
            assert!(error.message().contains(path) && error.message().contains(message), "{error}");
            assert!(error.help().is_some_and(|text| text.contains(help)), "{:?}", error.help());
        }
    }

    #[test]
    fn a_broken_disk_is_seen_through_what_names_the_file() {
        // As `fs_err` does: the number is gone from the outer error.
        #[derive(Debug)]
        struct Named(io::Error);
        impl std::fmt::Display for Named {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("failed to write to file `/a`")
            }
        }
        impl std::error::Error for Named {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let inner = io::Error::from(Errno::IO);
        let error = failed("write", "/a", io::Error::new(inner.kind(), Named(inner)));
        assert_eq!(error.code(), codes::NODE_DISK);
        assert!(error.help().is_some_and(|text| text.contains("findmnt -T /`")), "{:?}", error.help());
    }
}
