//! `scripts/bench apt-equality`: compares the solver with the real apt of each release, in a root of that
//! release; `scripts/bench apt-speed`: compares the time and memory both take.

#[path = "apt/answer.rs"]
mod answer;
#[path = "apt/equality.rs"]
mod equality;
#[path = "apt/root.rs"]
mod root;
#[path = "apt/server.rs"]
mod server;

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
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    fs_err::create_dir_all(&arguments.output)?;
    let output = fs_err::canonicalize(&arguments.output)?;
    let kept = match arguments.command {
        Command::Equality(equality) => equality::run(&output, &equality)?,
    };
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
