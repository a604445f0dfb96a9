//! Importing a bundle into a store, against a pipe that copies and hashes the same bytes.

use std::path::Path;
use std::process::Command;

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::measure::{Table, machine_load, median, tell, timed};
use super::noise_bundle::{self, NoiseBundle};

/// Sizes of blobs as images have them: many small ones, and most bytes in few large ones.
const SIZES: [(u64, usize); 5] = [(4 << 10, 8), (64 << 10, 4), (1 << 20, 4), (16 << 20, 2), (64 << 20, 1)];

/// Measures `rounds` times and compares medians. Both find the bundle in the page cache.
pub fn run(airlock: &Airlock, mebibytes: u64, rounds: usize, table: &mut Table) -> Result<()> {
    let directory = airlock.output.join("store-import");
    if directory.exists() {
        remove(&directory)?;
    }
    fs_err::create_dir_all(&directory)?;
    tell("making the bundle");
    let bundle = noise_bundle::make(&directory, &sizes(mebibytes << 20))?;
    timed(Command::new("cksum").arg(&bundle.path))?;
    let (mut pipe, mut import, mut peak_kib) = (Vec::new(), Vec::new(), 0);
    table.fact("load of the machine", machine_load()?);
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}"));
        pipe.push(copy_and_hash(&bundle.path, &directory.join("copy"))?);
        let cost = import_once(airlock, &bundle, &directory.join("store"))?;
        import.push(cost.time);
        peak_kib = peak_kib.max(cost.peak_kib);
    }
    let bytes = bundle.blobs.iter().map(|blob| blob.size).sum::<u64>() as f64;
    for (name, seconds) in [("cat | tee COPY | sha256sum; sync", median(&pipe)), ("import", median(&import))]
    {
        let speed = bytes / seconds / f64::from(1 << 20);
        table.fact(name, format!("{seconds:.2} s, {speed:.0} MiB/s (median of {rounds})"));
    }
    table.fact("blobs", format!("{}, {:.0} MiB", bundle.blobs.len(), bytes / f64::from(1 << 20)));
    table.at_least("speed of import / pipe", median(&pipe) / median(&import), 0.8);
    table.at_most("peak memory in MiB", peak_kib as f64 / 1024.0, 64.0);
    remove(&directory)
}

/// Sizes of blobs that have so many bytes together, or a little more.
fn sizes(bytes: u64) -> Vec<u64> {
    let group: Vec<u64> = SIZES.iter().flat_map(|(size, count)| std::iter::repeat_n(*size, *count)).collect();
    let groups = bytes.div_ceil(group.iter().sum());
    group.repeat(groups as usize)
}

fn copy_and_hash(bundle: &Path, copy: &Path) -> Result<std::time::Duration> {
    settle(bundle)?;
    let script = r#"cat "$1" | tee "$2" | sha256sum && sync -f "$2""#;
    let cost = timed(Command::new("bash").args(["-c", script, "bash"]).arg(bundle).arg(copy))?;
    fs_err::remove_file(copy)?;
    Ok(cost.time)
}

fn import_once(airlock: &Airlock, bundle: &NoiseBundle, store: &Path) -> Result<super::measure::Cost> {
    settle(&bundle.path)?;
    let mut import = airlock.command(&["store", "import", "--quiet", "--store"]);
    import.arg(store).arg("--allowed-signers").arg(&bundle.signers).arg(&bundle.path);
    let cost = timed(&mut import)?;
    remove(store)?;
    Ok(cost)
}

/// What was written before is not charged to what comes next.
fn settle(path: &Path) -> Result<()> {
    timed(Command::new("sync").arg("-f").arg(path)).map(drop)
}
