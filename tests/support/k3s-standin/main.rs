//! A stand-in for k3s in tests, and honest about being one: it runs no container and is no Kubernetes.
//!
//! What an installer sees of k3s is here: its commands, flags and files, how it speaks with systemd, how nodes join
//! and why they cannot, a small API that `kubectl` of the same program talks to, and images that are really pulled
//! from the registries of `registries.yaml`. What cannot be seen from outside is not: no containers, no network of
//! pods, no certificates for nodes. Like the real program it is `kubectl`, `crictl` or `ctr` when called by these names.
//!
//! Of etcd it has the members: learners, one at a time, that become voters; a quorum without which nothing is written or
//! read; removals by annotation and by deleted nodes, tombstones, resets, snapshots. It has no consensus: the first
//! voter by name that is there makes all changes and hands them to the others before it answers, so a cut through
//! the middle of the network can lose what a real cluster keeps. Its data are one file of JSON, and so are snapshots.
//!
//! Not here: the ports of etcd (2379, 2380), of the kubelet (10250) and of the overlay network (8472); CA rotation,
//! snapshots by the clock or in S3, the conversion from sqlite; Helm, secrets encryption, the embedded registry.
//!
//! Tests set in the environment of its unit, in seconds: `K3S_STANDIN_LEASE`, how long a node counts as ready after it
//! was heard of (5); `K3S_STANDIN_LEARNER`, how long a learner may take (300); `K3S_STANDIN_CLOCK_AHEAD`, by which
//! clock certificates are made.

mod agent;
mod api;
mod balancer;
mod certificate_command;
mod certificates;
mod cluster;
mod configuration;
mod containerd;
mod controllers;
mod credentials;
mod crictl;
mod datastore;
mod etcd;
mod etcd_snapshot;
mod eviction;
mod flags;
mod go_errors;
mod images;
mod join;
mod kubeconfig;
mod kubectl;
mod kubelet;
mod kubernetes;
mod log;
mod manifests;
mod members;
mod network;
mod node_object;
mod notify;
mod paths;
mod patience;
mod pods;
mod registries;
mod removal;
mod reset;
mod scheduling;
mod server;
mod service_accounts;
mod settings;
mod snapshots;
mod supervisor_client;
mod tls;
mod token;
mod version;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What everything here may fail with; the text is what the real program would say.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Variables of the environment, as systemd sets them from the env file of the unit.
pub type Variables = BTreeMap<String, String>;

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().collect();
    let program = arguments[0].rsplit('/').next().unwrap_or_default().to_owned();
    let (command, rest) = match program.as_str() {
        "kubectl" | "crictl" | "ctr" => (program, &arguments[1..]),
        _ => match arguments.split_first().and_then(|(_, words)| words.split_first()) {
            Some((command, rest)) => (command.clone(), rest),
            None => ("--help".to_owned(), &[][..]),
        },
    };
    let variables: Variables = std::env::vars().collect();
    match run(&command, rest, &variables).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match command.as_str() {
                "server" | "agent" | "certificate" | "etcd-snapshot" => {
                    log::fatal(&format!("Error: {error}"))
                }
                "crictl" | "ctr" => log::fatal(&error.to_string()),
                _ => drop(writeln!(io::stderr(), "{error}")),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &str, arguments: &[String], variables: &Variables) -> Result<()> {
    match command {
        "server" => server::run(arguments, variables).await,
        "agent" => agent::run(arguments, variables).await,
        "kubectl" => kubectl::run(arguments, variables).await,
        "crictl" => crictl::crictl(arguments, variables).await,
        "ctr" => crictl::ctr(arguments),
        "certificate" => certificate_command::run(arguments, variables),
        "etcd-snapshot" => etcd_snapshot::run(arguments, variables).await,
        "check-config" => say("this is a stand-in for k3s; it has no requirements\nSTATUS: pass"),
        "--version" | "-v" => say(&format!("k3s version {} (stand-in)\ngo version none", version::version())),
        "--help" | "-h" => say(
            "k3s stand-in: server, agent, kubectl, crictl, ctr, certificate, etcd-snapshot, check-config, --version",
        ),
        other => Err(format!("No help topic for '{other}'").into()),
    }
}

/// Prints a result.
pub fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
