//! Tests of files that airlock makes itself; those of the others are in `tests/build`.

use std::sync::Arc;

use super::*;
use crate::fetch::{Client, Settings};
use crate::progress::Silent;
use crate::source::gather::Limits;

fn entry(text: &str) -> FileEntry {
    FileEntry {
        source: FileSource::Generated { origin: "airlock: x.yaml", text: text.to_owned() },
        path: "/opt/x.yaml".to_owned(),
        mode: 0o644,
        digest: None,
        allow_secret: false,
        line: 3,
    }
}

#[tokio::test]
async fn a_file_made_by_airlock_is_in_the_cache_and_kept_while_it_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let client = Client::new(Settings::default());
    let gatherer = Gatherer::new(client, cache.clone(), Limits::default(), Arc::new(Silent));
    let made = resolve(&gatherer, &entry("a: 1\n"), directory.path(), "").await.unwrap();
    let [Opened { locked, blob }] = &made[..] else { panic!("one file") };
    assert_eq!(
        (locked.origin.as_str(), locked.authenticated_by.as_str()),
        ("airlock: x.yaml", "made by airlock")
    );
    assert_eq!((locked.size, blob.digest), (5, Digest::of(b"a: 1\n")));
    assert!(matches!(blob.origin, Origin::Cached));

    fs_err::remove_file(cache.path(&blob.digest)).unwrap();
    let locked = [locked.clone()];
    let again = open(&gatherer, &entry("a: 1\n"), directory.path(), &locked).await.unwrap().unwrap();
    assert_eq!(again[0].locked, locked[0]);
    assert!(cache.check(&blob.digest, 5).unwrap(), "the cache had lost it");
    let changed = open(&gatherer, &entry("a: 2\n"), directory.path(), &locked).await.unwrap();
    assert!(changed.is_none(), "the lock is about another text");
}
