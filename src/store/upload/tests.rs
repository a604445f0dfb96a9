//! Tests of uploads.

use super::*;
use crate::oci::digest::Digest;
use crate::store::Content as _;

fn store() -> (tempfile::TempDir, Store, RepositoryName) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    (directory, store, RepositoryName::new(Some("docker.io"), "library/x").unwrap())
}

fn uploads_left(store: &Store) -> usize {
    fs::read_dir(store.directory().uploads()).unwrap().count()
}

#[test]
fn an_upload_becomes_a_blob_of_its_repository_only() {
    let (_directory, store, name) = store();
    for algorithm in Algorithm::ALL {
        let digest = ContentDigest::of(algorithm, b"a layer");
        // The algorithm is known at the end only.
        let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
        upload.append(b"a ").unwrap();
        upload.append(b"layer").unwrap();
        assert!(!store.has_blob(&name, &digest).unwrap());
        upload.finish(&digest).unwrap();
        assert!(store.has_blob(&name, &digest).unwrap());
        assert_eq!(store.blob_of(&name, &digest).unwrap().unwrap().length(), 7);
        let other = RepositoryName::new(Some("quay.io"), "library/x").unwrap();
        assert!(
            !store.has_blob(&other, &digest).unwrap() && store.blob_of(&other, &digest).unwrap().is_none()
        );
        assert!(store.mount(Some(&name), &other, &digest).unwrap());
        assert!(store.has_blob(&other, &digest).unwrap());
    }
    let missing = Digest::of(b"missing").into();
    assert!(!store.mount(None, &name, &missing).unwrap());
    assert_eq!(uploads_left(&store), 0);
}

#[test]
fn a_later_request_and_another_process_go_on() {
    let (_directory, store, name) = store();
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    upload.append(b"air").unwrap();
    let id = upload.id().to_owned();
    assert_eq!(store.upload(&name, &id).err().unwrap().code(), codes::UPLOAD_BUSY);
    drop(upload);
    let mut upload = store.upload(&name, &id).unwrap().unwrap();
    upload.append(b"lo").unwrap();
    drop(upload);
    let restarted = Store::open(store.root()).unwrap();
    let mut upload = restarted.upload(&name, &id).unwrap().unwrap();
    assert_eq!(upload.length(), 5);
    upload.append(b"ck").unwrap();
    upload.finish(&Digest::of(b"airlock").into()).unwrap();
    assert!(store.has_blob(&name, &Digest::of(b"airlock").into()).unwrap());
}

#[test]
fn ids_belong_to_their_repository() {
    let (_directory, store, name) = store();
    let upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    let id = upload.id().to_owned();
    drop(upload);
    let other = RepositoryName::new(None, "library/x").unwrap();
    assert!(store.upload(&other, &id).unwrap().is_none());
    for id in ["", "..", "../../../etc", &"0".repeat(32), &"/".repeat(32)] {
        assert!(store.upload(&name, id).unwrap().is_none(), "{id}");
    }
    store.upload(&name, &id).unwrap().unwrap().cancel().unwrap();
    assert!(store.upload(&name, &id).unwrap().is_none());
    assert_eq!(uploads_left(&store), 0);
}

#[test]
fn wrong_bytes_leave_nothing() {
    let (_directory, store, name) = store();
    let mut upload = store.start_upload(&name, Algorithm::Sha256).unwrap();
    upload.append(b"wrong").unwrap();
    let digest = Digest::of(b"right").into();
    assert_eq!(upload.finish(&digest).unwrap_err().code(), codes::WRONG_DIGEST);
    assert!(!store.has_blob(&name, &digest).unwrap());
    assert_eq!(uploads_left(&store), 0);
}

#[test]
fn space_for_uploads_is_bounded_and_comes_back() {
    let (_directory, store, name) = store();
    store.limit_uploads(10);
    let mut first = store.start_upload(&name, Algorithm::Sha256).unwrap();
    first.append(b"12345678").unwrap();
    let mut second = store.start_upload(&name, Algorithm::Sha256).unwrap();
    let error = second.append(b"123").unwrap_err();
    assert_eq!((error.code(), second.length()), (codes::UPLOAD_LIMIT, 0));
    first.cancel().unwrap();
    second.append(b"123").unwrap();
    drop(second);
    assert_eq!(store.expire_uploads(Duration::from_secs(60)).unwrap(), Expired::default());
    let expired = store.expire_uploads(Duration::ZERO).unwrap();
    assert_eq!(expired, Expired { uploads: 1, bytes: 3 });
    assert_eq!(uploads_left(&store), 0);
    let mut third = store.start_upload(&name, Algorithm::Sha256).unwrap();
    third.append(b"1234567890").unwrap();
    // Another process counts what is on the disk, and notices when there is room again.
    let other = Store::open(store.root()).unwrap();
    other.limit_uploads(10);
    let mut fourth = other.start_upload(&name, Algorithm::Sha256).unwrap();
    assert_eq!(fourth.append(b"1").unwrap_err().code(), codes::UPLOAD_LIMIT);
    third.cancel().unwrap();
    fourth.append(b"1").unwrap();
    let mut third = store.start_upload(&name, Algorithm::Sha256).unwrap();
    // As if a second had passed.
    store.0.uploads.used.lock().unwrap().counted = None;
    assert_eq!(third.append(b"1234567890").unwrap_err().code(), codes::UPLOAD_LIMIT);
    fourth.cancel().unwrap();
    third.append(b"1234567890").unwrap();
    let mut bytes = [0; 4];
    assert_eq!(
        third.unchecked_bytes().unwrap().read_at(&mut bytes, 8).unwrap(),
        2,
        "others can read it already"
    );
    assert_eq!(store.expire_uploads(Duration::ZERO).unwrap(), Expired::default(), "it is being written");
}
