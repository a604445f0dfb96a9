//! `airlock node alive`: does the API answer here? keepalived asks, as a user without rights.

use crate::error::Result;
use crate::node::availability::{API_PORT, alive};

/// Tell whether the API of Kubernetes answers at a port of this machine
///
/// Ends with 0 if it does, otherwise with 7. Needs no rights, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct AliveArgs {
    /// The port of k3s, or of haproxy in front of it
    #[arg(long, value_name = "PORT", default_value_t = API_PORT)]
    pub port: u16,
}

pub(super) fn run(arguments: &AliveArgs) -> Result<()> {
    alive::check(arguments.port)
}
