//! A store with a million blobs: how long it takes to start, to find something, and to collect garbage.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::images::OCI_MANIFEST;
use super::measure::{Table, machine_load, tell, timed};
use super::store_maker::{self, Size, TAGS};
use super::store_server::{Client, Server};

/// Requests of each kind.
const REQUESTS: u64 = 20_000;

/// Makes the store, measures, and removes it.
pub fn run(airlock: &Airlock, size: Size, cold: bool, table: &mut Table) -> Result<()> {
    let store = airlock.output.join("scale-store");
    tell(&format!("making a store of {} blobs and {} tags", size.blobs, size.tags));
    let begun = Instant::now();
    store_maker::make(&store, size)?;
    table.fact("making the store", format!("{:.0} s", begun.elapsed().as_secs_f64()));
    table.fact("load of the machine", machine_load()?);
    if cold {
        drop_caches()?;
        serve(airlock, &store, size, "cold", table)?;
    }
    serve(airlock, &store, size, "warm", table)?;
    let (some, all) = (size.repositories() / 10, size.repositories());
    for (what, emptied) in
        [("nothing to delete", 0..0), ("a tenth is garbage", 0..some), ("all is garbage", some..all)]
    {
        empty(&store, emptied)?;
        if cold {
            drop_caches()?;
        }
        collect(airlock, &store, what, table)?;
    }
    remove(&store)
}

fn serve(airlock: &Airlock, store: &Path, size: Size, state: &str, table: &mut Table) -> Result<()> {
    tell(&format!("serving, {state}"));
    let mut command = airlock.command(&["registry", "serve", "--store"]);
    command.arg(store);
    let server = Server::start(command)?;
    let mut client = server.connect()?;
    ask(&mut client, "GET", size.tags / 2)?;
    let start = server.age().as_secs_f64();
    let lookup = percentile(latencies(&mut client, "HEAD", size)?, 99);
    let get = percentile(latencies(&mut client, "GET", size)?, 99);
    let peak = server.peak_kib()? as f64 / 1024.0;
    if state == "cold" {
        table.fact("cold: start to first answer", format!("{start:.3} s"));
        table.fact("cold: tag lookup, manifest GET after it, p99", format!("{lookup:.2} ms, {get:.2} ms"));
        return Ok(());
    }
    table.at_most("start to first answer in s", start, 3.0);
    table.at_most("tag lookup (HEAD), p99 in ms", lookup, 5.0);
    table.at_most("manifest GET by tag, p99 in ms", get, 5.0);
    table.at_most("peak memory of the server in MiB", peak, 64.0);
    Ok(())
}

/// The times of requests for tags all over the store.
fn latencies(client: &mut Client, method: &str, size: Size) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..REQUESTS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let begun = Instant::now();
        ask(client, method, state % size.tags)?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn ask(client: &mut Client, method: &str, image: u64) -> Result<()> {
    let target =
        format!("/v2/{}/manifests/{}?ns=docker.io", store_maker::repository(image / TAGS), image % TAGS);
    let answer = client.ask(method, &target, &[("Accept", OCI_MANIFEST)], b"")?;
    if answer.status == 200 { Ok(()) } else { Err(format!("{method} {target}: {}", answer.status).into()) }
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> f64 {
    times.sort();
    times.get(times.len() * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

/// Takes all names away from repositories, as if each of their manifests had been deleted.
fn empty(store: &Path, numbers: std::ops::Range<u64>) -> Result<()> {
    for number in numbers {
        let directory = store_maker::directory(store, number);
        for name in ["_tags", "_manifests/sha256"] {
            for entry in fs_err::read_dir(directory.join(name))? {
                fs_err::remove_file(entry?.path())?;
            }
        }
    }
    Ok(())
}

fn collect(airlock: &Airlock, store: &Path, what: &str, table: &mut Table) -> Result<()> {
    tell(&format!("collecting garbage: {what}"));
    let cost = timed(airlock.command(&["store", "gc", "--quiet", "--store"]).arg(store))?;
    table.at_most(&format!("gc in s, {what},"), cost.time.as_secs_f64(), 60.0);
    table.at_most("its peak memory in MiB", cost.peak_kib as f64 / 1024.0, 64.0);
    Ok(())
}

/// Everything must come from the disk afterwards; only root may do that.
fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    Ok(fs_err::write("/proc/sys/vm/drop_caches", "3")?)
}
