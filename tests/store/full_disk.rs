//! What happens when the disk is full: clear words, nothing half, and space that comes back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use airlock::error::codes;
use airlock::oci::digest::{Algorithm, Digest};
use airlock::store::garbage::{Mode, Rules};
use airlock::store::{RepositoryName, Store};

use super::node::{Node, assert_sound, files_below};

/// A file system of 4 MiB, gone at the end of the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<SmallDisk> {
        fs_err::create_dir_all(path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(path).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(path.to_owned()));
        }
        eprintln!("SKIPPED: only root can mount a small disk to fill");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn an_import_that_does_not_fit_is_refused_before_it_begins() {
    let node = Node::with_files(&[&vec![7; 5 << 20]]);
    let Some(_disk) = SmallDisk::mount(&node.path("store")) else { return };
    let output = node.airlock(&["import", "stick"]);
    assert!(output.starts_with("exit 7\nerror[E0602]"), "{output}");
    assert!(output.contains("bytes are missing"), "{output}");
    assert!(files_below(&node.path("store/blobs")).is_empty());
    node.json(&["verify"]);
}

#[test]
fn a_push_that_does_not_fit_is_refused_and_collecting_needs_no_space() {
    let node = Node::with_files(&[]);
    let Some(_disk) = SmallDisk::mount(&node.path("store")) else { return };
    let store = Store::create(&node.path("store")).unwrap();
    let name = RepositoryName::new(None, "a").unwrap();
    let waste = vec![1; 3 << 20];
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    upload.append(&waste).unwrap();
    upload.finish(&Digest::of(&waste).into()).unwrap();
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    let error = upload.append(&waste).unwrap_err();
    assert_eq!((error.code(), upload.length()), (codes::NO_SPACE, 0));
    // The rest of the disk, to the last block.
    let _ = fs_err::write(node.path("store/incoming/rest"), vec![0; 4 << 20]).unwrap_err();
    upload.cancel().unwrap();
    node.age();
    let collected = store.collect_garbage(Rules::unneeded(Duration::ZERO, Mode::Remove)).unwrap();
    assert_eq!((collected.blobs, collected.bytes, collected.leftovers), (1, 3 << 20, 1));
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    upload.append(&waste).unwrap();
    upload.finish(&Digest::of(&waste).into()).unwrap();
    assert_sound(store.root());
}
