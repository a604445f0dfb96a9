//! Speed and memory of the registry, against Debian's `docker-registry`, over loopback.
//!
//! Both sync a pushed blob before they acknowledge it. Ours hashes a blob when it is pulled for the first time
//! in the life of the process, on its way; `docker-registry` never does. Both cases are measured; the promise is about
//! later pulls, where both do the same work.

#[path = "registry/client.rs"]
mod client;
#[path = "registry/contestant.rs"]
mod contestant;
#[path = "registry/pull.rs"]
mod pull;
#[path = "registry/push.rs"]
mod push;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use contestant::{BOTH, Contestant, Kind};
use pull::{Image, Target};

use super::Result;
use super::airlock_program::{Airlock, remove};
use super::corpus::{self, succeed};
use super::docker_registry::Identity;
use super::measure::{Table, median, tell};

/// Clients that pull at once where speed is compared.
const CLIENTS: usize = 4;
/// Clients at once where it matters that all are served.
const MANY_CLIENTS: usize = 64;
/// How often a client pulls its layers again.
const AGAIN: usize = 3;
/// How often each of sixteen clients asks for a manifest.
const MANIFESTS: usize = 4_000;
const MANIFEST_CLIENTS: usize = 16;

/// What one registry takes, one entry for each round.
#[derive(Default)]
struct Times {
    first_pull: [Vec<Duration>; 2],
    later_pulls: [Vec<Duration>; 2],
    /// Processor time of the server for the later pulls.
    worked: [Vec<Duration>; 2],
    push: Vec<Duration>,
    push_again: Vec<Duration>,
}

/// Everything that is measured.
#[derive(Default)]
struct Figures {
    times: [Times; 2],
    peak_mebibytes: f64,
    manifests_per_second: f64,
    manifests_per_processor_second: f64,
}

/// Whether connections are encrypted: the place in the arrays of [`Times`].
const TRANSPORTS: [&str; 2] = ["plain", "TLS"];

/// Takes every measurement once a round and compares medians.
pub fn run(airlock: &Airlock, rounds: usize, table: &mut Table) -> Result<()> {
    let layout = airlock.output.join("corpus");
    corpus::make(&layout)?;
    let image = Image::make(&airlock.output.join("layers"))?;
    let identity = identity(&airlock.output)?;
    let places = airlock.output.join("registries");
    fresh(&places)?;
    for kind in BOTH {
        image.push(&Contestant::start(kind, airlock, &places, None)?)?;
    }
    let bench = Bench { airlock, image: &image, identity: &identity, places: &places };
    let mut figures = Figures::default();
    for round in 1..=rounds {
        tell(&format!("round {round} of {rounds}"));
        for kind in BOTH {
            for transport in 0..TRANSPORTS.len() {
                bench.pulls(kind, transport, &mut figures)?;
            }
            bench.pushes(kind, &layout, &mut figures)?;
        }
    }
    bench.crowds(&mut figures)?;
    figures.report(&image, table);
    Ok(())
}

/// What all measurements need.
struct Bench<'a> {
    airlock: &'a Airlock,
    image: &'a Image,
    identity: &'a Identity,
    places: &'a Path,
}

