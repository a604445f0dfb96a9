//! `airlock cluster reset`: the cluster ends.

use super::change::{ChangeOptions, ConfirmOption, SiteOptions, carry_out};
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::inventory::Host;
use crate::cluster::operation::node;
use crate::cluster::operation::reset::{self, Kept};
use crate::error::Result;

/// End the cluster, and make all hosts what they were
///
/// Agents first, then servers, the first server last. It asks for the name of the first server. A host that cannot be
/// reached is named, and the exit status is 9; run it again when it can.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ResetArgs {
    /// Keep the data of the cluster, and the identity of each node in it, for another installation
    #[arg(long)]
    pub keep_data: bool,

    /// Keep the blobs of the registries, so that the next installation sends nothing
    #[arg(long)]
    pub keep_store: bool,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,

    /// The typed consent.
    #[command(flatten)]
    pub confirm: ConfirmOption,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster reset --plan
  airlock cluster reset --keep-store --confirm server1";

pub(super) fn run(arguments: &ResetArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let hosts: Vec<&Host> = site.inventory.hosts.iter().collect();
        let answers = node::each_named(site, &hosts, node::status);
        let kept = Kept { data: arguments.keep_data, store: arguments.keep_store };
        let plan = reset::plan(site.inventory, &answers, kept);
        carry_out(&plan, (&arguments.change, arguments.confirm.confirm.as_deref()), site, None, session)
    })
}
