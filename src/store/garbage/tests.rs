//! Tests of collecting garbage.

use fs_err as fs;

use super::*;
use crate::oci::digest::Digest;
use crate::oci::document::{OCI_INDEX, OCI_MANIFEST};
use crate::store::{Content as _, TagName};

struct Fixture {
    _directory: tempfile::TempDir,
    store: Store,
    name: RepositoryName,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&directory.path().join("store")).unwrap();
        Fixture { _directory: directory, store, name: RepositoryName::new(Some("a.b"), "c").unwrap() }
    }

    fn push(&self, bytes: &[u8]) -> ContentDigest {
        let digest = Digest::of(bytes).into();
        let mut upload = self.store.start_upload(&self.name, Algorithm::Sha256).unwrap();
        upload.append(bytes).unwrap();
        upload.finish(&digest).unwrap();
        digest
    }

    fn put(&self, layer: &ContentDigest) -> Result<ContentDigest> {
        self.put_image(layer, None, &["1"])
    }

    fn put_image(
        &self,
        layer: &ContentDigest,
        subject: Option<&ContentDigest>,
        tags: &[&str],
    ) -> Result<ContentDigest> {
        let subject = subject.map(|digest| format!(r#","subject":{}"#, descriptor(digest)));
        let image = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]{}}}"#,
            descriptor(&self.push(b"{}")),
            descriptor(layer),
            subject.unwrap_or_default()
        );
        self.put_bytes(OCI_MANIFEST, &image, tags)
    }

    fn put_index(&self, manifest: &ContentDigest, tags: &[&str]) -> ContentDigest {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor(manifest));
        self.put_bytes(OCI_INDEX, &index, tags).unwrap()
    }

    fn put_bytes(&self, media_type: &str, bytes: &str, tags: &[&str]) -> Result<ContentDigest> {
        let tags: Vec<_> = tags.iter().map(|tag| TagName::new(tag).unwrap()).collect();
        let pushed = self.store.put_manifest(&self.name, media_type, bytes.as_bytes(), None, &tags)?;
        Ok(pushed.digest)
    }

    fn has(&self, manifest: &ContentDigest) -> bool {
        self.store.manifest(&self.name, manifest).unwrap().is_some()
    }

    fn collect_untagged(&self, mode: Mode) -> Collected {
        let rules = Rules { grace: GRACE, untagged: Some(2 * GRACE), mode };
        self.store.collect_garbage(rules).unwrap()
    }

    /// Makes everything a week old.
    fn age(&self) {
        self.age_all(&["blobs", "names", "uploads", "incoming"]);
    }

    fn age_all(&self, parts: &[&str]) {
        // Time does not leap while somebody writes names.
        let _alone = self.store.directory().exclude().unwrap();
        let old = SystemTime::now() - Duration::from_secs(7 * 24 * 60 * 60);
        let mut pending: Vec<_> = parts.iter().map(|part| self.store.root().join(part)).collect();
        while let Some(path) = pending.pop() {
            for entry in fs::read_dir(&path).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else if let Ok(file) = fs::File::open(&path) {
                    // Others may have removed it since it was listed.
                    file.file().set_modified(old).unwrap();
                }
            }
        }
    }

    fn collect(&self) -> Collected {
        self.store.collect_garbage(Rules::unneeded(GRACE, Mode::Remove)).unwrap()
    }
}

fn descriptor(digest: &ContentDigest) -> String {
    format!(r#"{{"mediaType":"x/y","digest":"{digest}","size":1}}"#)
}

#[test]
fn only_what_is_old_and_needed_by_nothing_goes() {
    let fixture = Fixture::new();
    let layer = fixture.push(b"layer");
    let manifest = fixture.put(&layer).unwrap();
    let waste = fixture.push(b"waste");
    assert_eq!(fixture.collect(), Collected::default(), "all is young");
    fixture.age();
    let young = fixture.push(b"young");
    let told = fixture.store.collect_garbage(Rules::unneeded(GRACE, Mode::Tell)).unwrap();
    assert_eq!((told.blobs, told.bytes), (1, 5));
    assert!(fixture.store.blob(&waste).unwrap().is_some());
    assert_eq!(fixture.collect(), told);
    assert!(fixture.store.blob(&waste).unwrap().is_none());
    assert!(!fixture.store.has_blob(&fixture.name, &waste).unwrap());
    for kept in [layer, manifest, young] {
        assert!(fixture.store.blob(&kept).unwrap().is_some());
    }
    assert_eq!(fixture.collect(), Collected::default(), "a second time there is nothing to do");
    fixture.store.delete_manifest(&fixture.name, &manifest).unwrap();
    fixture.age();
    assert_eq!(fixture.collect().blobs, 4, "manifest, configuration, layer, and what was young");
    let at_once = Rules::unneeded(Duration::ZERO, Mode::Remove);
    assert_eq!(fixture.store.collect_garbage(at_once).unwrap(), Collected::default());
}

#[test]
fn a_blob_that_a_client_was_told_of_stays() {
    let fixture = Fixture::new();
    let layer = fixture.push(b"layer");
    fixture.age();
    assert!(fixture.store.has_blob(&fixture.name, &layer).unwrap());
    assert_eq!(fixture.collect(), Collected::default());
    fixture.put(&layer).unwrap();
}

#[test]
fn pushes_and_collections_at_the_same_time_lose_nothing() {
    let fixture = Fixture::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| (0..40).for_each(|round| push_look_and_delete(&fixture, round)));
        let mut removed = 0;
        while !done.load(ordering) {
            // Not what is being written at this moment: nobody could tell it from waste.
            fixture.age_all(&["blobs", "names"]);
            removed += fixture.collect().blobs;
            done.store(pushing.is_finished(), ordering);
        }
        assert!(removed > 0, "the collector had something to do");
    });
}

