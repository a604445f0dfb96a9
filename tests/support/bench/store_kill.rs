//! Whoever changes a store is killed at random instants. No tag may name what is missing, no blob may be
//! half, nothing dead may keep its space, and the same must succeed when it is done again.

use std::time::SystemTime;

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::measure::{Table, machine_load, tell};
use super::store_kills::{Arena, Victim};

/// Kills `times` times, everybody in turn.
pub fn run(airlock: &Airlock, times: u32, seed: Option<u64>, table: &mut Table) -> Result<()> {
    let directory = airlock.output.join("store-kill");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let seed = seed.unwrap_or(now.as_nanos() as u64);
    if directory.exists() {
        remove(&directory)?;
    }
    fs_err::create_dir_all(&directory)?;
    let mut arena = Arena::new(airlock.program(), &directory, seed)?;
    let mut failures = 0;
    // The first round of each kind finds out how long it takes.
    let rounds = times + Victim::ALL.len() as u32;
    for round in 0..rounds {
        let victim = Victim::ALL[round as usize % Victim::ALL.len()];
        tell(&format!("{} of {rounds}: {victim:?}", round + 1));
        if let Err(error) = arena.round(victim) {
            table.fact(&format!("round {round}, {victim:?}"), error.to_string());
            failures += 1;
        }
    }
    table.fact("seed", seed.to_string());
    table.fact("load of the machine", machine_load()?);
    table.at_most(&format!("failures in {times} kills"), f64::from(failures), 0.0);
    remove(&directory)
}
