//! `cargo run --example upstream`: the upstream server of the tests as a program, for the quickstart and the benchmarks.

#[path = "samples.rs"]
mod samples;
#[path = "upstream/server.rs"]
mod server;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use server::transfer::Pace;
use server::{Options, Server};
use tokio::signal::unix::{SignalKind, signal};

/// A small honest upstream: OCI registry, k3s releases, plain files
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fill a directory with sample images and a stand-in k3s release
    MakeSamples(MakeSamples),
    /// Serve a directory until SIGTERM or SIGINT
    Serve(Serve),
}

#[derive(Args)]
struct MakeSamples {
    /// Directory to fill; made if needed
    data: PathBuf,
    /// Static busybox to put into the images [default: that of the package busybox-static]
    #[arg(long)]
    busybox: Option<PathBuf>,
    /// Program to release as k3s, such as the example k3s-standin [default: busybox, which starts nothing]
    #[arg(long)]
    k3s: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    /// Directory as `make-samples` makes it
    #[arg(long)]
    data: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write the address to this file as well, under its final name only when it is complete
    #[arg(long)]
    address_file: Option<PathBuf>,
    /// File with `name:password`; without it everybody may read
    #[arg(long)]
    credentials: Option<PathBuf>,
    /// Bytes per second of each answer
    #[arg(long)]
    rate: Option<u64>,
    /// Drop the connection when an answer has sent so many bytes
    #[arg(long)]
    fail_after: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::MakeSamples(arguments) => make_samples(arguments),
        Command::Serve(arguments) => serve(arguments),
    }
}

fn make_samples(arguments: MakeSamples) -> Result<(), Box<dyn Error>> {
    let busybox = arguments.busybox.or_else(samples::static_busybox);
    let busybox = busybox.ok_or("there is no busybox here: install the package busybox-static")?;
    let busybox = fs_err::read(busybox)?;
    let k3s = arguments.k3s.map(fs_err::read).transpose()?;
    samples::make_with_k3s(&arguments.data, &busybox, k3s.as_deref().unwrap_or(&busybox))?;
    Ok(())
}

fn serve(arguments: Serve) -> Result<(), Box<dyn Error>> {
    let server = Server::start(Options {
        listen: arguments.listen,
        data: arguments.data,
        credentials: arguments.credentials.map(fs_err::read_to_string).transpose()?,
        pace: Pace { bytes_per_second: arguments.rate, fail_after: arguments.fail_after },
    })?;
    writeln!(io::stdout(), "{}", server.address())?;
    if let Some(file) = arguments.address_file {
        let partial = file.with_extension("partial");
        fs_err::write(&partial, server.address().to_string())?;
        fs_err::rename(&partial, &file)?;
    }
    wait_for_signal()?;
    Ok(())
}

fn wait_for_signal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
