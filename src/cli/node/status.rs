//! `airlock node status`: is this machine a node, and does it work?

mod screen;

use std::net::IpAddr;

use jiff::Timestamp;

use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::fetch::NoCredentials;
use crate::node::facts::{Facts, Host, Request};
use crate::node::machine::Machine;
use crate::node::registry::peer::Network;
use crate::node::status::{Status, Surroundings};
use crate::ui::human;

/// Show how this node is: bundle, last run, services, registry, cluster, disk, GPUs
///
/// Nothing is changed. Without root it shows what files allow, and says what it could not read.
///
/// Ends with 0 where nothing is wrong, also with warnings and where the machine is no node; with 7 if
/// something is wrong: a service is down, the registry does not answer, the cluster does not say that the
/// node is ready, or the last run has not come to its end.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct StatusArgs {}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node status
  sudo airlock node status --json | jq -r '.problems[].text'";

pub(super) fn run(_: StatusArgs, session: &Session) -> Result<()> {
    let network = Network {
        runtime: tokio::runtime::Handle::current(),
        credentials: std::sync::Arc::new(NoCredentials),
        progress: session.shared_progress(),
    };
    let facts = Facts::gather(&Host::this(), &Request::default());
    let addresses: Vec<IpAddr> = facts.network.addresses().map(|subnet| subnet.address).collect();
    let surroundings =
        Surroundings { network: &network, gpu: &facts.gpu, addresses: &addresses, now: Timestamp::now() };
    let status = Status::of(&Machine::this(), &surroundings)?;
    session.print(&status, screen::render)?;
    match status.problems.len() {
        0 => Ok(()),
        count => Err(unhealthy(&status.name, count)),
    }
}

fn unhealthy(name: &str, count: usize) -> Error {
    let problems = human::count(count as u64, "problem");
    Error::new(codes::NODE_UNHEALTHY, format!("{name} does not work as it should: {problems}"))
        .with_help("do what stands below each of them, then run the command again")
}
