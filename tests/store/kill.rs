//! Whoever is killed at any moment leaves a sound store, and is simply run again. `scripts/bench store-kill`
//! does the same for longer, and at other moments each time.

use std::path::Path;

use crate::node::Node;
use crate::store_check;
use crate::store_kill::{Arena, Victim};

/// Where the moments of the kills come from.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// The first round finds out how long everything takes; two kills of each follow.
const ROUNDS: usize = 3;

#[test]
fn whoever_is_killed_leaves_a_sound_store() {
    let directory = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_airlock"));
    let mut arena = Arena::new(program, directory.path(), SEED).unwrap();
    for round in 0..ROUNDS {
        for victim in Victim::ALL {
            arena.round(victim).unwrap_or_else(|error| panic!("round {round}, {victim:?}: {error}"));
        }
    }
}

#[test]
fn the_check_after_each_kill_finds_what_is_half_or_missing() {
    let node = Node::with_files(&[]);
    node.json(&["import", "stick"]);
    let store = node.path("store");
    store_check::check(&store).unwrap();
    let blobs = store_check::files_below(&store.join("blobs/sha256")).unwrap();
    let half = &blobs[0];
    let whole = fs_err::read(half).unwrap();
    fs_err::write(half, &whole[..whole.len() / 2]).unwrap();
    assert!(store_check::check(&store).is_err());
    fs_err::write(half, &whole).unwrap();
    for (number, path) in store_check::files_below(&store.join("names")).unwrap().into_iter().enumerate() {
        let bytes = fs_err::read(&path).unwrap();
        fs_err::remove_file(&path).unwrap();
        // A repository may lack a tag; and that it has its manifests as blobs is nothing a tag relies on.
        let is_needed = path.iter().any(|part| part == "_manifests") || !is_manifest(&store, &path);
        let found = store_check::check(&store).is_err();
        assert_eq!(found, is_needed && !path.iter().any(|part| part == "_tags"), "{number}: {path:?}");
        fs_err::write(&path, bytes).unwrap();
    }
}

/// Whether the blob with the name of this file is a manifest.
fn is_manifest(store: &Path, path: &Path) -> bool {
    let blob = fs_err::read(store.join("blobs/sha256").join(path.file_name().unwrap()));
    blob.is_ok_and(|bytes| bytes.windows(9).any(|part| part == b"mediaType"))
}