fn push_look_and_delete(fixture: &Fixture, round: u32) {
    // A blob may be collected before its manifest comes; then the push is refused and begins anew.
    let (layer, digest) = loop {
        let layer = fixture.push(&round.to_be_bytes());
        match fixture.put(&layer) {
            Ok(digest) => break (layer, digest),
            Err(error) => assert_eq!(error.code(), crate::error::codes::MANIFEST_BLOB_UNKNOWN, "{error:?}"),
        }
    };
    let tagged = fixture.store.tag(&fixture.name, &TagName::new("1").unwrap()).unwrap();
    assert_eq!(tagged, Some(digest));
    assert!(fixture.store.manifest(&fixture.name, &digest).unwrap().is_some());
    fixture.store.blob(&layer).unwrap().expect("a tag names it").verify().unwrap();
    fixture.store.delete_manifest(&fixture.name, &digest).unwrap();
}

#[test]
fn leftovers_and_dead_uploads_go() {
    let fixture = Fixture::new();
    let mut upload = fixture.store.start_upload(&fixture.name, Algorithm::Sha256).unwrap();
    upload.append(b"half").unwrap();
    drop(upload);
    fs::write(fixture.store.directory().incoming().join("1-1"), b"half").unwrap();
    assert_eq!(fixture.collect(), Collected::default());
    fixture.age();
    let collected = fixture.collect();
    assert_eq!((collected.leftovers, collected.uploads), (1, Expired { uploads: 1, bytes: 4 }));
}

#[test]
fn what_nothing_names_goes_only_when_it_is_asked_for() {
    let fixture = Fixture::new();
    let replaced = fixture.put(&fixture.push(b"old")).unwrap();
    let signature = fixture.put_image(&fixture.push(b"signature"), Some(&replaced), &[]).unwrap();
    let tagged = fixture.put(&fixture.push(b"new")).unwrap();
    let kept_signature = fixture.put_image(&fixture.push(b"another"), Some(&tagged), &[]).unwrap();
    let child = fixture.put_image(&fixture.push(b"child"), None, &[]).unwrap();
    let index = fixture.put_index(&child, &["index"]);
    assert_eq!(fixture.collect_untagged(Mode::Remove), Collected::default(), "all is young");
    fixture.age();
    assert_eq!(fixture.collect(), Collected::default());
    let told = fixture.collect_untagged(Mode::Tell);
    assert_eq!((told.manifests, told.blobs), (2, 4), "two manifests, each with its layer");
    assert!(fixture.has(&replaced));
    assert_eq!(fixture.collect_untagged(Mode::Remove), told);
    assert!(!fixture.has(&replaced) && !fixture.has(&signature));
    assert!(fixture.store.referrers(&fixture.name, &replaced).unwrap().is_empty());
    assert!([tagged, kept_signature, child, index].iter().all(|manifest| fixture.has(manifest)));
    assert_eq!(fixture.collect_untagged(Mode::Remove), Collected::default());
}

#[test]
fn what_is_named_again_is_young() {
    let fixture = Fixture::new();
    let layers = [fixture.push(b"first"), fixture.push(b"second"), fixture.push(b"third")];
    let [first, second, third] = layers.map(|layer| fixture.put_image(&layer, None, &[]).unwrap());
    fixture.age();
    fixture.put_image(&layers[0], None, &[]).unwrap();
    let index = fixture.put_index(&second, &[]);
    let signature = fixture.put_image(&fixture.push(b"signature"), Some(&third), &[]).unwrap();
    // These three are young themselves, and nothing that names the others is tagged.
    assert_eq!(fixture.collect_untagged(Mode::Remove), Collected::default());
    assert!([first, second, third, index, signature].iter().all(|manifest| fixture.has(manifest)));
}

#[test]
fn where_something_cannot_be_read_nothing_is_untagged() {
    let fixture = Fixture::new();
    fixture.put(&fixture.push(b"old")).unwrap();
    let tagged = fixture.put(&fixture.push(b"new")).unwrap();
    fs::write(fixture.store.directory().blob(&tagged), b"damaged").unwrap();
    fixture.age();
    let collected = fixture.collect_untagged(Mode::Remove);
    assert_eq!((collected.manifests, collected.unreadable.len()), (0, 1));
}
