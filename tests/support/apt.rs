//! `scripts/bench apt-equality`: compares the solver with the real apt of each release, in a root of that
//! release; `scripts/bench apt-speed`: compares the time and memory both take; `scripts/bench apt-offline`: installs
//! from bundles without a network; `scripts/bench apt-hosts`: compares locks that were made in different places;
//! `scripts/bench apt-baselines`: records what usual installations have.

#[path = "apt/answer.rs"]
mod answer;
#[path = "apt/baselines.rs"]
mod baselines;
#[path = "apt/equality.rs"]
mod equality;
#[path = "apt/hosts.rs"]
mod hosts;
#[path = "bench/measure.rs"]
#[expect(dead_code, reason = "shared with the other measurements; not all of it is needed here")]
mod measure;
#[path = "apt/offline.rs"]
mod offline;
#[path = "apt/root.rs"]
mod root;
#[path = "apt/server.rs"]
mod server;
#[path = "apt/speed.rs"]
mod speed;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What every measurement may fail with; the text goes to whoever runs it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Compare the solver with the real apt
#[derive(Parser)]
struct Arguments {
    /// Where roots and answers are kept; delete it to ask apt again
    #[arg(long, default_value = "bench-output/apt", global = true)]
    output: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the sets of packages
    Equality(equality::Arguments),
    /// Record the lists in manifests/baselines anew
    Baselines,
    /// Build bundles of usual packages and install from them without a network
    Offline(offline::Arguments),
    /// Compare time and memory, on bookworm
    Speed,
    /// Compare locks made here, on another release, and without apt
    Hosts(hosts::Arguments),
    /// Solve once from the compressed indices in a root; this is what is measured
    #[command(hide = true)]
    Solve {
        /// The root
        root: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let output = std::path::absolute(&arguments.output)?;
    let kept = match arguments.command {
        Command::Equality(equality) => equality::run(&output, &equality)?,
        Command::Baselines => baselines::run(&output)?,
        Command::Offline(offline) => offline::run(&output, &offline)?,
        Command::Hosts(hosts) => hosts::run(&output, &hosts)?,
        Command::Speed => speed::run(&output)?,
        Command::Solve { root } => speed::solve_once(&root).map(|()| true)?,
    };
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
