//! `airlock cluster etcd`: who votes, snapshots, and the way back from one.

mod restore;
mod snapshot;

use super::change::SiteOptions;
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::inventory::{Host, Role};
use crate::cluster::operation::etcd::{self, Held};
use crate::cluster::operation::node;
use crate::cluster::operation::site::Site;
use crate::cluster::operation::voters::Voters;
use crate::error::{Error, Result, codes};
use crate::node::recovery::Look;
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// Look at the datastore of the cluster, take snapshots, or go back to one
#[derive(Debug, clap::Args)]
#[command(name = "etcd", subcommand_required = true, arg_required_else_help = false)]
pub struct EtcdCommand {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock cluster etcd`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Status(StatusArgs),
    Snapshot(snapshot::SnapshotArgs),
    Restore(restore::RestoreArgs),
}

/// Show who votes in etcd, and whether they are enough
///
/// Exit status: 0 with a quorum and everybody well, 9 otherwise.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,
}

impl EtcdCommand {
    pub(super) fn run(&self, session: &Session) -> Result<()> {
        match &self.command {
            Command::Status(arguments) => status(arguments, session),
            Command::Snapshot(arguments) => snapshot::run(arguments, session),
            Command::Restore(arguments) => restore::run(arguments, session),
        }
    }
}

fn status(arguments: &StatusArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let voters = Voters::of(&site.nodes()?);
        session.print(&voters, |voters| {
            let line = |state: &'static str| move |name: &String| format!("{}  {state}\n", escape(name));
            let well = voters.well.iter().map(line("votes"));
            let lost = voters.lost.iter().map(line("votes, and is not well"));
            let all: String = well.chain(lost).collect();
            match voters.count() {
                0 => "the cluster has no etcd: its data lie on its only server\n".to_owned(),
                count => format!(
                    "{all}{} of {count} are well, {} are needed\n",
                    voters.well.len(),
                    voters.quorum()
                ),
            }
        })?;
        match voters.lost.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::new(codes::CLUSTER_PROBLEMS, format!("not well: {}", voters.lost.join(", ")))
                    .with_help("`airlock cluster repair SERVER` finds out why"))
            }
        }
    })
}

/// What all servers say about their data.
fn looks(site: &Site<'_>) -> node::Answers<Look> {
    let servers: Vec<&Host> = site.inventory.of_role(Role::Server).collect();
    node::each_named(site, &servers, node::look)
}

fn warn_of_silent(looks: &node::Answers<Look>, session: &Session) {
    for name in looks.keys() {
        if let Some(why) = node::reason(looks, name) {
            session.warn(&format!("{name}: {why}; its snapshots are not known"));
        }
    }
}

fn table(snapshots: &[Held]) -> String {
    let mut table = Table::new([
        ("SNAPSHOT", Align::Left),
        ("SERVER", Align::Left),
        ("SIZE", Align::Right),
        ("MADE", Align::Left),
    ]);
    for Held { server, snapshot: etcd } in snapshots {
        table.row([&etcd.name, server, &human::size(etcd.size), &format!("{:.0}", etcd.at)]);
    }
    if table.is_empty() { "there are no snapshots\n".to_owned() } else { table.render() }
}

/// What is there now, for a list.
fn listed(site: &Site<'_>, session: &Session) -> Vec<Held> {
    let looks = looks(site);
    warn_of_silent(&looks, session);
    etcd::snapshots(&looks)
}
