//! `airlock cluster repair`: a node is brought back.

use jiff::Timestamp;

use super::change::{ChangeOptions, ConfirmOption, SiteOptions, carry_out};
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::inventory::{Host, Role};
use crate::cluster::observe::Node;
use crate::cluster::operation::node::{self, Answers, Status};
use crate::cluster::operation::repair::{self, Diagnosis, Observed, Patient};
use crate::cluster::operation::site::Site;
use crate::cluster::operation::{etcd, status};
use crate::error::{Result, codes};
use crate::node::recovery::Look;

/// Find out what is wrong with a node, and put it right
///
/// It looks at the node through the cluster and on its host, and says what it found: k3s down, files damaged, certificates
/// expired, a password that the cluster refuses, a lost member of etcd, a lost quorum. `--plan` shows the commands. What
/// could lose data asks for the name of the first server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RepairArgs {
    /// The node
    #[arg(value_name = "NODE")]
    pub node: String,

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
  airlock cluster repair gpu1 --plan
  airlock cluster repair server2 --yes";

pub(super) fn run(arguments: &RepairArgs, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let host = site.host(&arguments.node)?;
        let nodes = nodes(site, host)?;
        let looks = node::each_named(site, &with_servers(site, host), node::look);
        let diagnosis = diagnosis(site, host, nodes.as_deref(), &looks)?;
        for reason in &diagnosis.reasons {
            session.note(&format!("{}: {reason}", host.name));
        }
        let observed = Observed { inventory: site.inventory, nodes: nodes.as_deref(), looks: &looks };
        let plan = repair::plan(&observed, &host.name, &diagnosis)?;
        carry_out(&plan, (&arguments.change, arguments.confirm.confirm.as_deref()), site, None, session)
    })
}

/// The nodes of the cluster; nothing if no server answers, which is a finding.
fn nodes(site: &Site<'_>, patient: &Host) -> Result<Option<Vec<Node>>> {
    match site.nodes_beside(&patient.name) {
        Ok(nodes) => Ok(Some(nodes)),
        Err(error) if error.code() == codes::CLUSTER_UNREACHABLE => Ok(None),
        Err(error) => Err(error),
    }
}

fn with_servers<'a>(site: &Site<'a>, host: &'a Host) -> Vec<&'a Host> {
    let others = site.inventory.of_role(Role::Server).filter(|other| other.name != host.name);
    [host].into_iter().chain(others).collect()
}

fn diagnosis(
    site: &Site<'_>,
    host: &Host,
    nodes: Option<&[Node]>,
    looks: &Answers<Look>,
) -> Result<Diagnosis> {
    let look = looks.get(&host.name).and_then(|look| look.as_ref().ok());
    let silent = || node::reason(looks, &host.name).unwrap_or_default();
    let (mut expired, mut state) = (Vec::new(), None::<Status>);
    if look.is_some() {
        // What cannot be told of a node that is broken is no reason to give up on it.
        let remote = site.on(host)?;
        state = node::status(&*remote).ok();
        let directory = &site.inventory.cluster.data_directory;
        let certificates = status::certificates(&*remote, directory).unwrap_or_default();
        let now = Timestamp::now();
        expired = certificates.expired(now).map(|certificate| certificate.filename.clone()).collect();
    }
    repair::decide(&Patient {
        role: host.role,
        look: look.ok_or_else(silent),
        status: state.as_ref(),
        expired,
        nodes,
        name: &host.name,
        servers: site.inventory.of_role(Role::Server).count(),
        with_data: etcd::with_data(site.inventory, looks),
        made_anew: etcd::made_anew(looks, &host.name),
        snapshot: etcd::latest(looks),
    })
}
