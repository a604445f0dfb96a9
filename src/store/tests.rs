//! Tests of pushing, finding and deleting.

use super::*;
use crate::oci::digest::{Algorithm, ContentDigest, Digest};
use crate::oci::document::{OCI_INDEX, OCI_MANIFEST};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    (directory, store)
}

fn name(text: &str) -> RepositoryName {
    let (host, path) = text.split_once('/').unwrap();
    RepositoryName::new(Some(host), path).unwrap()
}

fn tag(text: &str) -> TagName {
    TagName::new(text).unwrap()
}

fn push_blob(store: &Store, name: &RepositoryName, bytes: &[u8]) -> ContentDigest {
    let digest = Digest::of(bytes).into();
    let mut upload = store.start_upload(name, Algorithm::Sha256).unwrap();
    upload.append(bytes).unwrap();
    upload.finish(&digest).unwrap();
    digest
}

fn image(config: &ContentDigest, layer: &ContentDigest, subject: Option<&ContentDigest>) -> Vec<u8> {
    let descriptor =
        |digest: &ContentDigest| serde_json::json!({"mediaType": "x/y", "digest": digest, "size": 1});
    let mut image =
        serde_json::json!({"schemaVersion": 2, "config": descriptor(config), "layers": [descriptor(layer)]});
    if let Some(subject) = subject {
        image["subject"] = descriptor(subject);
    }
    serde_json::to_vec(&image).unwrap()
}

#[test]
fn what_was_pushed_comes_back_as_it_was() {
    let (_directory, store) = store();
    let name = name("docker.io/library/x");
    let (config, layer) = (push_blob(&store, &name, b"{}"), push_blob(&store, &name, b"layer"));
    let bytes = image(&config, &layer, None);
    let pushed = store.put_manifest(&name, OCI_MANIFEST, &bytes, None, &[tag("1"), tag("latest")]).unwrap();
    assert_eq!(pushed.digest, Digest::of(&bytes).into());
    assert_eq!(store.tag(&name, &tag("latest")).unwrap(), Some(pushed.digest));
    let found = store.manifest(&name, &pushed.digest).unwrap().unwrap();
    assert_eq!((found.media_type.as_str(), found.bytes), (OCI_MANIFEST, bytes));
    let page = store.tags(&name, None, 1).unwrap().unwrap();
    assert_eq!((page.names, page.more), (vec!["1".to_owned()], true));
    assert_eq!(store.tags(&name, Some("1"), 9).unwrap().unwrap().names, ["latest"]);
    let reopened = Store::open(store.root()).unwrap();
    assert_eq!(reopened.tag(&name, &tag("1")).unwrap(), Some(pushed.digest));
}

#[test]
fn a_manifest_needs_its_blobs_in_its_own_repository() {
    let (_directory, store) = store();
    let (mine, other) = (name("a.b/mine"), name("a.b/other"));
    let config = push_blob(&store, &mine, b"{}");
    let layer = push_blob(&store, &other, b"layer");
    let bytes = image(&config, &layer, None);
    let error = store.put_manifest(&mine, OCI_MANIFEST, &bytes, None, &[tag("1")]).unwrap_err();
    assert_eq!(
        (error.code(), error.details()),
        (codes::MANIFEST_BLOB_UNKNOWN, [layer.to_string()].as_slice())
    );
    assert_eq!(store.tag(&mine, &tag("1")).unwrap(), None);
    assert!(store.mount(Some(&other), &mine, &layer).unwrap());
    store.put_manifest(&mine, OCI_MANIFEST, &bytes, None, &[tag("1")]).unwrap();
    let wrong = Digest::of(b"something else").into();
    let error = store.put_manifest(&mine, OCI_MANIFEST, &bytes, Some(&wrong), &[]).unwrap_err();
    assert_eq!(error.code(), codes::WRONG_DIGEST);
}

#[test]
fn an_index_may_be_sparse_and_sha512_names_manifests_too() {
    let (_directory, store) = store();
    let name = name("a.b/c");
    let bytes = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":3}}]}}"#,
        Digest::of(b"absent")
    );
    let digest = ContentDigest::of(Algorithm::Sha512, bytes.as_bytes());
    let pushed = store.put_manifest(&name, OCI_INDEX, bytes.as_bytes(), Some(&digest), &[tag("1")]).unwrap();
    assert_eq!(pushed.digest, digest);
    assert_eq!(store.tag(&name, &tag("1")).unwrap(), Some(digest));
    assert!(store.manifest(&name, &digest).unwrap().is_some());
}

