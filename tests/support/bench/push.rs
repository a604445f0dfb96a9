//! Pushing the same images into an empty `docker-registry`: ours against `skopeo copy` and `skopeo sync`, and the
//! memory that a large layer takes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::docker_registry::DockerRegistry;
use super::measure::{Cost, Table, median, tell, timed};
use super::noise_layout::{self, IMAGES};

/// The promises: against skopeo in the better of its ways, of a first push and of one with nothing to do; and in MiB.
const RATIOS: [f64; 2] = [0.8, 1.0];
const MEMORY: f64 = 64.0;

/// The ways to push that are compared.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Ours,
    Copy,
    Sync,
}

const WAYS: [Way; 3] = [Way::Ours, Way::Copy, Way::Sync];

/// Pushes once a round by every way into a registry of its own, and then the same again.
pub fn run(airlock: &Airlock, rounds: usize, table: &mut Table) -> Result<()> {
    let layout = airlock.output.join("push-layout");
    let bytes = noise_layout::make(&layout, 32 << 20)?;
    let (mut first, mut again, mut peak) = <([Vec<Duration>; 3], [Vec<Duration>; 3], u64)>::default();
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}"));
        for way in WAYS {
            let place = airlock.output.join("pushed");
            fresh(&place)?;
            let registry = DockerRegistry::start(&place, None)?;
            let costs = [push(way, &layout, &registry.address)?, push(way, &layout, &registry.address)?];
            first[way as usize].push(costs[0].time);
            again[way as usize].push(costs[1].time);
            if way == Way::Ours {
                peak = peak.max(costs[0].peak_kib);
            }
        }
    }
    let large = airlock.output.join("push-large");
    noise_layout::make_large(&large, 1 << 30)?;
    fresh(&airlock.output.join("pushed"))?;
    let registry = DockerRegistry::start(&airlock.output.join("pushed"), None)?;
    let cost = push(Way::Ours, &large, &registry.address)?;
    report(table, bytes, &first, &again);
    table.at_most("peak memory of a push of the images in MiB", peak as f64 / 1024.0, MEMORY);
    table.fact("a layer of 1 GiB", format!("{:.1} s", cost.time.as_secs_f64()));
    table.at_most("peak memory of a push of that layer in MiB", cost.peak_kib as f64 / 1024.0, MEMORY);
    Ok(())
}

fn report(table: &mut Table, bytes: u64, first: &[Vec<Duration>; 3], again: &[Vec<Duration>; 3]) {
    table.fact("images", format!("{IMAGES}, {} MiB in all, a layer in common", bytes >> 20));
    for ((what, times), ratio) in [("push", first), ("push of what is there", again)].into_iter().zip(RATIOS)
    {
        let [ours, copy, sync] = [0, 1, 2].map(|way| median(&times[way]));
        let text = format!("{ours:.2} s, skopeo copy {copy:.2} s, skopeo sync {sync:.2} s");
        table.fact(what, text);
        table.at_most(&format!("{what} / the better of skopeo"), ours / copy.min(sync), ratio);
    }
}

fn push(way: Way, layout: &Path, address: &str) -> Result<Cost> {
    match way {
        Way::Ours => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--airlock", "/bin/true", "push-once"]).arg(layout);
            timed(command.arg(format!("http://{address}/bench")))
        }
        Way::Copy => {
            let mut whole = Cost { time: Duration::ZERO, peak_kib: 0 };
            for name in noise_layout::names() {
                let source = format!("oci:{}:docker.io/{name}:1", layout.display());
                let target = format!("docker://{address}/bench/docker.io/{name}:1");
                let options = ["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"];
                let cost = timed(Command::new("skopeo").args(options).args([source, target]))?;
                whole.time += cost.time;
                whole.peak_kib = whole.peak_kib.max(cost.peak_kib);
            }
            Ok(whole)
        }
        Way::Sync => {
            let options =
                ["sync", "--preserve-digests", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker"];
            let mut command = Command::new("skopeo");
            command.args(options).arg(layout.join("dir")).arg(format!("{address}/bench"));
            timed(&mut command)
        }
    }
}

fn fresh(directory: &Path) -> Result<()> {
    if directory.exists() {
        remove(directory)?;
    }
    Ok(fs_err::create_dir_all(directory)?)
}
