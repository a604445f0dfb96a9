//! What the commands do and say.

use std::process::Child;

use airlock::oci::document::OCI_INDEX;
use airlock::store::{Content as _, RepositoryName, Store, TagName};

use super::bundles::Contents;
use super::node::{Node, assert_sound, disk_usage, files_below, shown};

#[test]
fn a_bundle_comes_is_listed_and_goes() {
    let node = Node::with_files(&[b"one\n", b"two\n"]);
    insta::assert_snapshot!("imported", node.airlock(&["import", "stick"]));
    insta::assert_snapshot!("imported_again", node.airlock(&["import", "stick"]));
    assert_sound(&node.path("store"));
    let listed = node.json(&["list", "--images"]);
    assert_eq!(listed["images"][0]["name"], "docker.io/library/golden:1.0");
    assert_eq!(listed["bundles"][0]["serial"], 7);
    assert!(listed["bundles"][0]["imported"].is_string());
    insta::assert_snapshot!("bundles", node.airlock(&["list"]));
    insta::assert_snapshot!("images", node.airlock(&["list", "--images"]));
    insta::assert_snapshot!("intact", node.airlock(&["verify"]));
    insta::assert_snapshot!("remove_unknown", node.airlock(&["remove", "none"]));
    insta::assert_snapshot!("removed", node.airlock(&["remove", "golden"]));
    node.age();
    insta::assert_snapshot!("gc_dry_run", node.airlock(&["gc", "--dry-run"]));
    insta::assert_snapshot!("gc", node.airlock(&["gc"]));
    insta::assert_snapshot!("nothing", node.airlock(&["list"]));
    assert!(files_below(&node.path("store/blobs")).is_empty());
    assert!(files_below(&node.path("store/names")).is_empty());
    assert!(disk_usage(&node.path("store")) <= 16 << 10, "next to nothing stays");
}

#[test]
fn what_another_bundle_has_as_well_stays() {
    let node = Node::with_files(&[b"one\n"]);
    let mut second = Contents::with_files(&[b"two\n"]);
    second.manifest.version = "2.0".to_owned();
    node.add_bundle("second", &second);
    node.json(&["import", "stick"]);
    let imported = node.json(&["import", "second"]);
    assert_eq!((&imported["copiedBlobs"], &imported["presentBlobs"]), (&1.into(), &5.into()));
    insta::assert_snapshot!(
        "ambiguous",
        node.airlock(&["remove", "golden"]).lines().take(2).collect::<Vec<_>>().join("\n")
    );
    node.json(&["remove", "golden-1.0"]);
    node.age();
    assert_eq!(node.json(&["gc"])["blobs"], 1);
    assert_sound(&node.path("store"));
    assert_eq!(node.json(&["list", "--images"])["images"].as_array().unwrap().len(), 1);
    node.json(&["verify"]);
}

#[test]
fn damage_is_found_named_and_repaired() {
    let node = Node::with_files(&[b"one\n", b"two\n"]);
    node.json(&["import", "stick"]);
    fs_err::write(node.blob(b"one\n"), b"onE\n").unwrap();
    fs_err::remove_file(node.blob(b"two\n")).unwrap();
    insta::assert_snapshot!("damaged", node.airlock(&["verify"]));
    insta::assert_snapshot!("repaired", node.airlock(&["repair", "--from", "stick"]));
    node.json(&["verify"]);
    fs_err::write(node.blob(b"one\n"), b"onE\n").unwrap();
    let imported = node.json(&["import", "stick"]);
    assert_eq!(imported["copiedBlobs"], 1, "an import is not fooled by a size");
    assert_eq!(fs_err::read(node.blob(b"one\n")).unwrap(), b"one\n");
    node.add_bundle("empty", &Contents::with_files(&[]));
    fs_err::remove_file(node.blob(b"one\n")).unwrap();
    insta::assert_snapshot!("not_repaired", node.airlock(&["repair", "--from", "empty"]));
}

#[test]
fn there_is_help_where_there_is_no_store() {
    let node = Node::with_files(&[]);
    insta::assert_snapshot!("no_store", node.airlock(&["list"]));
    fs_err::create_dir(node.path("store")).unwrap();
    fs_err::write(node.path("store/thesis.tex"), b"").unwrap();
    insta::assert_snapshot!("something_else", node.airlock(&["import", "stick"]));
}

#[test]
fn two_imports_at_the_same_time_share_the_work() {
    let files: Vec<Vec<u8>> = (0..24u8).map(|byte| vec![byte; 1_500_000]).collect();
    let node = Node::with_files(&files.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let start = || node.command(&["import", "stick", "--json"]).spawn().unwrap();
    let copied = |child: Child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        let imported: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        imported["copiedBlobs"].as_u64().unwrap()
    };
    let (first, second) = (start(), start());
    assert_eq!(copied(first) + copied(second), 24 + 5, "every blob was copied once");
    assert_sound(&node.path("store"));
    node.json(&["verify"]);
}

#[test]
fn an_image_that_lost_its_tag_goes_when_that_is_asked_for_unless_a_bundle_brought_it() {
    let node = Node::with_files(&[]);
    node.json(&["import", "stick"]);
    let store = Store::open(&node.path("store")).unwrap();
    let name = RepositoryName::new(Some("docker.io"), "library/golden").unwrap();
    let brought = store.tag(&name, &TagName::new("1.0").unwrap()).unwrap().unwrap();
    for content in [r#"{"schemaVersion":2,"manifests":[]}"#, r#"{"schemaVersion":2, "manifests":[]}"#] {
        let tags = [TagName::new("1.0").unwrap()];
        store.put_manifest(&name, OCI_INDEX, content.as_bytes(), None, &tags).unwrap();
    }
    node.age();
    assert_eq!(node.json(&["gc"])["blobs"], 0);
    insta::assert_snapshot!("untagged_dry_run", node.airlock(&["gc", "--untagged", "--dry-run"]));
    let young = node.json(&["gc", "--untagged", "--older-than", "2w"]);
    assert_eq!((&young["manifests"], &young["blobs"]), (&0.into(), &0.into()));
    insta::assert_snapshot!("untagged", node.airlock(&["gc", "--untagged", "--older-than", "3d"]));
    insta::assert_snapshot!("untagged_age", node.airlock(&["gc", "--untagged", "--older-than", "3"]));
    node.json(&["verify"]);
    assert!(store.manifest(&name, &brought).unwrap().is_some(), "although its tag was pushed over");
}