#[test]
fn referrers_are_listed_before_and_after_their_subject_exists() {
    let (_directory, store) = store();
    let name = name("a.b/c");
    let (config, layer) = (push_blob(&store, &name, b"{}"), push_blob(&store, &name, b"layer"));
    let subject_bytes = image(&config, &layer, None);
    let subject: ContentDigest = Digest::of(&subject_bytes).into();
    assert!(store.referrers(&name, &subject).unwrap().is_empty());
    let bytes = image(&config, &layer, Some(&subject));
    let pushed = store.put_manifest(&name, OCI_MANIFEST, &bytes, None, &[]).unwrap();
    assert_eq!(pushed.subject, Some(subject));
    let found = store.referrers(&name, &subject).unwrap();
    assert_eq!((found.len(), found[0].digest, found[0].size), (1, pushed.digest, bytes.len() as u64));
    assert_eq!(found[0].artifact_type.as_deref(), Some("x/y"));
    assert!(store.delete_manifest(&name, &pushed.digest).unwrap());
    assert!(store.referrers(&name, &subject).unwrap().is_empty());
}

#[test]
fn deleting_shows_at_once() {
    let (_directory, store) = store();
    let name = name("a.b/c");
    let (config, layer) = (push_blob(&store, &name, b"{}"), push_blob(&store, &name, b"layer"));
    let bytes = image(&config, &layer, None);
    let digest = store.put_manifest(&name, OCI_MANIFEST, &bytes, None, &[tag("1"), tag("2")]).unwrap().digest;
    assert!(store.delete_tag(&name, &tag("1")).unwrap() && !store.delete_tag(&name, &tag("1")).unwrap());
    assert!(store.manifest(&name, &digest).unwrap().is_some());
    assert!(store.delete_manifest(&name, &digest).unwrap());
    assert_eq!(store.tag(&name, &tag("2")).unwrap(), None);
    assert!(store.manifest(&name, &digest).unwrap().is_none());
    assert!(!store.delete_manifest(&name, &digest).unwrap());
    assert!(store.delete_blob(&name, &layer).unwrap() && !store.has_blob(&name, &layer).unwrap());
    assert!(store.blob_of(&name, &layer).unwrap().is_none());
}

#[test]
fn a_path_without_host_is_understood_where_it_is_unambiguous() {
    let (_directory, store) = store();
    for text in ["docker.io/library/x", "quay.io/library/x", "quay.io/only/here"] {
        push_blob(&store, &name(text), b"layer");
    }
    let resolve = |path: &str| {
        let names = store.resolve_name(path).unwrap();
        let mut names: Vec<_> = names.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(resolve("only/here"), ["quay.io/only/here"]);
    assert_eq!(resolve("quay.io/library/x"), ["quay.io/library/x"]);
    assert_eq!(resolve("library/x"), ["docker.io/library/x", "quay.io/library/x"]);
    assert!(resolve("none").is_empty() && resolve("../x").is_empty());
    push_blob(&store, &RepositoryName::new(None, "library/x").unwrap(), b"layer");
    assert_eq!(resolve("library/x"), ["library/x"]);
    let page = store.repositories(Some("library/x"), 1).unwrap();
    assert_eq!((page.names, page.more), (vec!["quay.io/library/x".to_owned()], true));
}

#[test]
fn damaged_manifests_are_not_handed_out_and_a_push_repairs_them() {
    let (_directory, store) = store();
    let name = name("a.b/c");
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
    let digest = store.put_manifest(&name, OCI_INDEX, bytes, None, &[tag("1")]).unwrap().digest;
    fs::write(store.directory().blob(&digest), br#"{"schemaVersion":2,"manifests":{}}"#).unwrap();
    assert_eq!(store.manifest(&name, &digest).unwrap_err().code(), codes::STORE_BLOB_DAMAGED);
    store.put_manifest(&name, OCI_INDEX, bytes, None, &[tag("1")]).unwrap();
    assert_eq!(store.manifest(&name, &digest).unwrap().unwrap().bytes, bytes);
}

#[test]
fn a_touched_blob_stays_verified() {
    let (_directory, store) = store();
    let name = name("a.b/c");
    let digest = push_blob(&store, &name, b"layer");
    store.blob(&digest).unwrap().unwrap().verify().unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let file = fs::File::open(store.directory().blob(&digest)).unwrap();
    file.file().set_modified(old).unwrap();
    store.blob(&digest).unwrap().unwrap().verify().unwrap();
    assert!(store.has_blob(&name, &digest).unwrap());
    assert!(file.metadata().unwrap().modified().unwrap() > old + std::time::Duration::from_secs(80_000));
    assert!(store.blob(&digest).unwrap().unwrap().is_verified());
}

#[test]
fn only_stores_are_opened_and_only_empty_directories_become_one() {
    let (directory, store) = store();
    assert!(Store::create(store.root()).is_ok(), "again");
    let path = directory.path().join("other");
    assert_eq!(Store::open(&path).err().unwrap().code(), codes::STORE_MISSING);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("thesis.tex"), b"").unwrap();
    assert_eq!(Store::create(&path).err().unwrap().code(), codes::STORE_FORMAT);
    fs::write(path.join("oci-layout"), LAYOUT_FILE).unwrap();
    assert_eq!(Store::create(&path).err().unwrap().code(), codes::STORE_FORMAT);
}
