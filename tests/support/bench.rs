//! `scripts/bench`: measures what the project promises, on one machine in one run, and says pass or miss.

#[path = "bench/airlock.rs"]
mod airlock_program;
#[path = "bench/build.rs"]
mod build;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, of which a part is used")]
mod bundles;
#[path = "bench/corpus.rs"]
mod corpus;
#[path = "bench/docker_registry.rs"]
mod docker_registry;
#[path = "image_bundle.rs"]
mod image_bundle;
#[path = "images.rs"]
mod images;
#[path = "bench/install_in_place.rs"]
mod install_in_place;
#[path = "bench/kill.rs"]
mod kill;
#[path = "lab/lab.rs"]
mod lab;
#[path = "bench/large_stick.rs"]
mod large_stick;
#[path = "bench/measure.rs"]
mod measure;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/noise_bundle.rs"]
mod noise_bundle;
#[path = "bench/noise_layout.rs"]
mod noise_layout;
#[path = "packages.rs"]
#[allow(clippy::unwrap_used, reason = "helpers of tests may fail the measurement")]
mod packages;
#[path = "bench/push.rs"]
mod push;
#[path = "bench/push_once.rs"]
mod push_once;
#[path = "bench/registry.rs"]
mod registry;
#[path = "upstream/server.rs"]
mod server;
#[path = "bench/sizes.rs"]
mod sizes;
#[path = "store_check.rs"]
mod store_check;
#[path = "bench/store_import.rs"]
mod store_import;
#[path = "bench/store_in_place.rs"]
mod store_in_place;
#[path = "bench/store_kill.rs"]
mod store_kill;
#[path = "store_kill.rs"]
mod store_kills;
#[path = "bench/store_maker.rs"]
mod store_maker;
#[path = "bench/store_scale.rs"]
mod store_scale;
#[path = "store_server.rs"]
mod store_server;

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_program::Airlock;
use clap::{Parser, Subcommand};
use measure::Table;

/// What every measurement may fail with; the text goes to whoever runs it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measure what the project promises
#[derive(Parser)]
struct Arguments {
    /// The release binary to measure
    #[arg(long)]
    airlock: PathBuf,
    /// Where everything is kept; the corpus is made once and kept for the next run
    #[arg(long, default_value = "bench-output", global = true)]
    output: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch, build and verify against skopeo, dd and openssl (about 10 GiB of disk)
    Build {
        /// How often each measurement is taken; medians are compared
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Peak memory with one layer of 4 GiB (about 13 GiB of disk)
    Memory,
    /// Kill builds at random instants and check the builds that follow
    Kill {
        /// How many builds to kill
        #[arg(default_value_t = 50)]
        times: u32,
    },
    /// Push images into docker-registry, against skopeo (about 4 GiB of disk)
    Push {
        /// How often each measurement is taken; medians are compared
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Started by the measurement of pushes: pushes a layout once
    #[command(hide = true)]
    PushOnce {
        /// The OCI image layout
        layout: PathBuf,
        /// The registry, as `http://HOST:PORT/PREFIX`
        address: String,
    },
    /// Serve images, against docker-registry (about 5 GiB of disk)
    Registry {
        /// How often each measurement is taken; medians are compared
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Payloads of 2^32 - 1, 2^32 and 2^32 + 1 bytes (about 13 GiB of disk)
    Sizes,
    /// Import a bundle, against a pipe that copies and hashes (three times the size of the bundle on disk)
    StoreImport {
        /// How large the bundle is, in MiB
        #[arg(long, default_value_t = 2048)]
        size: u64,
        /// How often each measurement is taken; medians are compared
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Serve a bundle in place: from the start of the process to the first blob
    StoreInPlace {
        /// How large the bundle is, in GiB
        #[arg(long, default_value_t = 10)]
        size: u64,
    },
    /// Install from a bundle in place, on nodes of the lab: from the start of `install` to the first blob (root)
    InstallInPlace {
        /// How large the bundle is, in GiB; it takes next to no disk
        #[arg(long, default_value_t = 10)]
        size: u64,
    },
    /// Kill imports, pushes, collections, deletions and removals at random instants and check the store
    StoreKill {
        /// How many of them to kill
        #[arg(default_value_t = 200)]
        times: u32,
        /// Repeats the moments of an earlier run
        #[arg(long)]
        seed: Option<u64>,
    },
    /// A large store: start, lookups, garbage collection (4 KiB of disk for each blob)
    StoreScale {
        /// How many blobs
        #[arg(long, default_value_t = 1_000_000)]
        blobs: u64,
        /// How many tags, each of an image of its own
        #[arg(long, default_value_t = 50_000)]
        tags: u64,
        /// Also measure with empty caches of the machine (root)
        #[arg(long)]
        cold: bool,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Command::PushOnce { layout, address } = &arguments.command {
        push_once::run(layout, address)?;
        return Ok(ExitCode::SUCCESS);
    }
    fs_err::create_dir_all(&arguments.output)?;
    let airlock = Airlock::prepare(&arguments.airlock, &fs_err::canonicalize(&arguments.output)?)?;
    let mut table = Table::default();
    match arguments.command {
        Command::Build { rounds } => build::run(&airlock, rounds, &mut table)?,
        Command::Memory => memory::run(&airlock, &mut table)?,
        Command::Kill { times } => kill::run(&airlock, times, &mut table)?,
        Command::Push { rounds } => push::run(&airlock, rounds, &mut table)?,
        Command::PushOnce { .. } => {}
        Command::Registry { rounds } => registry::run(&airlock, rounds, &mut table)?,
        Command::Sizes => sizes::run(&airlock, &mut table)?,
        Command::StoreImport { size, rounds } => store_import::run(&airlock, size, rounds, &mut table)?,
        Command::StoreInPlace { size } => store_in_place::run(&airlock, size, &mut table)?,
        Command::InstallInPlace { size } => install_in_place::run(&airlock, size, &mut table)?,
        Command::StoreKill { times, seed } => store_kill::run(&airlock, times, seed, &mut table)?,
        Command::StoreScale { blobs, tags, cold } => {
            store_scale::run(&airlock, store_maker::Size { blobs, tags }, cold, &mut table)?;
        }
    }
    table.print()?;
    Ok(if table.all_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
