//! `airlock cluster status`: how the whole cluster is.

mod screen;

use jiff::Timestamp;

use super::change::SiteOptions;
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::inventory::Host;
use crate::cluster::operation::node;
use crate::cluster::operation::status::{self, ClusterStatus, Observed};
use crate::error::{Error, Result, codes};
use crate::ui::human;

/// Show how the cluster is, node by node, and what is wrong
///
/// Readiness, etcd, versions, bundles, registries, free space and certificates. The cluster is asked, and every host by itself, so that it tells something even if nothing answers. Nothing is changed.
///
/// Exit status: 0 nothing is wrong, also with warnings; 9 something is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct StatusArgs {
    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster status
  airlock cluster status --json | jq -r '.problems[] | .node + \": \" + .text'";

pub(super) fn run(arguments: &StatusArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let nodes = site.nodes();
        let hosts: Vec<&Host> = site.inventory.hosts.iter().collect();
        let answers = node::each_named(site, &hosts, node::status);
        let reached: Vec<&Host> =
            hosts.into_iter().filter(|host| matches!(answers.get(&host.name), Some(Ok(_)))).collect();
        let directory = &site.inventory.cluster.data_directory;
        let certificates = node::each(site, &reached, |remote| status::certificates(remote, directory));
        let status = ClusterStatus::of(&Observed {
            inventory: site.inventory,
            nodes: nodes.as_deref().map_err(|error| error.message().to_owned()),
            hosts: &answers,
            certificates: &certificates,
            now: Timestamp::now(),
        });
        session.print(&status, screen::render)?;
        match status.problems.len() {
            0 => Ok(()),
            count => Err(unhealthy(count)),
        }
    })
}

fn unhealthy(count: usize) -> Error {
    let problems = human::count(count as u64, "problem");
    Error::new(codes::CLUSTER_PROBLEMS, format!("the cluster does not work as it should: {problems}"))
        .with_help("do what stands below each of them, then run the command again")
}
