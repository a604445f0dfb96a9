//! Whoever is killed at any moment leaves a sound store, and is simply run again. `scripts/bench store-kill`
//! does the same for longer, and at other moments each time.

use std::path::Path;

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
