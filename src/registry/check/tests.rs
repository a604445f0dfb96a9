//! Tests of checks, with a disk on which they cannot begin before the test lets them.

use std::pin::Pin;

use hyper::body::{Body as _, Bytes};

use super::*;
use crate::error::codes;
use crate::oci::digest::{ContentDigest, Digest};
use crate::progress::Silent;
use crate::registry::access::Access;
use crate::registry::body::{BlobBody, Body, Buffers, PIECE};
use crate::registry::bundles::Shelf;
use crate::registry::deadline::Deadlines;
use crate::registry::service::Settings;
use crate::store::{Content as _, Store};

const LENGTH: usize = 4 * PIECE;

struct Fixture {
    _directory: tempfile::TempDir,
    store: Store,
    digest: ContentDigest,
    inner: Arc<Inner>,
}

/// A store with one blob, whose bytes are `bytes` and whose name that of zeros.
fn fixture(bytes: &[u8]) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    let digest = Digest::of(&vec![0; LENGTH]);
    fs_err::write(store.root().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    let inner = Inner::new(Settings {
        content: Arc::new(store.clone()),
        store: Some(store.clone()),
        upstream: None,
        bundles: Shelf::default(),
        access: Access::new(&[], true).unwrap(),
        allow_delete: false,
        deadlines: Deadlines::default(),
        progress: Arc::new(Silent),
    });
    Fixture { _directory: directory, store, digest: digest.into(), inner: Arc::new(inner) }
}

impl Fixture {
    fn blob(&self) -> Blob {
        self.store.blob(&self.digest).unwrap().unwrap()
    }

    /// The answer to somebody who wants all but the first byte.
    fn part(&self) -> Body {
        let blob = self.blob();
        let check = Check::of(&self.inner, &blob);
        Body::Blob(BlobBody::new(blob.stream(1..LENGTH as u64), Some(check), &Buffers::default()))
    }
}

async fn next(body: &mut Body) -> Option<Result<Bytes>> {
    let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
    frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}

async fn beginning(body: &mut Body) {
    for _ in 0..3 {
        assert_eq!(next(body).await.unwrap().unwrap().len(), PIECE);
    }
}

#[tokio::test]
async fn a_part_goes_out_before_the_whole_was_read_but_for_its_end() {
    let fixture = fixture(&vec![0; LENGTH]);
    let slow = fixture.inner.checks.places.acquire_many(AT_ONCE as u32).await.unwrap();
    let (mut first, mut second) = (fixture.part(), fixture.part());
    assert_eq!(fixture.inner.checks.running().len(), 1, "one check serves both");
    beginning(&mut first).await;
    beginning(&mut second).await;
    assert!(!fixture.blob().is_verified());
    drop(slow);
    assert_eq!(next(&mut first).await.unwrap().unwrap().len(), PIECE - 1);
    assert!(fixture.blob().is_verified() && fixture.inner.checks.running().is_empty());
    assert_eq!(next(&mut second).await.unwrap().unwrap().len(), PIECE - 1);
    assert!(next(&mut first).await.is_none());
}

#[tokio::test]
async fn the_end_of_a_part_of_a_damaged_blob_never_goes_out() {
    let mut damaged = vec![0; LENGTH];
    damaged[0] = 1;
    let fixture = fixture(&damaged);
    let (mut first, mut second) = (fixture.part(), fixture.part());
    for body in [&mut first, &mut second] {
        beginning(body).await;
        assert_eq!(next(body).await.unwrap().unwrap_err().code(), codes::STORE_BLOB_DAMAGED);
        assert!(next(body).await.is_none());
    }
    assert!(fixture.inner.checks.running().is_empty());
}

#[tokio::test]
async fn who_goes_away_waits_no_longer_and_the_check_goes_on() {
    let fixture = fixture(&vec![0; LENGTH]);
    let slow = fixture.inner.checks.places.acquire_many(AT_ONCE as u32).await.unwrap();
    let mut body = fixture.part();
    beginning(&mut body).await;
    let sender = fixture.inner.checks.running().get(&fixture.blob().mark()).unwrap().clone();
    assert!(!sender.is_closed());
    drop(body);
    sender.closed().await;
    let check = Check::of(&fixture.inner, &fixture.blob());
    drop(slow);
    check.passed().await.unwrap();
    assert!(fixture.blob().is_verified());
}

#[tokio::test]
async fn nothing_is_read_for_nobody_when_the_server_stops() {
    let fixture = fixture(&vec![0; LENGTH]);
    let slow = fixture.inner.checks.places.acquire_many(AT_ONCE as u32).await.unwrap();
    let check = Check::of(&fixture.inner, &fixture.blob());
    let sender = fixture.inner.checks.running().get(&fixture.blob().mark()).unwrap().clone();
    let mut ended = sender.subscribe();
    drop(check);
    fixture.inner.activity.stop();
    drop((slow, sender));
    // This test listens, so the check goes on: somebody may still get what he waits for.
    assert!(ended.wait_for(Option::is_some).await.is_ok());
    assert!(fixture.blob().is_verified());
}
