//! `airlock cluster drain`: pods leave nodes.

use std::time::Duration;

use super::change::{ChangeOptions, SiteOptions, carry_out};
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cli::values::whole_number;
use crate::cluster::operation::drain::{self, Manner, Pod};
use crate::error::Result;

/// Move the pods of nodes elsewhere, and keep new ones away
///
/// One node after the other. Pods of daemon sets stay. Pods that keep data in an emptyDir, and pods that nobody makes
/// again, are named and left alone unless an option says that they may go.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DrainArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,

    /// How pods leave.
    #[command(flatten)]
    pub manner: MannerOptions,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// How pods leave.
#[derive(Clone, Debug, clap::Args)]
pub struct MannerOptions {
    /// What pods keep in an emptyDir may be lost
    #[arg(long)]
    pub delete_emptydir_data: bool,

    /// Pods may go that nobody makes again
    #[arg(long)]
    pub force: bool,

    /// Seconds that a node may take
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = whole_number::<u64>(1..=86_400))]
    pub timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster drain gpu1 --plan
  airlock cluster drain gpu1 gpu2 --delete-emptydir-data --timeout 1800 --yes";

impl MannerOptions {
    pub(super) fn manner(&self) -> Manner {
        let (delete_emptydir_data, force) = (self.delete_emptydir_data, self.force);
        Manner { delete_emptydir_data, force, timeout: Duration::from_secs(self.timeout) }
    }
}

pub(super) fn run(arguments: &DrainArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let (nodes, (_, pods)) = (site.nodes()?, site.on_a_server(None, Pod::all)?);
        let plan = drain::plan(&nodes, &pods, &arguments.nodes, &arguments.manner.manner())?;
        carry_out(&plan, (&arguments.change, None), site, None, session)
    })
}
