//! Tests of collecting garbage.

use super::*;
use crate::oci::digest::Digest;
use crate::oci::document::OCI_MANIFEST;
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
        let part = |digest| format!(r#"{{"mediaType":"x/y","digest":"{digest}","size":1}}"#);
        let image = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            part(self.push(b"{}")),
            part(*layer)
        );
        let tags = [TagName::new("1").unwrap()];
        self.store
            .put_manifest(&self.name, OCI_MANIFEST, image.as_bytes(), None, &tags)
            .map(|pushed| pushed.digest)
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
        self.store.collect_garbage(GRACE, Mode::Remove).unwrap()
    }
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
    let told = fixture.store.collect_garbage(GRACE, Mode::Tell).unwrap();
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
    assert_eq!(fixture.store.collect_garbage(Duration::ZERO, Mode::Remove).unwrap(), Collected::default());
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
