//! `scripts/bench`: measures what the project promises, on one machine in one run, and says pass or miss.

#[path = "bench/airlock.rs"]
mod airlock_program;
#[path = "bench/build.rs"]
mod build;
#[path = "bench/corpus.rs"]
mod corpus;
#[path = "bench/docker_registry.rs"]
mod docker_registry;
#[path = "images.rs"]
mod images;
#[path = "bench/kill.rs"]
mod kill;
#[path = "bench/measure.rs"]
mod measure;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/registry.rs"]
mod registry;
#[path = "upstream/server.rs"]
mod server;
#[path = "bench/sizes.rs"]
mod sizes;

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_program::Airlock;
use clap::{Parser, Subcommand};
use measure::Table;

/// What every measurement may fail with; the text goes to whoever runs it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

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
    /// Serve images, against docker-registry (about 5 GiB of disk)
    Registry {
        /// How often each measurement is taken; medians are compared
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Payloads of 2^32 - 1, 2^32 and 2^32 + 1 bytes (about 13 GiB of disk)
    Sizes,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    fs_err::create_dir_all(&arguments.output)?;
    let airlock = Airlock::prepare(&arguments.airlock, &fs_err::canonicalize(&arguments.output)?)?;
    let mut table = Table::default();
    match arguments.command {
        Command::Build { rounds } => build::run(&airlock, rounds, &mut table)?,
        Command::Memory => memory::run(&airlock, &mut table)?,
        Command::Kill { times } => kill::run(&airlock, times, &mut table)?,
        Command::Registry { rounds } => registry::run(&airlock, rounds, &mut table)?,
        Command::Sizes => sizes::run(&airlock, &mut table)?,
    }
    table.print()?;
    Ok(if table.all_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
