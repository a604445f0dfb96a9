//! Builds are killed at random instants. The next build must succeed, fetch little twice, and give equal bytes.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;

use super::Result;
use super::airlock_program::{Airlock, Place, spec};
use super::images::{Family, ImageLayout};
use super::measure::{Table, tell, timed};
use super::server::transfer::Pace;
use super::server::{Options, Server};

const IMAGES: u64 = 8;
const LAYER: u64 = 8 << 20;
/// Slow enough that most kills hit the middle of transfers.
const BYTES_PER_SECOND: u64 = 8 << 20;
/// What eight connections may have in flight at this speed: in buffers of both ends and not yet in the cache.
const IN_FLIGHT: u64 = 8 << 20;

/// Kills `times` builds.
pub fn run(airlock: &Airlock, times: u32, table: &mut Table) -> Result<()> {
    let data = airlock.output.join("kill-upstream");
    let names = make_images(&data.join("layout"))?;
    let pace = Pace { bytes_per_second: Some(BYTES_PER_SECOND), ..Pace::default() };
    let server = Server::start(Options { pace, ..Options::new(&data) })?;
    let text = spec(&server.url(), &names, &[]);

    let reference = Place::fresh(&airlock.output.join("undisturbed"), &text)?;
    let whole = timed(&mut airlock.build(&reference, &[]))?.time;
    let (expected, sent) = (reference.digests()?, server.stats().total.bytes);
    let lock = reference.spec.with_extension("lock");

    let (mut failures, mut most) = (0u32, 0);
    for round in 1..=times {
        tell(&format!("kill {round} of {times}"));
        server.reset_stats();
        let place = Place::fresh(&airlock.output.join("killed"), &text)?;
        fs_err::copy(&lock, place.spec.with_extension("lock"))?;
        kill_after(airlock, &place, random_part(round, whole))?;
        let next = timed(&mut airlock.build(&place, &["--locked"]));
        let equal = next.is_ok() && place.digests()? == expected;
        if !equal {
            failures += 1;
            table.fact(
                &format!("round {round}"),
                next.map_or_else(|error| error.to_string(), |_| "other bytes".into()),
            );
        }
        most = most.max(server.stats().total.bytes.saturating_sub(sent));
    }
    table.fact("undisturbed build", format!("{:.1} s, {} MiB sent", whole.as_secs_f64(), sent >> 20));
    table.at_most(&format!("failures in {times} kills"), f64::from(failures), 0.0);
    table.at_most(
        "MiB fetched twice after one kill",
        most as f64 / f64::from(1 << 20),
        (IN_FLIGHT >> 20) as f64,
    );
    Ok(())
}

fn kill_after(airlock: &Airlock, place: &Place, delay: Duration) -> Result<()> {
    let mut build = airlock.build(place, &["--locked"]);
    let mut process = build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let end = Instant::now() + delay;
    // The instant of the kill is what is measured here, so time is what we wait for.
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    process.kill()?;
    process.wait()?;
    Ok(())
}

// A number between 0 and `whole`, another one in every round and every run.
fn random_part(round: u32, whole: Duration) -> Duration {
    let seed = format!("{round} {} {:?}", std::process::id(), std::time::SystemTime::now());
    let fraction = f64::from(Digest::of(seed.as_bytes()).bytes()[0]) / 255.0;
    whole.mul_f64(fraction)
}

// Layers that do not compress: digests of a counter, and the same in every run.
fn make_images(directory: &Path) -> Result<Vec<String>> {
    let mut layout = ImageLayout::create(directory)?;
    let mut names = Vec::new();
    for number in 0..IMAGES {
        let block = |counter: u64| *Digest::of(&(number * LAYER + counter).to_le_bytes()).bytes();
        let noise: Vec<u8> = (0..LAYER / 32).flat_map(block).collect();
        let layer = layout.layer(Family::Oci, &[("noise", 0o644, &noise)])?;
        let image = layout.image(Family::Oci, "amd64", &[layer], &["/bin/sh"])?;
        names.push(format!("docker.io/bench/noise-{number}:1"));
        layout.name(&names[names.len() - 1], &image);
    }
    layout.finish()?;
    Ok(names)
}
