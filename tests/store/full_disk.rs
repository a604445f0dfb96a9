//! What happens when the disk is full: clear words, nothing half, and space that comes back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use airlock::error::codes;
use airlock::oci::digest::{Algorithm, Digest};
use airlock::store::garbage::{Mode, Rules};
use airlock::store::{Content as _, RepositoryName, Store, TagName};

use super::bundles::Contents;
use super::image_bundle;
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

/// Takes the rest of the disk, to the last block.
fn fill(node: &Node) {
    let _ = fs_err::write(node.path("store/incoming/rest"), vec![0; 4 << 20]).unwrap_err();
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
    fill(&node);
    upload.cancel().unwrap();
    node.age();
    let collected = store.collect_garbage(Rules::unneeded(Duration::ZERO, Mode::Remove)).unwrap();
    assert_eq!((collected.blobs, collected.bytes, collected.leftovers), (1, 3 << 20, 1));
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    upload.append(&waste).unwrap();
    upload.finish(&Digest::of(&waste).into()).unwrap();
    assert_sound(store.root());
}

#[test]
fn removing_a_bundle_and_collecting_it_needs_no_space() {
    let node = Node::with_files(&[]);
    let Some(_disk) = SmallDisk::mount(&node.path("store")) else { return };
    let name = "docker.io/library/a:1";
    let layers = [vec![1; 1 << 20], vec![2; 1 << 20]];
    for (number, layer) in (1..).zip(&layers) {
        node.add_bundle(
            "stick-of-images",
            &image_bundle::bundle(&format!("{number}.0"), number, &[(name, layer)]),
        );
        node.json(&["import", &format!("stick-of-images/golden-{number}.0.tar")]);
    }
    fill(&node);
    let store = Store::open(&node.path("store")).unwrap();
    let image = RepositoryName::new(Some("docker.io"), "library/a").unwrap();
    let tagged = || store.tag(&image, &TagName::new("1").unwrap()).unwrap();
    let earlier = Digest::of(&image_bundle::image(&[&layers[0]]).0).into();
    assert_ne!(tagged(), Some(earlier));
    node.json(&["remove", "golden-2.0"]);
    assert_eq!(tagged(), Some(earlier), "a tag goes back even now");
    assert_sound(store.root());
    // Whoever else writes takes what became free.
    let _ = fs_err::OpenOptions::new().append(true).open(node.path("store/incoming/rest")).map(|mut file| {
        use std::io::Write as _;
        file.write_all(&vec![0; 4 << 20]).unwrap_err()
    });
    node.age();
    assert_eq!(node.json(&["gc"])["blobs"], 3);
    node.json(&["remove", "golden-1.0"]);
    node.age();
    assert_eq!(node.json(&["gc", "--untagged"])["blobs"], 3);
    assert_sound(store.root());
    assert!(files_below(&node.path("store/blobs")).is_empty());
    assert!(files_below(&node.path("store/incoming")).is_empty());
}

#[test]
fn an_import_whose_names_do_not_fit_is_refused_and_simply_run_again() {
    let node = Node::with_files(&[&vec![7; 1 << 20]]);
    let Some(_disk) = SmallDisk::mount(&node.path("store")) else { return };
    let store = Store::create(&node.path("store")).unwrap();
    // Blobs fit exactly; the record of the bundle and its names do not.
    let bundle = Contents::with_files(&[&vec![7; 1 << 20]]);
    let blocks = |size: u64| size.div_ceil(4096) * 4096;
    let needed: u64 = bundle.manifest.blobs.iter().map(|blob| blocks(blob.size)).sum();
    let rest = node.path("store/incoming/rest");
    fs_err::write(&rest, vec![0; (4 << 20) - needed as usize]).unwrap();
    let output = node.airlock(&["import", "stick"]);
    assert!(output.starts_with("exit 7\nerror[E0602]"), "{output}");
    assert_sound(store.root());
    fs_err::remove_file(&rest).unwrap();
    node.json(&["import", "stick"]);
    node.json(&["verify"]);
}
