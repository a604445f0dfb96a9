//! Speed of fetching, building and verifying, against skopeo, dd and openssl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Result;
use super::airlock_program::{Airlock, Place, remove, spec};
use super::corpus;
use super::docker_registry::DockerRegistry;
use super::measure::{Table, make_cold, median, tell, timed};

/// Wall times, one entry for each round.
#[derive(Default)]
struct Times {
    skopeo: Vec<Duration>,
    fetch: Vec<Duration>,
    unchecked: Vec<Duration>,
    checked: Vec<Duration>,
    again: Vec<Duration>,
    copy: Vec<Duration>,
    read_back: Vec<Duration>,
    verify_on_one_core: Vec<Duration>,
    verify: Vec<Duration>,
    openssl: Vec<Duration>,
    peak_kib: u64,
    bytes: u64,
}

/// Takes every measurement once a round and compares medians.
pub fn run(airlock: &Airlock, rounds: usize, table: &mut Table) -> Result<()> {
    let layout = airlock.output.join("corpus");
    corpus::make(&layout)?;
    let storage = airlock.output.join("registry");
    let registry = DockerRegistry::start(&storage, None)?;
    registry.fill(&storage, &layout)?;
    let images: Vec<String> = corpus::names().iter().map(|name| format!("docker.io/{name}:1")).collect();
    let text = spec(&format!("http://{}", registry.address), &images, &[]);
    let mut times = Times::default();
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}"));
        times.skopeo.push(skopeo(&airlock.output.join("skopeo"), &registry)?);
        let checked = times.build(airlock, &text)?;
        times.copy_and_read_back(&checked.volumes()?, &airlock.output.join("copy"))?;
        times.verify(airlock, &checked)?;
    }
    times.report(table);
    Ok(())
}

// One image after the other, into a fresh layout.
fn skopeo(directory: &Path, registry: &DockerRegistry) -> Result<Duration> {
    if directory.exists() {
        remove(directory)?;
    }
    let mut sum = Duration::ZERO;
    for name in corpus::names() {
        let source = format!("docker://{}/{name}:1", registry.address);
        let target = format!("oci:{}:{name}", directory.display());
        let mut copy = Command::new("skopeo");
        sum += timed(copy.args(["copy", "--quiet", "--src-tls-verify=false", &source, &target]))?.time;
    }
    Ok(sum)
}

// The time of a command of ours; the highest peak of all of them is kept.
fn measured(command: &mut Command, peak_kib: &mut u64) -> Result<Duration> {
    let cost = timed(command)?;
    *peak_kib = (*peak_kib).max(cost.peak_kib);
    Ok(cost.time)
}

impl Times {
    fn build(&mut self, airlock: &Airlock, spec: &str) -> Result<Place> {
        let place = Place::fresh(&airlock.output.join("fetched"), spec)?;
        let mut fetch = airlock.command(&["bundle", "fetch"]);
        self.fetch
            .push(measured(fetch.arg(&place.spec).arg("--cache-dir").arg(&place.cache), &mut self.peak_kib)?);
        let place = Place::fresh(&airlock.output.join("unchecked"), spec)?;
        self.unchecked.push(measured(&mut airlock.build(&place, &["--no-check"]), &mut self.peak_kib)?);
        let place = Place::fresh(&airlock.output.join("checked"), spec)?;
        self.checked.push(measured(&mut airlock.build(&place, &[]), &mut self.peak_kib)?);
        self.again.push(measured(&mut airlock.build(&place, &[]), &mut self.peak_kib)?);
        Ok(place)
    }

    // What the medium itself costs: the same bytes written through to it, then read back cold.
    fn copy_and_read_back(&mut self, volumes: &[PathBuf], copy: &Path) -> Result<()> {
        let (mut write, mut read) = (Duration::ZERO, Duration::ZERO);
        self.bytes = 0;
        for volume in volumes {
            self.bytes += fs_err::metadata(volume)?.len();
            let (input, output) = (format!("if={}", volume.display()), format!("of={}", copy.display()));
            let mut dd = Command::new("dd");
            write += timed(dd.args([&input, &output, "bs=1M", "conv=fsync", "status=none"]))?.time;
            make_cold(copy)?;
            let mut dd = Command::new("dd");
            let input = format!("if={}", copy.display());
            read += timed(dd.args([&input, "of=/dev/null", "bs=1M", "status=none"]))?.time;
            fs_err::remove_file(copy)?;
        }
        self.copy.push(write);
        self.read_back.push(read);
        Ok(())
    }

    // Everybody finds the bytes in the page cache: this compares programs, not disks.
    fn verify(&mut self, airlock: &Airlock, place: &Place) -> Result<()> {
        let volumes = place.volumes()?;
        timed(Command::new("cksum").args(&volumes))?;
        let mut openssl = Command::new("taskset");
        openssl.args(["--cpu-list", "0", "openssl", "dgst", "-sha256"]).args(&volumes);
        self.openssl.push(timed(&mut openssl)?.time);
        self.verify_on_one_core.push(timed(&mut airlock.verify(&place.bundle, Some("0")))?.time);
        self.verify.push(measured(&mut airlock.verify(&place.bundle, None), &mut self.peak_kib)?);
        Ok(())
    }

    fn report(&self, table: &mut Table) {
        table.fact("bytes of the bundle", format!("{} MiB", self.bytes >> 20));
        for (name, durations) in [
            ("skopeo copy, eight images", &self.skopeo),
            ("fetch alone, cold", &self.fetch),
            ("build without check, cold", &self.unchecked),
            ("build with check, cold", &self.checked),
            ("build with nothing new", &self.again),
            ("dd conv=fsync of the volumes", &self.copy),
            ("cold read-back of the volumes", &self.read_back),
            ("verify on one core", &self.verify_on_one_core),
            ("verify on all cores", &self.verify),
            ("openssl dgst -sha256 on one core", &self.openssl),
        ] {
            table.fact(name, format!("{:.2} s (median of {})", median(durations), durations.len()));
        }
        let (skopeo, fetch, checked) = (median(&self.skopeo), median(&self.fetch), median(&self.checked));
        let medium = median(&self.copy) + median(&self.read_back);
        table.at_most("fetch / skopeo", fetch / skopeo, 0.5);
        table.at_most("build without check / skopeo", median(&self.unchecked) / skopeo, 0.8);
        table.at_most("build with check / (fetch + dd + read-back)", checked / (fetch + medium), 1.15);
        table.at_most("build with nothing new / first build", median(&self.again) / checked, 0.15);
        table.at_most("peak memory in MiB", self.peak_kib as f64 / 1024.0, 96.0);
        let throughput = median(&self.openssl) / median(&self.verify_on_one_core);
        table.at_least("throughput of verify / openssl, one core each", throughput, 0.8);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let gain = median(&self.verify_on_one_core) / median(&self.verify);
        // Nine layers of different size cannot fill many cores to the end.
        table.at_least("speed-up of verify by all cores", gain, 1.0 + 0.5 * (cores.min(4) - 1) as f64);
    }
}
