//! `airlock cluster remove`: nodes leave the cluster.

use super::change::{ChangeOptions, SiteOptions, carry_out};
use super::connect::with_site;
use super::drain::MannerOptions;
use crate::cli::session::Session;
use crate::cluster::inventory::Host;
use crate::cluster::operation::drain::Pod;
use crate::cluster::operation::node;
use crate::cluster::operation::remove::{self, Leaving, Observed};
use crate::cluster::operation::reset::Kept;
use crate::error::Result;

/// Take nodes out of the cluster, and make their hosts what they were
///
/// Pods leave first, unless the node is dead. A server leaves etcd before it stops; one is never taken that the others
/// need for a quorum. The node and its password are deleted, and the host is reset if it can be reached. A node whose line
/// has gone from the inventory leaves as well, and what is to be run on its host is told.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RemoveArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,

    /// Let the pods die with the node
    #[arg(long)]
    pub no_drain: bool,

    /// Keep the data of the cluster on the host
    #[arg(long)]
    pub keep_data: bool,

    /// Keep the blobs of the registry on the host
    #[arg(long)]
    pub keep_store: bool,

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

const EXAMPLES: &str = "\
Examples:
  airlock cluster remove gpu3 --plan
  airlock cluster remove gpu3 gpu4 --delete-emptydir-data";

pub(super) fn run(arguments: &RemoveArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let (members, (_, pods)) = (site.nodes()?, site.on_a_server(None, Pod::all)?);
        let hosts: Vec<&Host> = arguments.nodes.iter().filter_map(|name| site.inventory.host(name)).collect();
        let hosts = node::each_named(site, &hosts, node::status);
        let observed = Observed { inventory: site.inventory, members: &members, pods: &pods, hosts: &hosts };
        let leaving = Leaving {
            drain: (!arguments.no_drain).then(|| arguments.manner.manner()),
            kept: Kept { data: arguments.keep_data, store: arguments.keep_store },
        };
        let plan = remove::plan(&observed, &arguments.nodes, &leaving)?;
        carry_out(&plan, (&arguments.change, None), site, None, session)
    })
}
