//! What comes out of a bundle is what went in, under its final name only when it is complete.

use std::os::unix::fs::PermissionsExt as _;

use airlock::bundle::extract::{Existing, artifact, whole_layout};
use airlock::bundle::{diff, inspect};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;

use crate::support::*;

#[test]
fn a_file_comes_out_with_its_mode_and_replaces_nothing_unasked() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Contents::large().signed(Some(VOLUME_SIZE)).verify().unwrap();
    let file = bundle.manifest().find("/srv/file-1").unwrap();
    let target = directory.path().join("file");
    artifact(&bundle, file, &target, Existing::Keep, &Silent).unwrap();
    assert_eq!(Digest::of(&fs_err::read(&target).unwrap()), file.digests()[0]);
    assert_eq!(fs_err::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    fs_err::write(&target, b"mine").unwrap();
    expect_error(artifact(&bundle, file, &target, Existing::Keep, &Silent), 7, "exists already");
    assert_eq!(fs_err::read(&target).unwrap(), b"mine");
    artifact(&bundle, file, &target, Existing::Replace, &Silent).unwrap();
    assert_ne!(fs_err::read(&target).unwrap(), b"mine");
}

#[test]
fn a_damaged_blob_leaves_nothing_and_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut whole = Contents::with_files(&[b"one\n"]).signed(None);
    let offset = whole.verify().unwrap().arrangement().extents(5)[0].offset;
    whole.first()[offset as usize] ^= 1;
    let bundle = whole.verify().unwrap();
    let file = bundle.manifest().find("/srv/file-0").unwrap();
    let target = directory.path().join("file");
    fs_err::write(&target, b"mine").unwrap();
    expect_error(artifact(&bundle, file, &target, Existing::Replace, &Silent), 4, "is damaged");
    assert_eq!(fs_err::read(&target).unwrap(), b"mine");
    assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    expect_error(bundle.read_blob(file.digests()[0], 100), 4, "is damaged");
    let mut sink = Vec::new();
    let mut reader = bundle.blob_reader(file.digests()[0]).unwrap();
    assert!(std::io::Read::read_to_end(&mut reader, &mut sink).is_err());
}

#[test]
fn layouts_come_out_whole_or_for_one_image() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Contents::large().signed(Some(VOLUME_SIZE)).verify().unwrap();
    let all = directory.path().join("all");
    whole_layout(&bundle, &all, &Silent).unwrap();
    for blob in &bundle.manifest().blobs {
        let bytes = fs_err::read(all.join("blobs/sha256").join(blob.digest.hex())).unwrap();
        assert_eq!(Digest::of(&bytes), blob.digest);
    }
    expect_error(whole_layout(&bundle, &all, &Silent), 7, "exists already");
    let image = bundle.manifest().find("golden:1.0").unwrap();
    let one = directory.path().join("one");
    artifact(&bundle, image, &one, Existing::Keep, &Silent).unwrap();
    assert_eq!(fs_err::read_dir(one.join("blobs/sha256")).unwrap().count(), image.digests().len());
    let index: serde_json::Value =
        serde_json::from_slice(&fs_err::read(one.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], image.name());
    expect_error(bundle.read_blob(image.digests()[0], 3), 3, "at most 3 were expected");
}

#[test]
fn summaries_and_differences_count_bytes_once() {
    let old = Contents::with_files(&[b"same\n", b"old\n"]).manifest;
    let new = Contents::with_files(&[b"same\n", b"newer\n", b"more\n", b"same\n"]);
    let mut new = new.manifest;
    new.blobs.pop();
    let summary = inspect::summarize(&new);
    assert_eq!(summary.shared_bytes, 5, "the file that is there twice");
    assert_eq!(summary.artifacts[2].own_bytes, 0);
    assert_eq!(summary.artifacts[3].own_bytes, 6);
    let diff = diff::diff(&old, &new);
    let names = |entries: &[diff::Entry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&diff.added), ["/srv/file-2", "/srv/file-3"]);
    assert_eq!(names(&diff.changed), ["/srv/file-1"]);
    assert_eq!((diff.removed.len(), diff.unchanged), (0, 3));
    assert_eq!((diff.new_bytes, diff.dropped_bytes), (11, 4));
    assert_eq!(diff.new_bytes + diff.shared_bytes, new.total_size());
}
