//! `airlock cluster add`: hosts join the cluster.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::deploy::{DeployOptions, deploy};
use crate::cli::session::Session;
use crate::cluster::inventory::Inventory;
use crate::cluster::operation::add::joining;
use crate::cluster::operation::site::Site;
use crate::cluster::remote::Connect;
use crate::error::Result;

/// Let hosts join that are in the inventory, and not in the cluster yet
///
/// Write them into the inventory first. Servers join one at a time, agents side by side, with the bundle that the cluster
/// has. The other nodes are left alone; only if a server joins, they get to know its registry. What has joined already
/// is left alone too, so run it again if it stops somewhere.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct AddArgs {
    /// The hosts [default: all of the inventory that are not in the cluster]
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,

    /// The inventory: a cluster.yaml, or an Ansible inventory in INI
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    pub inventory: PathBuf,

    /// How.
    #[command(flatten)]
    pub options: DeployOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster add gpu7 gpu8 --bundle /media/stick
  airlock cluster add --bundle /media/stick --plan";

pub(super) fn run(arguments: &AddArgs, session: &Session) -> Result<()> {
    let choose = |inventory: &Inventory, connect: &dyn Connect, stop: &AtomicBool| {
        let members = Site::new(inventory, connect, stop).nodes()?;
        let joining = joining(inventory, &members, &arguments.hosts)?;
        joining.notes.iter().for_each(|note| session.note(note));
        Ok(Some(joining.meant(inventory, &members, &arguments.hosts)))
    };
    deploy(&arguments.inventory, &choose, &arguments.options, session)
}