impl Bench<'_> {
    fn pulls(&self, kind: Kind, transport: usize, figures: &mut Figures) -> Result<()> {
        let identity = (transport == 1).then_some(self.identity);
        let server = Contestant::start(kind, self.airlock, self.places, identity)?;
        let tls = identity.map(|identity| client::encrypted(&identity.certificate)).transpose()?;
        let target = Target { server: &server, tls: tls.as_ref() };
        let times = &mut figures.times[kind as usize];
        times.first_pull[transport].push(self.image.pull(target, CLIENTS, 1)?);
        let before = server.processor_seconds()?;
        times.later_pulls[transport].push(self.image.pull(target, CLIENTS, AGAIN)?);
        times.worked[transport].push(Duration::from_secs_f64(server.processor_seconds()? - before));
        figures.remember_peak(kind, &server)
    }

    // A fresh store in every round, and then the same once more.
    fn pushes(&self, kind: Kind, layout: &Path, figures: &mut Figures) -> Result<()> {
        let place = self.airlock.output.join("pushed");
        fresh(&place)?;
        let server = Contestant::start(kind, self.airlock, &place, None)?;
        let times = &mut figures.times[kind as usize];
        times.push.push(push::push(layout, &server)?);
        times.push_again.push(push::push(layout, &server)?);
        figures.remember_peak(kind, &server)
    }

    // Many clients at once, and many small requests; any error ends the measurement.
    fn crowds(&self, figures: &mut Figures) -> Result<()> {
        for identity in [None, Some(self.identity)] {
            tell("many clients");
            let server = Contestant::start(Kind::Ours, self.airlock, self.places, identity)?;
            let tls = identity.map(|identity| client::encrypted(&identity.certificate)).transpose()?;
            let target = Target { server: &server, tls: tls.as_ref() };
            self.image.check(target)?;
            self.image.pull_one(target, MANY_CLIENTS)?;
            if identity.is_none() {
                let before = server.processor_seconds()?;
                let time = self.image.manifests(target, MANIFEST_CLIENTS, MANIFESTS)?;
                let count = (MANIFEST_CLIENTS * MANIFESTS) as f64;
                figures.manifests_per_second = count / time.as_secs_f64();
                figures.manifests_per_processor_second = count / (server.processor_seconds()? - before);
            }
            figures.remember_peak(Kind::Ours, &server)?;
        }
        Ok(())
    }
}

impl Figures {
    fn remember_peak(&mut self, kind: Kind, server: &Contestant) -> Result<()> {
        if kind == Kind::Ours {
            self.peak_mebibytes = self.peak_mebibytes.max(server.peak_mebibytes()?);
        }
        Ok(())
    }

    fn report(&self, image: &Image, table: &mut Table) {
        let [ours, theirs] = &self.times;
        table.fact("both over TLS", format!("{}, ECDSA P-256; connections kept alive", client::CIPHER));
        let gibibytes = image.bytes() as f64 / f64::from(1 << 30);
        for (transport, name) in TRANSPORTS.iter().enumerate() {
            let [first, later, worked] = [
                [&ours.first_pull, &theirs.first_pull],
                [&ours.later_pulls, &theirs.later_pulls],
                [&ours.worked, &theirs.worked],
            ]
            .map(|both| both.map(|times| median(&times[transport])));
            let again = AGAIN as f64 * gibibytes;
            for (what, [ours, theirs], unit) in [
                ("first pull, hashed by ours", first.map(|time| gibibytes / time), "GiB/s"),
                ("later pulls", later.map(|time| again / time), "GiB/s"),
                ("processor time of the server", worked.map(|time| time / again), "s/GiB"),
            ] {
                let text = format!("{ours:.2} {unit}, docker-registry {theirs:.2}");
                table.fact(&format!("{name}, {CLIENTS} clients, {what}"), text);
            }
            table.at_least(&format!("{name}, later pulls / docker-registry"), later[1] / later[0], 1.2);
        }
        for (what, ours, theirs, limit) in [
            ("push of the corpus", &ours.push, &theirs.push, 0.8),
            ("push of what is there", &ours.push_again, &theirs.push_again, 1.0),
        ] {
            let [ours, theirs] = [ours, theirs].map(|times| median(times));
            table.fact(&format!("skopeo, {what}"), format!("{ours:.2} s, docker-registry {theirs:.2} s"));
            table.at_most(&format!("{what} / docker-registry"), ours / theirs, limit);
        }
        let served = format!("{:.0} of {MANIFEST_CLIENTS} clients", self.manifests_per_second);
        table.fact("manifests a second, wall time", served);
        table.at_least("manifests per second of a core", self.manifests_per_processor_second, 10_000.0);
        table.at_most("peak memory of ours in MiB", self.peak_mebibytes, 64.0);
    }
}

fn fresh(directory: &Path) -> Result<()> {
    if directory.exists() {
        remove(directory)?;
    }
    Ok(fs_err::create_dir_all(directory)?)
}

// A certificate for the loopback address that is its own authority.
fn identity(output: &Path) -> Result<Identity> {
    let identity = Identity { certificate: output.join("tls.crt"), key: output.join("tls.key") };
    if !identity.certificate.exists() {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        openssl.args(["-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]);
        succeed(openssl.arg(&identity.key).arg("-out").arg(&identity.certificate))?;
    }
    Ok(identity)
}
