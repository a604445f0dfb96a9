//! `airlock cluster label`: labels and taints of nodes.

use super::InventoryOptions;
use super::change::{ChangeOptions, carry_out};
use super::connect::with_inventory;
use super::connecting::ConnectionOptions;
use crate::cli::session::Session;
use crate::cluster::inventory::{Host, Role};
use crate::cluster::operation::label::{self, Observed};
use crate::cluster::operation::node;
use crate::cluster::operation::site::Site;
use crate::error::{Error, Result, codes};

/// Give nodes the labels and taints of the inventory, or those of the command line
///
/// Without words the inventory decides: what it no longer names goes. Labels that Kubernetes or airlock keep themselves
/// are left alone. A change counts at once, and is kept on the node; for that its k3s restarts, servers one after the
/// other, while containers run on. What is typed here should be written into the inventory too: the next deploy goes by
/// that.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct LabelArgs {
    /// The node, if words follow
    #[arg(value_name = "NODE", requires = "words")]
    pub node: Option<String>,

    /// KEY=VALUE or KEY- for a label, KEY=VALUE:EFFECT or KEY:EFFECT- for a taint
    #[arg(value_name = "WORD", allow_hyphen_values = false)]
    pub words: Vec<String>,

    /// Which inventory.
    #[command(flatten)]
    pub hosts: InventoryOptions,

    /// How they are connected to.
    #[command(flatten)]
    pub connection: ConnectionOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster label --plan
  airlock cluster label gpu1 rack=b old-
  airlock cluster label gpu1 dedicated=training:NoSchedule";

pub(super) fn run(arguments: &LabelArgs, session: &Session) -> Result<()> {
    let wish = label::parse(&arguments.words)?;
    with_inventory(&arguments.hosts.inventory, &arguments.connection, session, |site| {
        let nodes = site.nodes()?;
        let hosts = meant(arguments, site)?;
        let kept = node::each_named(site, &hosts, node::settings);
        let observed = Observed { inventory: site.inventory, members: &nodes, kept: &kept };
        let wishes = match &arguments.node {
            Some(node) => [(node.clone(), wish)].into(),
            None => {
                let mut wishes = label::from_inventory(&observed);
                wishes.retain(|name, _| hosts.iter().any(|host| host.name == *name));
                wishes
            }
        };
        let plan = label::plan(&observed, &wishes)?;
        if arguments.node.is_some() && !plan.is_empty() {
            session.note("Write it into the inventory too: the next deploy goes by that");
        }
        carry_out(&plan, (&arguments.change, None), site, None, session)
    })
}

fn meant<'a>(arguments: &LabelArgs, site: &Site<'a>) -> Result<Vec<&'a Host>> {
    let Some(node) = &arguments.node else {
        let all = arguments.hosts.selected(site.inventory)?;
        return Ok(all.into_iter().filter(|host| host.role != Role::Balancer).collect());
    };
    if !arguments.hosts.limit.is_empty() {
        return Err(Error::new(codes::USAGE, "`--limit` is for the labels of the inventory")
            .with_help("name the node alone: `airlock cluster label NODE KEY=VALUE`"));
    }
    site.host(node).map(|host| vec![host])
}
