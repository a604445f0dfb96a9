//! Several bundles give the same tags: which of them a tag names when one is removed.

use std::num::NonZeroUsize;

use airlock::oci::digest::{Algorithm, ContentDigest, Digest};
use airlock::progress::Silent;
use airlock::store::garbage::{Mode, Rules};
use airlock::store::{Content as _, RepositoryName, Store, TagName};

use crate::image_bundle::{self, OCI_MANIFEST};
use crate::store_check::check;

const NAME: &str = "docker.io/library/a:1";

struct Fixture {
    _directory: tempfile::TempDir,
    store: Store,
    name: RepositoryName,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&directory.path().join("store")).unwrap();
        let name = RepositoryName::new(Some("docker.io"), "library/a").unwrap();
        Fixture { _directory: directory, store, name }
    }

    /// Imports a bundle whose image [`NAME`] has this layer; the digest of the image.
    fn import(&self, version: &str, layer: &[u8]) -> ContentDigest {
        let bundle = image_bundle::bundle(version, 1, &[(NAME, layer)]).signed(None).verify().unwrap();
        self.store.import(&bundle, NonZeroUsize::MIN, &Silent).unwrap();
        Digest::of(&image_bundle::image(&[layer]).0).into()
    }

    fn remove(&self, version: &str) {
        self.store.remove_bundle(&self.store.find_bundle(&format!("golden-{version}")).unwrap()).unwrap();
        check(self.store.root()).unwrap();
    }

    fn push(&self, layer: &[u8]) -> ContentDigest {
        let (manifest, config) = image_bundle::image(&[layer]);
        for blob in [layer, &config] {
            let mut upload = self.store.start_upload(&self.name, Algorithm::Sha256).unwrap();
            upload.append(blob).unwrap();
            upload.finish(&Digest::of(blob).into()).unwrap();
        }
        self.store.put_manifest(&self.name, OCI_MANIFEST, &manifest, None, &[tag()]).unwrap().digest
    }

    fn tagged(&self) -> Option<ContentDigest> {
        self.store.tag(&self.name, &tag()).unwrap()
    }

    fn indexed(&self) -> Vec<String> {
        let bytes = fs_err::read(self.store.root().join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        manifests.iter().map(|manifest| manifest["digest"].as_str().unwrap().to_owned()).collect()
    }
}

fn tag() -> TagName {
    TagName::new("1").unwrap()
}

#[test]
fn a_tag_goes_back_to_the_bundle_before() {
    let fixture = Fixture::new();
    let [first, second, third] =
        [("1.0", b"1"), ("2.0", b"2"), ("3.0", b"3")].map(|(version, layer)| fixture.import(version, layer));
    assert_eq!(fixture.tagged(), Some(third));
    // One in the middle changes nothing.
    fixture.remove("2.0");
    assert_eq!(fixture.tagged(), Some(third));
    assert!(fixture.store.manifest(&fixture.name, &second).unwrap().is_none());
    fixture.remove("3.0");
    assert_eq!((fixture.tagged(), fixture.indexed()), (Some(first), vec![first.to_string()]));
    let rules = Rules { grace: std::time::Duration::ZERO, untagged: None, mode: Mode::Tell };
    assert!(fixture.store.collect_garbage(rules).unwrap().unreadable.is_empty());
    fixture.remove("1.0");
    assert_eq!(fixture.tagged(), None);
}

#[test]
fn what_was_pushed_since_stays() {
    let fixture = Fixture::new();
    fixture.import("1.0", b"1");
    fixture.import("2.0", b"2");
    let pushed = fixture.push(b"pushed");
    fixture.remove("2.0");
    assert_eq!(fixture.tagged(), Some(pushed));
    fixture.remove("1.0");
    assert_eq!(fixture.tagged(), Some(pushed));
}

#[test]
fn a_tag_never_goes_back_to_what_is_gone() {
    let fixture = Fixture::new();
    let first = fixture.import("1.0", b"1");
    fixture.import("2.0", b"2");
    assert!(fixture.store.delete_manifest(&fixture.name, &first).unwrap());
    fixture.remove("2.0");
    assert_eq!(fixture.tagged(), None);
    // An import that is not complete has not given its names yet, or not any more.
    let first = fixture.import("1.0", b"1");
    let second = fixture.import("2.0", b"2");
    let record = fixture.store.find_bundle("golden-1.0").unwrap();
    fs_err::remove_file(fixture.store.root().join("bundles").join(record.digest.hex()).join("imported"))
        .unwrap();
    assert_eq!(fixture.tagged(), Some(second));
    fixture.remove("2.0");
    assert_eq!(fixture.tagged(), None);
    assert!(fixture.store.manifest(&fixture.name, &first).unwrap().is_some(), "it may still be coming");
    fixture.import("1.0", b"1");
    assert_eq!(fixture.tagged(), Some(first));
}

#[test]
fn bundles_that_are_imported_and_removed_at_once_leave_no_tag_behind() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for (version, layer) in [("1.0", b"1"), ("2.0", b"2")] {
            let fixture = &fixture;
            scope.spawn(move || {
                for _ in 0..12 {
                    fixture.import(version, layer);
                    fixture
                        .store
                        .remove_bundle(&fixture.store.find_bundle(&format!("golden-{version}")).unwrap())
                        .unwrap();
                }
            });
        }
    });
    check(fixture.store.root()).unwrap();
    assert_eq!(fixture.tagged(), None);
    for layer in [b"1", b"2"] {
        let digest = Digest::of(&image_bundle::image(&[layer]).0).into();
        assert!(fixture.store.manifest(&fixture.name, &digest).unwrap().is_none());
    }
}
