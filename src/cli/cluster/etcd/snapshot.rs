//! `airlock cluster etcd snapshot`: saved, listed, deleted.

use super::{listed, looks, table, warn_of_silent};
use crate::cli::cluster::change::{ChangeOptions, SiteOptions, carry_out};
use crate::cli::cluster::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::observe;
use crate::cluster::operation::etcd;
use crate::cluster::operation::kubeconfig::check_name;
use crate::error::Result;

/// Take a snapshot of etcd, or list and delete those that there are
///
/// k3s takes some by itself, at 00:00 and 12:00, and keeps five. They lie on the disks of the servers; keep copies
/// elsewhere, together with the token of the cluster, /var/lib/rancher/k3s/server/token, without which nobody can read
/// them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct SnapshotArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What is done with snapshots.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Take one now
    Save {
        /// The beginning of its name; k3s adds the server and the time
        #[arg(default_value = "on-demand", value_name = "NAME")]
        name: String,

        /// Which inventory, and how its hosts are connected to.
        #[command(flatten)]
        file: SiteOptions,

        /// Options of the change.
        #[command(flatten)]
        change: ChangeOptions,
    },
    /// List those on all servers
    List {
        /// Which inventory, and how its hosts are connected to.
        #[command(flatten)]
        file: SiteOptions,
    },
    /// Delete some
    Delete {
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,

        /// Which inventory, and how its hosts are connected to.
        #[command(flatten)]
        file: SiteOptions,

        /// Options of the change.
        #[command(flatten)]
        change: ChangeOptions,
    },
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster etcd snapshot save before-maintenance
  airlock cluster etcd snapshot list --json | jq -r '.[0].name'";

pub(super) fn run(arguments: &SnapshotArgs, session: &Session) -> Result<()> {
    match &arguments.command {
        Command::Save { name, file, change } => {
            check_name(name)?;
            with_site(file, session, |site| {
                let (server, nodes) = site.on_a_server(None, observe::nodes)?;
                let plan = etcd::save(&server.name, &nodes, name)?;
                carry_out(&plan, (change, None), site, None, session)
            })
        }
        Command::List { file } => with_site(file, session, |site| {
            let snapshots = listed(site, session);
            session.print(&snapshots, |snapshots| table(snapshots))
        }),
        Command::Delete { names, file, change } => with_site(file, session, |site| {
            let looks = looks(site);
            warn_of_silent(&looks, session);
            carry_out(&etcd::delete(&looks, names), (change, None), site, None, session)
        }),
    }
}
