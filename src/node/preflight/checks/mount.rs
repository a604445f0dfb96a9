//! How file systems are mounted, and of which kind they are.

use super::super::outcome::{block, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use super::disk::data;
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "D9",
        title: "data directory is a directory",
        severity: Severity::Warn,
        threshold: "not a symbolic link",
        concern: Concern::All,
        examine: link,
        mend: None,
    },
    Check {
        id: "D10",
        title: "data directory can be entered",
        severity: Severity::Block,
        threshold: "everybody may enter it and all directories above it",
        concern: Concern::All,
        examine: closed,
        mend: None,
    },
    Check {
        id: "D11",
        title: "programs may run",
        severity: Severity::Block,
        threshold: "data directory, short-lived files and /var not mounted `noexec`",
        concern: Concern::All,
        examine: noexec,
        mend: None,
    },
    Check {
        id: "D12",
        title: "file types on XFS",
        severity: Severity::Block,
        threshold: "ftype=1",
        concern: Concern::All,
        examine: file_types,
        mend: None,
    },
    Check {
        id: "D13",
        title: "file system for layers of images",
        severity: Severity::Block,
        threshold: "one that overlayfs can write to: not NFS, SMB, FAT or another overlay",
        concern: Concern::All,
        examine: overlay,
        mend: None,
    },
    Check {
        id: "D14",
        title: "system can be written to",
        severity: Severity::Block,
        threshold: "/, /usr and /var not mounted read-only",
        concern: Concern::All,
        examine: read_only,
        mend: None,
    },
];

/// Kinds of file system that overlayfs cannot have its upper layer on (kernel documentation, "Overlay Filesystem").
const NO_UPPER: [&str; 13] = [
    "9p", "aufs", "cifs", "ecryptfs", "exfat", "fuse", "fuseblk", "msdos", "nfs", "nfs4", "ntfs3", "overlay",
    "vfat",
];

fn link(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let directory = &circumstances.data_directory;
    match data(facts, circumstances).and_then(|data| data.link.as_ref()) {
        None => passed(directory),
        Some(target) => warn(
            format!("{directory} is a link to {target}"),
            format!("name the directory itself: `--data-dir {target}`, or mount its disk at {directory}"),
        ),
    }
}

fn closed(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    match data(facts, circumstances).map(|data| data.closed.as_slice()) {
        None => unknown("the data directory was not looked at"),
        Some([]) => passed("it can"),
        Some(closed) => block(
            format!("closed to others: {}", listed(closed)),
            format!("`chmod o+x {}`", closed.join(" ")),
        ),
    }
}

fn noexec(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let directories = [&circumstances.data_directory, &circumstances.staging_directory, "/tmp", "/var"];
    let found = directories.into_iter().filter_map(|directory| facts.storage.directory(directory));
    let mut closed: Vec<&str> = found
        .filter(|directory| directory.has_option("noexec"))
        .filter_map(|directory| directory.mount_point.as_deref())
        .collect();
    closed.dedup();
    match closed.first() {
        None => passed("they may"),
        Some(first) => block(
            format!("noexec: {}", listed(&closed)),
            format!("`mount -o remount,exec {first}`, and take `noexec` out of its line in /etc/fstab"),
        ),
    }
}

fn file_types(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(data) = data(facts, circumstances) else {
        return unknown("the data directory was not looked at");
    };
    match (data.kind.as_deref(), data.file_types) {
        (Some("xfs"), Some(false)) => block(
            "XFS with ftype=0",
            format!(
                "make the file system anew with `mkfs.xfs -n ftype=1` (this deletes it), or mount another disk at {}",
                data.directory
            ),
        ),
        (Some("xfs"), None) => unknown("the types of files could not be read"),
        (Some(kind), _) => passed(kind),
        (None, _) => unknown("the file system of the data directory is not known"),
    }
}

fn overlay(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let kind = data(facts, circumstances).and_then(|data| data.kind.as_deref());
    match kind {
        None => unknown("the file system of the data directory is not known"),
        Some(kind) if NO_UPPER.contains(&kind) || kind.starts_with("fuse.") => {
            block(kind, format!("mount a disk with ext4 or XFS at {}", circumstances.data_directory))
        }
        Some(kind) => passed(kind),
    }
}

fn read_only(facts: &Facts, _: &Circumstances) -> Outcome {
    let found = ["/", "/usr", "/var"].into_iter().filter_map(|directory| facts.storage.directory(directory));
    let closed: Vec<&str> = found
        .filter(|directory| directory.has_option("ro"))
        .map(|directory| directory.directory.as_str())
        .collect();
    match closed.first() {
        None => passed("it can"),
        Some(first) => block(
            format!("read-only: {}", listed(&closed)),
            format!("`mount -o remount,rw {first}`; if that fails, `dmesg` says what is wrong with the disk"),
        ),
    }
}
