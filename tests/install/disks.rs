//! Real disks that are full to the last block: under the store, and under the journal.

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::error::{Error, codes};
use airlock::node::journal::{self, Entry, Journal};

use super::machine::{Host, contents};

const STATE: &str = "/var/lib/airlock";
const BLOCK: u64 = 4096;

/// A file system in memory at [`STATE`] of a machine, gone at the end of the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(host: &Host, size: &str) -> Option<SmallDisk> {
        let path = host.machine.path(STATE);
        fs_err::create_dir_all(&path).unwrap();
        let disk = SmallDisk(path);
        if disk.mount_with(&format!("size={size}")) {
            return Some(disk);
        }
        eprintln!("SKIPPED: only root can mount a small disk to fill");
        None
    }

    fn mount_with(&self, options: &str) -> bool {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0).output();
        mount.is_ok_and(|output| output.status.success())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("somebody-elses-file")
    }

    /// Takes all blocks but so many.
    fn fill_but(&self, blocks: u64) {
        let _ = fs_err::write(self.filler(), vec![0; 16 << 20]).unwrap_err();
        let file = fs_err::OpenOptions::new().write(true).open(self.filler()).unwrap();
        file.set_len(file.metadata().unwrap().len().next_multiple_of(BLOCK) - blocks * BLOCK).unwrap();
    }

    fn free(&self) {
        fs_err::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[track_caller]
fn expect_full(error: &Error, file: &str) {
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NO_SPACE, 7), "{error:?}");
    assert!(error.message().contains(file) && error.message().contains("its disk is full"), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("`df -h /var/lib/airlock`")), "{error:?}");
}

/// Everything outside of the small disk.
fn others(host: &Host) -> String {
    let mut find = Command::new("find");
    find.arg(host.machine.path("/")).args(["-path", "*/var/lib/airlock/*", "-prune", "-o", "-print"]);
    String::from_utf8(find.output().unwrap().stdout).unwrap()
}

#[test]
fn a_store_that_does_not_fit_is_refused_before_it_begins_and_the_next_run_goes_on() {
    let mut large = contents();
    let blob = vec![7; 2 << 20];
    large.manifest.artifacts.push(super::bundles::file("/srv/large", &blob));
    large.blobs.push(blob);
    large.manifest = super::bundles::manifest(large.manifest.artifacts, &large.blobs);
    let host = Host::with(&large);
    let Some(disk) = SmallDisk::mount(&host, "1m") else { return };
    let error = host.install(false).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NO_SPACE, 7));
    let details = error.details().join("\n");
    assert!(details.contains("bytes are missing") && details.contains("in step store"), "{details}");
    let blobs = fs_err::read_dir(host.machine.path("/var/lib/airlock/store/blobs/sha256"));
    assert_eq!(blobs.map_or(0, |entries| entries.count()), 0);
    assert!(disk.mount_with("remount,size=16m"));
    host.install(false).unwrap();
    assert!(host.plan(false).is_empty());
}

#[test]
fn without_space_for_the_lock_nothing_is_begun() {
    let host = Host::new();
    let Some(disk) = SmallDisk::mount(&host, "4m") else { return };
    disk.fill_but(0);
    let before = others(&host);
    expect_full(&host.install(false).unwrap_err(), "/var/lib/airlock/lock");
    assert_eq!(others(&host), before);
    disk.free();
    host.install(false).unwrap();
    assert!(host.plan(false).is_empty());
}

#[test]
fn a_line_of_the_journal_that_does_not_fit_ends_the_run_before_what_it_announces() {
    let host = Host::new();
    let Some(disk) = SmallDisk::mount(&host, "4m") else { return };
    host.install(false).unwrap();
    fs_err::remove_file(host.machine.path("/usr/local/bin/airlock")).unwrap();
    // The last block of the journal has space for a part of a line.
    let journal_file = host.machine.path(journal::PATH);
    let length = || fs_err::metadata(&journal_file).unwrap().len();
    let mut journal = Journal::open(&host.machine).unwrap();
    while BLOCK - length() % BLOCK > 30 {
        journal.add(Entry::Finished).unwrap();
    }
    drop(journal);
    // One for the lock.
    disk.fill_but(1);
    let (before, written) = (others(&host), fs_err::read(&journal_file).unwrap());
    expect_full(&host.install(false).unwrap_err(), journal::PATH);
    assert_eq!(others(&host), before, "nothing was changed that nobody has written down");
    assert_eq!(fs_err::read(&journal_file).unwrap(), written, "no part of a line stays");
    disk.free();
    assert_eq!(host.install(false).unwrap().changed, ["airlock-program"]);
    assert!(host.plan(false).is_empty());
}

#[test]
fn a_full_disk_in_any_moment_of_an_installation_is_made_good() {
    let host = Host::new();
    let Some(disk) = SmallDisk::mount(&host, "4m") else { return };
    let mut stopped = Vec::new();
    for blocks in (1..200).step_by(9) {
        disk.fill_but(blocks);
        let ended = host.install(false);
        disk.free();
        match ended {
            Ok(_) => break,
            Err(error) => {
                assert_eq!((error.code(), error.kind().exit_status()), (codes::NO_SPACE, 7), "{error:?}");
                assert!(error.help().is_some());
                stopped.push(blocks);
            }
        }
    }
    assert!(stopped.len() > 1, "the disk was never full: {stopped:?}");
    host.install(false).unwrap();
    assert!(host.plan(false).is_empty());
    assert_eq!(super::aftermath::leftovers(Path::new(&host.machine.path(STATE))), [] as [String; 0]);
}
