//! A bundle that is served as it lies: how long after the start of the process the first blob is served.

use std::time::{Duration, Instant};

use airlock::bundle::manifest::Blob;
use airlock::oci::digest::Digest;

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::measure::{Table, machine_load, make_cold, tell};
use super::noise_bundle::{self, NoiseBundle};
use super::store_server::{Client, Server};

/// The blob that is asked for first, in bytes, and the one after it.
const FIRST: u64 = 1 << 20;
const LAYER: u64 = 64 << 20;

/// Makes a bundle of so many GiB, serves it with an empty page cache, and removes it.
pub fn run(airlock: &Airlock, gibibytes: u64, table: &mut Table) -> Result<()> {
    let directory = airlock.output.join("store-in-place");
    if directory.exists() {
        remove(&directory)?;
    }
    fs_err::create_dir_all(&directory)?;
    tell("making the bundle");
    let mut sizes = vec![LAYER; (gibibytes << 30).div_ceil(LAYER) as usize];
    // In the middle, where nothing that was read before can have brought it along.
    sizes.insert(sizes.len() / 2, FIRST);
    let bundle = noise_bundle::make(&directory, &sizes)?;
    let measured = serve(airlock, &bundle, table);
    remove(&directory)?;
    measured
}

fn serve(airlock: &Airlock, bundle: &NoiseBundle, table: &mut Table) -> Result<()> {
    let find = |size| bundle.blobs.iter().rev().find(|blob| blob.size == size).ok_or("no such blob");
    let (first, layer) = (*find(FIRST)?, *find(LAYER)?);
    make_cold(&bundle.path)?;
    let mut command = airlock.command(&["registry", "serve", "--in-place"]);
    command.arg(&bundle.path).arg("--allowed-signers").arg(&bundle.signers);
    let server = Server::start(command)?;
    let mut client = server.connect()?;
    let listening = server.age();
    fetch(&mut client, first)?;
    let served = server.age();
    let layer = fetch(&mut client, layer)?;
    table.fact("bundle", format!("{} MiB", fs_err::metadata(&bundle.path)?.len() >> 20));
    table.fact("load of the machine", machine_load()?);
    table.fact("start to listening", format!("{:.3} s", listening.as_secs_f64()));
    table.fact("the first blob itself, 1 MiB", format!("{:.3} s", (served - listening).as_secs_f64()));
    table.fact("a layer of 64 MiB after it, read, hashed, sent", format!("{:.3} s", layer.as_secs_f64()));
    table.at_most("start to first blob served in s", served.as_secs_f64(), 2.0);
    table.at_most("peak memory in MiB", server.peak_kib()? as f64 / 1024.0, 64.0);
    Ok(())
}

fn fetch(client: &mut Client, blob: Blob) -> Result<Duration> {
    let begun = Instant::now();
    let answer = client.ask("GET", &format!("/airlock/v1/blobs/{}", blob.digest), &[], b"")?;
    let time = begun.elapsed();
    if answer.status == 200 && Digest::of(&answer.body) == blob.digest {
        return Ok(time);
    }
    Err(format!("blob {}: {}", blob.digest, answer.status).into())
}
